package httpserver

import (
	"net/http"
	"time"
)

// CallbackPath is where Options.Callbacks answers.
const CallbackPath = "/callbacks/zego"

// maxCallbacks is how many callbacks are worked on at once.
const maxCallbacks = 50

// boundCallbacks bounds how many callbacks next works on at once, and how long each may take
// to arrive. Those that are refused ZEGO sends again.
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
