package zegosim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"zego-mcp/zego"
)

// Fault is something that goes wrong with one call. Its zero value changes
// nothing; what it combines is applied in the order of the fields.
//
// ClockOffset, Code and FailDrive change what the simulator does. All else only
// changes how the answer travels: the call has then been carried out, which is the
// harder case for a client.
type Fault struct {
	ClockOffset time.Duration // how far the server's clock is ahead, for the signature and the Date header
	Code        zego.Code     // refuse a call that is otherwise in order
	Message     string        // of Code; default: a text that says it is simulated
	FailDrive   bool          // the drive that the call asks for fails when its turn comes

	Latency  time.Duration // real time to wait before answering
	Stall    bool          // never answer: hold the connection until the caller hangs up
	Drop     bool          // close the connection without an answer
	Redirect string        // send the caller here; with Status 302, unless set
	Status   int           // HTTP status; default: 200
	Header   http.Header   // set besides the usual ones, such as Retry-After

	Body        string // in place of the right one, such as a proxy's HTML
	Empty       bool   // no body at all
	ContentType string // default: application/json
	Truncate    bool   // send half of the body under the full Content-Length, then close
}

func (f Fault) message() string {
	if f.Message != "" {
		return f.Message
	}
	return "simulated failure " + strconv.Itoa(int(f.Code))
}

// deliver sends body, or what the fault leaves of it.
func (f Fault) deliver(w http.ResponseWriter, r *http.Request, body []byte) {
	if f.Latency > 0 {
		t := time.NewTimer(f.Latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f.Stall {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	if f.Drop {
		panic(http.ErrAbortHandler)
	}

	h := w.Header()
	for name, values := range f.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	status := http.StatusOK
	if f.Redirect != "" {
		h.Set("Location", f.Redirect)
		status, body = http.StatusFound, nil
	}
	if f.Status != 0 {
		status = f.Status
	}
	if f.Body != "" {
		body = []byte(f.Body)
	}
	if f.Empty {
		body = nil
	}
	switch {
	case f.ContentType != "":
		h.Set("Content-Type", f.ContentType)
	case strings.HasPrefix(strings.TrimSpace(f.Body), "<"):
		h.Set("Content-Type", "text/html; charset=utf-8")
	default:
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if !f.Truncate {
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush() // or the abort would take this half with it
	panic(http.ErrAbortHandler)
}
