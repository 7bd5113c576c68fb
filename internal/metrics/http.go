package metrics

import (
	"net/http"
	"strconv"
)

// Middleware counts the responses of next by path and status.
func (m *Metrics) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch path {
		case "/mcp", "/sse", "/message":
		default:
			path = other
		}
		counted := &countedWriter{ResponseWriter: w, count: func(status int) {
			m.set.GetOrCreateCounter(name(httpResponses, "path", path, "code", strconv.Itoa(status))).Inc()
		}}
		next.ServeHTTP(counted, r)
		counted.begin(http.StatusOK) // For a response without a body.
	})
}

// countedWriter calls count when a response begins: event streams last as long as their
// clients.
type countedWriter struct {
	http.ResponseWriter
	count func(status int)
	began bool
}

// begin counts the response, if that has not been done.
func (w *countedWriter) begin(status int) {
	if !w.began && status >= http.StatusOK { // Those below are not the last one.
		w.began = true
		w.count(status)
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *countedWriter) WriteHeader(status int) {
	w.begin(status)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *countedWriter) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (w *countedWriter) Flush() {
	w.begin(http.StatusOK)
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
