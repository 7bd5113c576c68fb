package zego

import (
	"net/http"
	"net/url"
)

// NewTransport returns the transport of a client by default, with another proxy.
func NewTransport(findProxy func(*http.Request) (*url.URL, error)) *http.Transport {
	return newTransport(findProxy)
}
