package zego

import (
	"net/http"
	"net/url"
)

// NewTransport returns the transport of a client by default, with another proxy.
func NewTransport(findProxy func(*http.Request) (*url.URL, error)) *http.Transport {
	return newTransport(findProxy)
}

// EncodeToken encodes a viewer token whose fields are all given.
func EncodeToken(serverSecret string, iv [16]byte, appID uint32, userID string, createdAt, expiresAt int64, nonce int32, payload string) (string, error) {
	return encodeToken(serverSecret, iv, tokenFields{appID, userID, createdAt, expiresAt, nonce, payload})
}
