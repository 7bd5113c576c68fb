package httpserver

import (
	"net/http"
	"time"
)

// CallbackPath is the path of the requests that Options.Callbacks answers.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/receiving-callback
const CallbackPath = "/callbacks/zego"

// maxCallbacks is how many callbacks may be worked on at once.
const maxCallbacks = 50

// boundCallbacks lets next work on at most maxCallbacks requests at once, and bounds how long
// each may take to arrive. It refuses the others, and ZEGO sends them again later.
func (h *Handler) boundCallbacks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		end, ok := h.work.begin(callbacks)
		if !ok {
			refuse(w, tooManyRequests, 0)
			return
		}
		defer end()
		conn := http.NewResponseController(w)
		_ = conn.SetReadDeadline(time.Now().Add(bodyTimeout))
		defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
		next.ServeHTTP(w, r)
	})
}
