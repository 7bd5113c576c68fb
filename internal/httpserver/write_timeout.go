package httpserver

import (
	"net/http"
	"time"
)

// writeTimeout is how long a client may take to read what is sent to it. A client that
// takes longer is taken for dead: its request and the calls of its SSE session end.
const writeTimeout = 30 * time.Second

// limitWrites applies writeTimeout to each write of next. http.Server.WriteTimeout alone
// would end streams that are older.
func limitWrites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limited := &limitedWriter{ResponseWriter: w, conn: http.NewResponseController(w)}
		next.ServeHTTP(limited, r)
		limited.extend() // For what http.Server itself sends at the end.
	})
}

type limitedWriter struct {
	http.ResponseWriter
	conn *http.ResponseController
}

// extend gives the next write its time.
func (w *limitedWriter) extend() { _ = w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) }

func (w *limitedWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// FlushError is what http.ResponseController calls.
func (w *limitedWriter) FlushError() error {
	w.extend()
	return w.conn.Flush()
}

// Flush implements http.Flusher.
func (w *limitedWriter) Flush() { _ = w.FlushError() }

// Unwrap is for http.ResponseController.
func (w *limitedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
