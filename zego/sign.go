package zego

import (
	"crypto/md5" //nolint:gosec // ZEGO defines its signature as MD5.
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"strconv"
	"time"
)

// SignatureVersion is the only signature version that ZEGO accepts.
const SignatureVersion = "2.0"

// Sign returns the signature of a request: the MD5 of appID, nonce, serverSecret and
// timestamp, joined as text, in lowercase hexadecimal. timestamp is in Unix seconds, and
// ZEGO refuses one that is more than 10 minutes off.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/accessing-server-apis
func Sign(appID uint32, nonce, serverSecret string, timestamp int64) string {
	text := strconv.FormatUint(uint64(appID), 10) + nonce + serverSecret + strconv.FormatInt(timestamp, 10)
	sum := md5.Sum([]byte(text)) //nolint:gosec // ZEGO defines its signature as MD5.
	return hex.EncodeToString(sum[:])
}

// signer returns a function that makes the signed query of one request; each has a nonce
// of its own. The secret is kept in the closure, so that printing a Client cannot show it.
func signer(appID uint32, serverSecret string, now func() time.Time) func(action string) url.Values {
	return func(action string) url.Values {
		var random [8]byte
		_, _ = rand.Read(random[:]) // rand.Read returns no error: it ends the program instead.
		nonce := hex.EncodeToString(random[:])
		timestamp := now().Unix()
		return url.Values{
			"Action":           {action},
			"AppId":            {strconv.FormatUint(uint64(appID), 10)},
			"SignatureNonce":   {nonce},
			"Timestamp":        {strconv.FormatInt(timestamp, 10)},
			"Signature":        {Sign(appID, nonce, serverSecret, timestamp)},
			"SignatureVersion": {SignatureVersion},
		}
	}
}
