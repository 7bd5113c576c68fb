package projects

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"zego-mcp/zego"
)

// maxCallback bounds the body of a callback, in bytes. ZEGO's have a few hundred.
const maxCallback = 1 << 20

// ServeCallback takes a callback of ZEGO's, and tells it to the project whose AppID it has. It
// must be signed with the callback secret of that project.
func (s *Set) ServeCallback(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	if err != nil {
		http.Error(w, "the callback is too large or broke off", http.StatusBadRequest)
		return
	}
	var of struct {
		AppID uint32 `json:"AppId"`
	}
	if json.Unmarshal(body, &of) != nil {
		http.Error(w, "not a callback of ZEGO's", http.StatusBadRequest)
		return
	}
	members := s.files.Get()
	def := members.defs[of.AppID] // Nobody has signed the AppID yet: it only chooses the secret.
	if def.callbackSecret == "" {
		http.Error(w, "the signature does not match", http.StatusUnauthorized)
		return
	}
	tracker := members.projects[def.identity()].tracker
	r.Body = io.NopCloser(bytes.NewReader(body))
	zego.CallbackHandler(def.callbackSecret, func(_ context.Context, event zego.Event) error {
		if event.AppID != def.appID {
			return nil
		}
		return tracker.Handle(event)
	}).ServeHTTP(w, r)
}
