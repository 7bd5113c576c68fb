package httpserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// MaxBody is the largest request body that is accepted, in bytes.
const MaxBody = 4 << 20

const (
	// bodyTimeout is how long a client may take to send a body.
	bodyTimeout = 30 * time.Second
	// maxDiscarded is how many bytes of a body over MaxBody are read and thrown away.
	maxDiscarded = 64 << 20
)

// readBody returns the body of r. It refuses a body over MaxBody and one that takes longer
// than bodyTimeout: it answers the request then, and returns false.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	// http.Server.ReadTimeout would end long-lived streams too.
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()

	err := error(&http.MaxBytesError{Limit: MaxBody})
	if r.ContentLength <= MaxBody {
		var buf bytes.Buffer
		// The length is only what the client says, so a large one gets no memory yet.
		buf.Grow(int(min(max(r.ContentLength, 0), 64<<10)) + bytes.MinRead)
		_, err = buf.ReadFrom(http.MaxBytesReader(nil, r.Body, MaxBody))
		body = buf.Bytes()
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refuseBody(conn, w, r)
		return nil, false
	}
	if err != nil {
		http.Error(w, "Request body did not arrive", http.StatusBadRequest)
		return nil, false
	}
	return body, true
}

// refuseBody answers that the body of r is too large. Then it reads on for a while: if the
// connection were closed while the client still sends, the client would get an error in
// place of the answer.
func refuseBody(conn *http.ResponseController, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close") // It also keeps net/http from reading on before it sends the answer.
	http.Error(w, fmt.Sprintf("Request body is larger than %d MiB", MaxBody>>20), http.StatusRequestEntityTooLarge)
	_ = conn.Flush()
	if r.Header.Get("Expect") == "" { // With Expect: 100-continue, the client waits with the body.
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscarded)
	}
}
