package zegosim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"zego-mcp/zego"
)

// Fault is something that goes wrong with one call. Its zero value changes nothing.
// If several fields are set, they are applied in their order.
//
// ClockOffset, Code and FailDrive change what the simulator does. The other fields only
// change how the answer is sent: the call has been carried out, but its caller may not
// learn that.
type Fault struct {
	ClockOffset time.Duration // how far the server's clock is ahead: for the signature, Date and the expiry of pictures
	Code        zego.Code     // refuse the call, unless it is refused before for its signature or rate
	Message     string        // goes with Code; default: "simulated failure" and the code
	FailDrive   bool          // the drive that the call asks for fails when its turn comes

	Latency  time.Duration // real time to wait before answering
	Stall    bool          // never answer: hold the connection until the caller hangs up
	Drop     bool          // close the connection without an answer
	Redirect string        // URL to redirect the caller to; the HTTP status is 302, unless Status is set
	Status   int           // HTTP status; default: 200
	Header   http.Header   // headers to add, such as Retry-After

	Body        string // replaces the answer, for example by a proxy's HTML
	Empty       bool   // no body at all
	ContentType string // default: application/json, or text/html if Body begins with "<"
	Truncate    bool   // send half of the body under the full Content-Length, then close
}

func (f Fault) message() string {
	if f.Message != "" {
		return f.Message
	}
	return "simulated failure " + strconv.Itoa(int(f.Code))
}

// deliver sends the answer body, changed by the fault.
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
	_ = http.NewResponseController(w).Flush() // Without it the abort would discard this half.
	panic(http.ErrAbortHandler)
}
