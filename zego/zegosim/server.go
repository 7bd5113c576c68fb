// Package zegosim simulates ZEGOCLOUD's Digital Human API over HTTP, for tests
// and for demonstrations without an account. It is a test double: its digital
// humans, its pictures and its secret are made up.
package zegosim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
	"zego-mcp/zego"
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
	signatureWindow = 600     // seconds a Timestamp may be off, either way
	maxBody         = 1 << 20 // bytes of a request
	serverName      = "zego-simulator"
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

	mu     sync.Mutex // guards what follows
	last   uint64     // request id
	counts map[string]int
	recent map[string][]time.Time // calls let through within the last second, by action
	nonces map[string]int64       // when a nonce's Timestamp stops being valid, in Unix seconds
	pruned int64                  // when nonces was last rid of such, in Unix seconds

	tasks      []*task // in the order of their creation
	lastTask   uint64  // id
	lastDrive  uint64  // id
	voice      *voiceServer
	closed     bool
	changed    chan struct{} // tells RunCallbacks to look; nil before it runs
	delivering int           // tasks whose callbacks are being delivered
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

// handler carries out an action. Nil data leaves Data out of the answer.
type handler func(*Server, *request) (data any, no *refusal)

// actions is every action the simulator supports.
var actions = map[string]handler{
	"GetDigitalHumanList": (*Server).getDigitalHumanList,
	"GetDigitalHumanInfo": (*Server).getDigitalHumanInfo,
	"GetTimbreList":       (*Server).getTimbreList,

	"CreateDigitalHumanStreamTask":    (*Server).createStreamTask,
	"GetDigitalHumanStreamTaskStatus": (*Server).getStreamTaskStatus,
	"QueryDigitalHumanStreamTasks":    (*Server).queryStreamTasks,
	"StopDigitalHumanStreamTask":      (*Server).stopStreamTask,

	"DriveByText":        (*Server).driveByText,
	"DriveByAudio":       (*Server).driveByAudio,
	"DriveByWsStream":    (*Server).driveByWSStream,
	"DriveByRTCStream":   (*Server).driveByRTCStream,
	"DoAction":           (*Server).doAction,
	"InterruptDriveTask": (*Server).interruptDriveTask,
	"GetDriveStatus":     (*Server).getDriveStatus,
}

// request is a call on its way through the checks.
type request struct {
	now    time.Time // the server's clock, wrong by Fault.ClockOffset
	origin string    // scheme and host under which the caller reached us
	params params

	failDrive bool // Fault.FailDrive
}

// refusal is a failure in ZEGO's terms.
type refusal struct {
	code    zego.Code
	message string
}

func refuse(code zego.Code, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
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
	now := s.now()
	action := query.Get("Action")
	// Read first: only then does net/http notice a caller that hangs up.
	body, bodyErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))

	number, id := s.count(action)
	var fault Fault
	if s.Fault != nil && number > 0 {
		if f := s.Fault(action, number); f != nil {
			fault = *f
		}
	}

	req := &request{now: now.Add(fault.ClockOffset), origin: origin(r), failDrive: fault.FailDrive}
	data, no := s.answer(req, r.Method, query, body, bodyErr, fault, now)
	out := reply{Message: "success", RequestID: id, Data: data}
	if no != nil {
		out = reply{Code: no.code, Message: no.message, RequestID: id}
	}
	if s.Observe != nil {
		s.Observe(Call{
			Action: action, Number: number, Method: r.Method,
			Header: r.Header.Clone(), Body: body, Code: out.Code,
		})
	}
	setDate(w.Header(), req.now)
	fault.deliver(w, r, out.encode())
}

// answer checks a call in the order a gateway can, cheapest first, and carries it
// out.
//
// Assumed: the order; ZEGO documents none.
func (s *Server) answer(req *request, method string, query url.Values, body []byte, bodyErr error, fault Fault, wall time.Time) (any, *refusal) {
	if no := s.authenticate(query, req.now.Unix()); no != nil {
		return nil, no
	}
	action := query.Get("Action")
	handle, ok := actions[action]
	if !ok {
		return nil, refuse(zego.CodeGatewayActionUnsupported, "Action %q is not supported", action)
	}
	if !s.admit(action, wall) {
		return nil, refuse(zego.CodeRateLimited, "%s may be called %d times per second", action, s.qps())
	}
	if bodyErr != nil {
		// Assumed: ZEGO documents no limit of a request's size.
		return nil, refuse(zego.CodeGatewayBodyUnreadable, "the request body cannot be read: %v", bodyErr)
	}
	if fault.Code != 0 {
		return nil, &refusal{fault.Code, fault.message()}
	}

	var no *refusal
	if method == http.MethodGet {
		req.params = queryParams(query)
	} else if req.params, no = bodyParams(body); no != nil {
		return nil, no
	}
	return handle(s, req)
}

