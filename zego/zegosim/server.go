// Package zegosim simulates ZEGOCLOUD's Digital Human API over HTTP, for tests
// and for demonstrations without an account. It is a test double: its digital
// humans, its pictures and its secret are made up.
//
// Each file holds one subject of ZEGO's API. The actions are listed in actions.go, and
// what is checked before an action is carried out is in gateway.go. Where ZEGO's
// documents leave open what the server does, a comment begins with "Assumed:".
package zegosim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim/speech"
)

const (
	// DefaultAppID is the AppId of a zero Server.
	DefaultAppID uint32 = 1234567890

	// DefaultSecret is the ServerSecret of a zero Server. It opens nothing but the
	// simulator.
	DefaultSecret = "zego-simulator-not-a-real-secret" //nolint:gosec // It opens nothing.

	// DefaultQPS is how many calls of each action a zero Server admits per second.
	// ZEGO documents this number for all actions.
	DefaultQPS = 10
)

const (
	maxBody    = 1 << 20 // bytes of a request
	serverName = "zego-simulator"
)

// Server is an [http.Handler] that simulates the API for one app. Its zero value is
// ready for use. Set the fields before the first request. The functions among them are
// called concurrently, and must not call the Server.
//
// Stream tasks and drives change with the clock, but no goroutine watches it: each call
// first applies what the clock has changed since the call before. Goroutines run only
// for RunCallbacks, and for the port that DriveByWsStream opens and Close closes.
type Server struct {
	AppID  uint32              // default: DefaultAppID
	Secret string              // default: DefaultSecret
	Now    func() time.Time    // default: time.Now
	QPS    int                 // calls per second and action; default: DefaultQPS; negative: no limit
	Humans []zego.DigitalHuman // default: DefaultHumans(); an answer has a URL of the Server for an empty AvatarURL or PreviewURL

	Timbres    []Timbre      // default: DefaultTimbres()
	MaxTasks   int           // stream tasks at once; default: DefaultMaxTasks; negative: no limit
	StartDelay time.Duration // from a stream task's creation until it streams; default: DefaultStartDelay; negative: none

	// FailStart, if set, is called when a stream task is created. If it returns a
	// text, the task fails to start, and the text is its FailReason.
	FailStart func(roomID, streamID string) string

	VoiceListen string // host and port of the WebSocket server of DriveByWsStream; default: a free port of 127.0.0.1

	// VoiceFault, if set, is called for each WebSocket connection, with the drive it
	// is for. It returns what goes wrong with the connection, or nil for nothing.
	VoiceFault func(driveID string) *VoiceFault

	// Lag is how late QueryDigitalHumanStreamTasks shows that a task was created, streams or
	// has ended; at most an hour. ZEGO's list may be late, too. Default: none.
	Lag time.Duration

	// Logger is warned when a caller does what ZEGO accepts and advises against. Default: none.
	Logger *slog.Logger

	// NoDriveStatus makes the Server not know GetDriveStatus, which ZEGO no longer documents.
	NoDriveStatus bool

	CallbackURL     string       // where RunCallbacks sends callbacks; empty: there are none
	CallbackSecret  string       // signs callbacks; default: DefaultCallbackSecret
	CallbackSeconds bool         // a callback's Timestamp is in seconds, as it was before May 2026, not in milliseconds
	CallbackClient  *http.Client // sends callbacks; default: one that follows no redirects

	// RefuseReplay makes the Server refuse a nonce that was used before, with
	// zego.CodeSignatureWrong. ZEGO documents no such check. It is for tests of
	// clients, which must sign every attempt anew.
	RefuseReplay bool

	// Fault, if set, is called for each call of a supported action, with the call's
	// number among those of its action, from 1. It returns what goes wrong with the
	// call, or nil for nothing.
	Fault func(action string, call int) *Fault

	// Observe, if set, is called for each API call before its answer is sent.
	Observe func(Call)

	pictures sync.Map // of func() []byte by path; each draws its picture once

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
	changed    chan struct{}  // makes RunCallbacks look for events; nil before it runs
	delivering int            // how many tasks have their events delivered right now
}

// Call is an API call as it arrived, and the code of its answer. It holds neither the
// signature nor the secret.
type Call struct {
	Action string      // as sent; may be empty or unsupported
	Number int         // among the calls of its action, from 1; 0 if the action is not supported
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

// noLog is for a Server without a Logger.
var noLog = slog.New(slog.DiscardHandler)

// commonParameters are in the query of every call, whatever the action.
var commonParameters = []string{"Action", "AppId", "SignatureNonce", "Timestamp", "Signature", "SignatureVersion"}

// ServeHTTP answers API calls at "/", and serves the pictures that their answers
// refer to. A browser that opens "/" gets a page that says what this is.
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
	isCall := slices.ContainsFunc(commonParameters, query.Has)
	switch {
	case r.Method == http.MethodPost, r.Method == http.MethodGet && isCall:
		s.serveAPI(w, r, query)
	case r.Method == http.MethodGet, r.Method == http.MethodHead && !isCall:
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

// count returns the number of a call among those of its action, and its request id.
// Calls of unsupported actions are not counted, so that calls does not grow without
// bound; their number is 0.
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

func (s *Server) log() *slog.Logger { return cmp.Or(s.Logger, noLog) }

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

// origin returns the scheme and host by which the caller reached the server. URLs in
// an answer begin with it, so that they work for the caller.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// setDate sets the Date header to the server's clock. net/http would send the real
// time.
func setDate(h http.Header, t time.Time) {
	h.Set("Date", t.UTC().Format(http.TimeFormat))
}
