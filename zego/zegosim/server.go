// Package zegosim simulates ZEGOCLOUD's Digital Human API over HTTP, for tests
// and for demonstrations without an account. It is a test double: its digital
// humans, its pictures and its secret are made up.
package zegosim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim/speech"
)

const (
	// DefaultAppID is the app a zero Server knows.
	DefaultAppID uint32 = 1234567890

	// DefaultSecret signs for DefaultAppID. It opens nothing but this simulator.
	DefaultSecret = "zego-simulator-not-a-real-secret" //nolint:gosec // It opens nothing.

	// DefaultQPS is how often each action may be called per second, as ZEGO
	// documents it for all of them.
	DefaultQPS = 10
)

const (
	maxBody    = 1 << 20 // bytes of a request
	serverName = "zego-simulator"
)

// Server simulates the API for one app: an [http.Handler]. Its zero value is ready
// for use. Set the fields before the first request; the functions among them are
// called concurrently and must not call the Server.
//
// Stream tasks and drives follow the clock without a goroutine: they are brought up
// to date when somebody asks. Only DriveByWsStream, which opens a port, and
// RunCallbacks need one; Close ends what DriveByWsStream started.
type Server struct {
	AppID  uint32              // default: DefaultAppID
	Secret string              // default: DefaultSecret
	Now    func() time.Time    // default: time.Now
	QPS    int                 // calls per second and action; default: DefaultQPS; negative: no limit
	Humans []zego.DigitalHuman // default: DefaultHumans(); an empty AvatarURL or PreviewURL is filled in when served

	Timbres    []Timbre      // default: DefaultTimbres()
	MaxTasks   int           // stream tasks at once; default: DefaultMaxTasks; negative: no limit
	StartDelay time.Duration // from a stream task's creation until it streams; default: DefaultStartDelay; negative: none

	// FailStart, if set, is asked about each stream task when it is created. A text
	// is the FailReason with which it fails to start, empty: it will start.
	FailStart func(roomID, streamID string) string

	VoiceListen string // where DriveByWsStream lets callers connect; default: a free port of 127.0.0.1

	// VoiceFault, if set, chooses what goes wrong with a WebSocket connection that
	// comes for a drive: nil for nothing.
	VoiceFault func(driveID string) *VoiceFault

	CallbackURL     string       // where RunCallbacks tells of changes; empty: nobody is told
	CallbackSecret  string       // signs them; default: DefaultCallbackSecret
	CallbackSeconds bool         // Timestamp is in seconds, as it was before May 2026, not in milliseconds
	CallbackClient  *http.Client // default: one that follows no redirects

	// RefuseReplay answers a nonce seen before with zego.CodeSignatureWrong.
	// ZEGO documents no such check: it is for tests of clients that must sign
	// every attempt anew.
	RefuseReplay bool

	// Fault, if set, chooses what goes wrong with a call: nil for nothing. The
	// calls of each supported action are counted from 1.
	Fault func(action string, call int) *Fault

	// Observe, if set, is told of every API call before its answer leaves.
	Observe func(Call)

	pictures sync.Map // of func() []byte by path: drawn once, when first asked for

	mu           sync.Mutex             // guards what follows
	requests     uint64                 // calls so far; the last one's request id
	calls        map[string]int         // calls so far, by action
	admitted     map[string][]time.Time // when calls passed the rate limit in the last second, by action
	nonces       map[string]int64       // until when a nonce's Timestamp is valid, in Unix seconds
	noncesPruned int64                  // when nonces that are no longer valid were last removed, in Unix seconds

	tasks      []*task        // in the order of their creation
	lastTask   uint64         // id
	lastDrive  uint64         // id
	speech     *speech.Server // where DriveByWsStream lets callers connect; nil before the first call
	closed     bool           // Close was called
	changed    chan struct{}  // tells RunCallbacks to look; nil before it runs
	delivering int            // how many tasks have their events delivered right now
}

// Call is an API call as it arrived, and the code it was answered with. It holds
// neither signature nor secret.
type Call struct {
	Action string      // as sent; may be empty or unsupported
	Number int         // counts the calls of this action from 1; 0 if the action is not supported
	Method string      // GET or POST
	Header http.Header // a copy
	Body   []byte      // raw, up to 1 MiB
	Code   zego.Code   // 0: success
}

// reply is ZEGO's envelope, its keys in the order of ZEGO's examples.
type reply struct {
	Code      zego.Code
	Message   string
	RequestID string `json:"RequestId"`
	Data      any    `json:",omitempty"`
}

// common are the parameters that travel in the query whatever the action.
var common = []string{"Action", "AppId", "SignatureNonce", "Timestamp", "Signature", "SignatureVersion"}

// ServeHTTP answers API calls on "/", and serves the pictures their answers
// point to. A browser that opens "/" is told what this is.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Server", serverName)
	h.Set("X-Content-Type-Options", "nosniff")
	setDate(h, s.now())
	if r.URL.Path != "/" && r.URL.Path != "" {
		s.servePicture(w, r)
		return
	}

	query := r.URL.Query()
	called := slices.ContainsFunc(common, query.Has)
	switch {
	case r.Method == http.MethodPost, r.Method == http.MethodGet && called:
		s.serveAPI(w, r, query)
	case r.Method == http.MethodGet, r.Method == http.MethodHead && !called:
		s.servePage(w, r)
	default:
		// Assumed: what ZEGO answers to other methods is not documented.
		h.Set("Allow", "GET, POST")
		http.Error(w, "zego-simulator: the API takes GET and POST", http.StatusMethodNotAllowed)
	}
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, query url.Values) {
	action := query.Get("Action")
	req := &request{method: r.Method, query: query, received: s.now(), origin: origin(r)}
	// Read the body first: only then does net/http notice a caller that hangs up.
	req.body, req.bodyErr = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	number, id := s.count(action)
	if s.Fault != nil && number > 0 {
		if fault := s.Fault(action, number); fault != nil {
			req.fault = *fault
		}
	}

	data, refused := s.answer(req)
	out := reply{Message: "success", RequestID: id, Data: data}
	if refused != nil {
		out = reply{Code: refused.code, Message: refused.message, RequestID: id}
	}
	if s.Observe != nil {
		s.Observe(Call{
			Action: action, Number: number, Method: r.Method,
			Header: r.Header.Clone(), Body: req.body, Code: out.Code,
		})
	}
	setDate(w.Header(), req.clock())
	req.fault.deliver(w, r, out.encode())
}

// count numbers a call among those of its action and gives it a request id.
// Unsupported actions are not counted, lest their names pile up.
func (s *Server) count(action string) (number int, id string) {
	_, ok := actions[action]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if ok {
		if s.calls == nil {
			s.calls = make(map[string]int)
		}
		s.calls[action]++
	}
	return s.calls[action], fmt.Sprintf("00000000-0000-4000-8000-%012x", s.requests)
}

func (s *Server) appID() uint32  { return cmp.Or(s.AppID, DefaultAppID) }
func (s *Server) secret() string { return cmp.Or(s.Secret, DefaultSecret) }
func (s *Server) qps() int       { return cmp.Or(s.QPS, DefaultQPS) }

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (r reply) encode() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(r) // Answers are plain structs, which can always be encoded.
	return bytes.TrimSpace(b.Bytes())
}

// origin is how the caller reached us, so that the URLs in an answer work for it.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// setDate keeps net/http from sending the real time, which may differ from ours.
func setDate(h http.Header, t time.Time) {
	h.Set("Date", t.UTC().Format(http.TimeFormat))
}