// authenticate checks the common parameters, of which Action only for presence.
func (s *Server) authenticate(query url.Values, now int64) *refusal {
	appID, err := strconv.ParseUint(query.Get("AppId"), 10, 32)
	if err != nil {
		return refuse(zego.CodeGatewayAppIDMalformed, "AppId must be a decimal uint32")
	}
	if query.Get("Timestamp") == "" {
		return refuse(zego.CodeGatewayTimestampEmpty, "Timestamp is empty")
	}
	timestamp, err := strconv.ParseInt(query.Get("Timestamp"), 10, 64)
	if err != nil {
		return refuse(zego.CodeGatewayTimestampMalformed, "Timestamp must be Unix seconds")
	}
	if query.Get("Action") == "" {
		return refuse(zego.CodeGatewayActionEmpty, "Action is empty")
	}
	nonce := query.Get("SignatureNonce")
	if nonce == "" {
		return refuse(zego.CodeGatewayNonceEmpty, "SignatureNonce is empty")
	}
	if query.Get("Signature") == "" {
		return refuse(zego.CodeGatewaySignatureEmpty, "Signature is empty")
	}
	switch v := query.Get("SignatureVersion"); v {
	case "2.0":
	case "":
		return refuse(zego.CodeGatewaySignatureVersionEmpty, "SignatureVersion is empty")
	default:
		return refuse(zego.CodeGatewaySignatureVersionUnsupported, "SignatureVersion %q is not supported, only 2.0", v)
	}

	if uint32(appID) != s.appID() {
		// Assumed: 100000010, no ServerSecret, would fit as well.
		return refuse(zego.CodeGatewayNoAppConfig, "no app has AppId %d", appID)
	}
	// Assumed: the edge still counts as valid, and the future is treated like the past.
	if timestamp < now-signatureWindow || timestamp > now+signatureWindow {
		return refuse(zego.CodeSignatureExpired, "signature expired: Timestamp is %d, the server's clock says %d", timestamp, now)
	}
	// Assumed: only lowercase is right.
	if query.Get("Signature") != zego.Sign(uint32(appID), nonce, s.secret(), timestamp) {
		return refuse(zego.CodeSignatureWrong, "signature wrong")
	}
	if s.RefuseReplay && s.seen(nonce, timestamp, now) {
		return refuse(zego.CodeSignatureWrong, "signature wrong: this SignatureNonce has been used before")
	}
	return nil
}

// seen reports whether nonce was used before, and remembers it for as long as its
// Timestamp is valid.
func (s *Server) seen(nonce string, timestamp, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nonces == nil {
		s.nonces = make(map[string]int64)
	}
	if now-s.pruned >= 60 {
		for n, end := range s.nonces {
			if end < now {
				delete(s.nonces, n)
			}
		}
		s.pruned = now
	}
	_, ok := s.nonces[nonce]
	s.nonces[nonce] = max(s.nonces[nonce], timestamp+signatureWindow)
	return ok
}

// admit reports whether the rate of action leaves room for one more call.
//
// Assumed: a sliding window of one second per app and action, in which refused
// calls do not count.
func (s *Server) admit(action string, now time.Time) bool {
	qps := s.qps()
	if qps < 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent == nil {
		s.recent = make(map[string][]time.Time)
	}
	recent := slices.DeleteFunc(s.recent[action], func(t time.Time) bool {
		return now.Sub(t).Abs() >= time.Second // Abs: a test may turn the clock back
	})
	ok := len(recent) < qps
	if ok {
		recent = append(recent, now)
	}
	s.recent[action] = recent
	return ok
}

// count numbers a call among those of its action and gives it a request id.
// Unsupported actions are not counted, lest their names pile up.
func (s *Server) count(action string) (number int, id string) {
	_, ok := actions[action]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	if ok {
		if s.counts == nil {
			s.counts = make(map[string]int)
		}
		s.counts[action]++
	}
	return s.counts[action], fmt.Sprintf("00000000-0000-4000-8000-%012x", s.last)
}

func (s *Server) appID() uint32 {
	if s.AppID == 0 {
		return DefaultAppID
	}
	return s.AppID
}

func (s *Server) secret() string {
	if s.Secret == "" {
		return DefaultSecret
	}
	return s.Secret
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Server) qps() int {
	if s.QPS == 0 {
		return DefaultQPS
	}
	return s.QPS
}

func (r reply) encode() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		panic(err) // an action returned what JSON cannot hold
	}
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
