package streams_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"pgregory.net/rapid"
)

// The model test runs random histories in virtual time: agents create, stop and leave, ZEGO
// loses, delays and garbles answers, its list lags behind, other programs use the same
// StreamIds, and the process ends. After each history it asks the rule of package streams:
// does a task run that no caller has and no ERROR line names, and was a task of another
// program stopped?

// fault is what goes wrong with one call to the model of ZEGO.
type fault int

const (
	noFault       fault = iota
	dropBefore          // The connection breaks after the request was sent, and ZEGO does nothing.
	dropAfter           // ZEGO carries the call out, and the answer is lost.
	neverSent           // The connection cannot be made.
	errorAfter          // ZEGO carries the call out, and answers 400010000.
	errorBefore         // ZEGO does nothing, and answers 400010000.
	busyAfter           // ZEGO carries the call out, and answers 400010002.
	busyBefore          // ZEGO does nothing, and answers 400010002.
	gatewayAfter        // ZEGO carries the call out, and its gateway answers HTTP 502.
	gatewayBefore       // ZEGO does nothing, and its gateway answers HTTP 502.
	wrongTaskID         // The answer to a create names a task that does not exist.
	emptyList           // The list is empty.
	nullList            // The list is null.
	unknownTask         // The task is said not to exist.
	late                // ZEGO takes 20 s before it carries the call out; the client has given up by then.
	slowAfter           // ZEGO takes 8 s after it carried the call out.
	hangAfter           // ZEGO carries the call out, and never answers.
	panicsInside        // The client panics after ZEGO carried the call out.
	numberOfFaults
)

// modelTask is a stream task at the model of ZEGO.
type modelTask struct {
	id, room, stream string
	foreign          bool // Another program created it.
	created, ends    time.Time
	stopped          bool
}

// model is a ZEGO in memory, used as the transport of a client.
type model struct {
	mu          sync.Mutex // guards what follows
	tasks       []*modelTask
	faults      map[string][]fault // By action, for its next calls; then none.
	listLag     time.Duration      // A task is not listed before this age.
	clockOffset time.Duration      // How far ZEGO's clock is ahead of ours.
	contested   time.Time          // Until then a new task "chosen" in the room could as well be ours.
	violations  []string
	maxRunning  int // The most own tasks that ran at once.
}

func (m *model) violate(format string, args ...any) {
	m.violations = append(m.violations, fmt.Sprintf(format, args...))
}

func (t *modelTask) runs() bool { return !t.stopped && time.Now().Before(t.ends) }

// running returns the tasks of this program, or of others, that run.
func (m *model) running(foreign bool) []*modelTask {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runningLocked(foreign)
}

func (m *model) runningLocked(foreign bool) []*modelTask {
	var all []*modelTask
	for _, t := range m.tasks {
		if t.foreign == foreign && t.runs() {
			all = append(all, t)
		}
	}
	return all
}

// create adds a task, unless its StreamId is in use.
func (m *model) create(room, stream string, ttl time.Duration, foreign bool) (*modelTask, zego.Code) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tasks {
		if t.stream == stream && t.runs() {
			return nil, zego.CodeStreamIDExists
		}
	}
	t := &modelTask{
		id: fmt.Sprintf("task-%d", len(m.tasks)+1), room: room, stream: stream, foreign: foreign,
		created: time.Now(), ends: time.Now().Add(ttl),
	}
	m.tasks = append(m.tasks, t)
	if n := len(m.runningLocked(false)); n > m.maxRunning {
		m.maxRunning = n
	}
	return t, 0
}

// contest makes the StreamId "chosen" contested for a while from now on.
func (m *model) contest(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.contested = time.Now().Add(d)
}

func (m *model) isContested() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.contested)
}

// nextFault returns what goes wrong with the next call of an action.
func (m *model) nextFault(action string) fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := m.faults[action]
	if len(rest) == 0 {
		return noFault
	}
	m.faults[action] = rest[1:]
	return rest[0]
}

// RoundTrip implements http.RoundTripper.
func (m *model) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	action := r.URL.Query().Get("Action")
	f := m.nextFault(action)
	trace := httptrace.ContextClientTrace(r.Context())
	if trace != nil && trace.GetConn != nil {
		trace.GetConn("model")
	}
	if f == neverSent {
		return nil, errors.New("cannot connect")
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	latency := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	switch f {
	case dropBefore:
		return nil, io.ErrUnexpectedEOF
	case errorBefore:
		return m.answer(200, zego.CodeSystemError, nil), nil
	case busyBefore:
		return m.answer(200, zego.CodeSystemBusy, nil), nil
	case gatewayBefore:
		return m.answer(502, 0, nil), nil
	case late:
		go func() {
			time.Sleep(20 * time.Second)
			_, _ = m.carryOut(action, body, f) // Nobody waits for the answer.
		}()
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	_ = latency(20 * time.Millisecond)
	code, data := m.carryOut(action, body, f)
	switch f {
	case dropAfter:
		return nil, io.ErrUnexpectedEOF
	case errorAfter:
		return m.answer(200, zego.CodeSystemError, nil), nil
	case busyAfter:
		return m.answer(200, zego.CodeSystemBusy, nil), nil
	case gatewayAfter:
		return m.answer(502, 0, nil), nil
	case slowAfter:
		if err := latency(8 * time.Second); err != nil {
			return nil, err
		}
	case hangAfter:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case panicsInside:
		if action == "CreateDigitalHumanStreamTask" {
			panic("model")
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return m.answer(200, code, data), nil
}

// carryOut does what an action does, and returns ZEGO's code and data.
func (m *model) carryOut(action string, body []byte, f fault) (zego.Code, any) {
	var in struct {
		TaskID    string         `json:"TaskId"`
		RTCConfig zego.RTCConfig `json:"RTCConfig"`
		TTL       int            `json:"TTL"`
	}
	_ = json.Unmarshal(body, &in) // The client wrote it.
	if action == "CreateDigitalHumanStreamTask" {
		t, code := m.create(in.RTCConfig.RoomID, in.RTCConfig.StreamID, time.Duration(in.TTL)*time.Second, false)
		if code != 0 {
			return code, nil
		}
		if f == wrongTaskID {
			return 0, map[string]any{"TaskId": "no-such-task"}
		}
		return 0, map[string]any{"TaskId": t.id}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if action == "QueryDigitalHumanStreamTasks" {
		if f == emptyList || f == nullList {
			return 0, map[string]any{"TaskList": map[fault][]any{emptyList: {}, nullList: nil}[f]}
		}
		list := []any{}
		for _, t := range m.tasks {
			if t.runs() && time.Since(t.created) >= m.listLag {
				list = append(list, m.describe(t))
			}
		}
		return 0, map[string]any{"TaskList": list}
	}
	i := slices.IndexFunc(m.tasks, func(t *modelTask) bool { return t.id == in.TaskID })
	if i < 0 || f == unknownTask && time.Since(m.tasks[i].created) < 30*time.Second {
		return zego.CodeTaskNotFound, nil
	}
	t := m.tasks[i]
	if !t.runs() {
		return zego.CodeStreamStopped, nil
	}
	if action == "StopDigitalHumanStreamTask" {
		if t.stopped = true; t.foreign {
			m.violate("the task %s of another program was stopped (StreamId %s)", t.id, t.stream)
		}
		return 0, nil
	}
	return 0, m.describe(t)
}

func (m *model) describe(t *modelTask) map[string]any {
	return map[string]any{
		"TaskId": t.id, "RoomId": t.room, "StreamId": t.stream, "Status": zego.TaskStreaming,
		"CreateTime": t.created.Add(m.clockOffset).Unix(),
	}
}

// answer returns an HTTP response with ZEGO's envelope, or a page of a gateway.
func (m *model) answer(status int, code zego.Code, data any) *http.Response {
	m.mu.Lock()
	date := time.Now().Add(m.clockOffset)
	m.mu.Unlock()
	text := []byte("<html>bad gateway</html>")
	if status == 200 {
		text, _ = json.Marshal(map[string]any{"Code": code, "Message": "m", "RequestId": "r", "Data": data})
	}
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(bytes.NewReader(text)),
		Header: http.Header{"Date": {date.UTC().Format(http.TimeFormat)}, "Content-Type": {"application/json"}},
	}
}

// history is everything that is left to chance.
type history struct {
	ClockOffset time.Duration
	ListLag     time.Duration
	Faults      map[string][]fault
	Foreign     []foreignTask
	Agents      []agent
	Runs        time.Duration // How long the process runs before it is closed.
	StopTimeout time.Duration
}

// foreignTask is a task that another program creates.
type foreignTask struct {
	At           time.Duration
	Room, Stream string
}

// agent creates one task, and perhaps leaves or stops the task.
type agent struct {
	At        time.Duration
	Stream    string        // Empty: made up.
	Waits     bool          // It waits until the task streams.
	Leaves    time.Duration // After the beginning of its call; 0: never.
	StopsHeld bool          // It stops its task five seconds after it got it.
}

var faultyActions = []string{
	"CreateDigitalHumanStreamTask", "QueryDigitalHumanStreamTasks", "StopDigitalHumanStreamTask", "GetDigitalHumanStreamTaskStatus",
}

// drawHistory draws a history.
func drawHistory(t *rapid.T) history {
	seconds := func(name string, longest int) time.Duration {
		return time.Duration(rapid.IntRange(0, longest*10).Draw(t, name)) * 100 * time.Millisecond
	}
	h := history{
		ClockOffset: rapid.SampledFrom([]time.Duration{0, -9 * time.Minute, -time.Minute, 5 * time.Minute}).Draw(t, "clock offset"),
		ListLag:     rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Second, 8 * time.Second, 20 * time.Second}).Draw(t, "list lag"),
		Faults:      map[string][]fault{},
		Runs:        seconds("runs", 120),
		StopTimeout: rapid.SampledFrom([]time.Duration{5 * time.Second, 30 * time.Second, 60 * time.Second}).Draw(t, "stop timeout"),
	}
	for _, action := range faultyActions {
		for range rapid.IntRange(0, 6).Draw(t, "faults of "+action) {
			h.Faults[action] = append(h.Faults[action], fault(rapid.IntRange(0, int(numberOfFaults)-1).Draw(t, "fault")))
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "foreign tasks") {
		h.Foreign = append(h.Foreign, foreignTask{
			At: seconds("foreign at", 60), Room: rapid.SampledFrom([]string{"room", "other"}).Draw(t, "foreign room"),
			Stream: rapid.SampledFrom([]string{"chosen", "theirs"}).Draw(t, "foreign stream"),
		})
	}
	for range rapid.IntRange(1, 6).Draw(t, "agents") {
		h.Agents = append(h.Agents, agent{
			At: seconds("agent at", 60), Stream: rapid.SampledFrom([]string{"", "", "chosen"}).Draw(t, "stream"),
			Waits: rapid.Bool().Draw(t, "waits"), Leaves: rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Millisecond, 3 * time.Second}).Draw(t, "leaves"),
			StopsHeld: rapid.Bool().Draw(t, "stops"),
		})
	}
	return h
}

const modelMaxTasks = 3

// play plays a history, and returns how the rule was broken, or "".
func play(h history) string {
	m := &model{faults: maps.Clone(h.Faults), listLag: h.ListLag, clockOffset: h.ClockOffset}
	client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{HTTPClient: &http.Client{Transport: m}, QPS: -1})
	if err != nil {
		return err.Error()
	}
	var log safeBuffer
	l := streams.New(client, streams.Options{
		MaxTasks: modelMaxTasks, StopTimeout: h.StopTimeout, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	var mu sync.Mutex
	withCaller := map[string]bool{} // TaskIds that callers have.
	var acting sync.WaitGroup
	for _, f := range h.Foreign {
		acting.Go(func() {
			time.Sleep(f.At)
			// Nothing tells a task of another program from ours if it gets the same StreamId and
			// room while the answer to our create is missing, or in the seconds before, which
			// CreateTime and the clocks do not resolve.
			soon := slices.ContainsFunc(h.Agents, func(a agent) bool { return a.At >= f.At && a.At <= f.At+5*time.Second })
			if f.Stream == "chosen" && f.Room == "room" && (soon || m.isContested()) {
				return
			}
			_, _ = m.create(f.Room, f.Stream, time.Hour, true)
		})
	}
	for _, a := range h.Agents {
		acting.Go(func() {
			time.Sleep(a.At)
			if a.Stream == "chosen" {
				m.contest(time.Hour)
				defer m.contest(35 * time.Second)
			}
			if id := act(l, client, a); id != "" {
				mu.Lock()
				withCaller[id] = true
				mu.Unlock()
			}
		})
	}
	time.Sleep(h.Runs)
	l.Close(context.Background())
	left := m.running(false)
	acting.Wait()
	time.Sleep(time.Minute) // What ZEGO carries out late has happened by then.
	for _, t := range append(left, m.running(false)...) {
		if !strings.Contains(log.errorLines(), t.stream) {
			m.violate("the task %s (StreamId %s) runs after the end, and no ERROR line names it; with a caller: %t", t.id, t.stream, withCaller[t.id])
		}
	}
	if m.maxRunning > modelMaxTasks {
		m.violate("%d tasks ran at once", m.maxRunning)
	}
	if len(m.violations) == 0 {
		return ""
	}
	return strings.Join(m.violations, "\n") + "\nlog:\n" + log.String()
}

// act is what one agent does. It returns the TaskId that it got.
func act(l *streams.Ledger, client *zego.Client, a agent) string {
	defer func() { _ = recover() }() // As the server does for each call.
	ctx, leave := context.WithTimeout(context.Background(), 30*time.Second)
	defer leave()
	if a.Leaves > 0 {
		cancelling, cancel := context.WithCancel(ctx)
		ctx = cancelling
		defer time.AfterFunc(a.Leaves, cancel).Stop()
		defer cancel()
	}
	req := streams.StartRequest{
		DigitalHumanID: "human", RoomID: "room", StreamID: a.Stream,
		TTL: 10 * time.Minute, MaxIdleTime: 2 * time.Minute, Timeout: 30 * time.Second,
	}
	if a.Waits {
		req.Wait = func(ctx context.Context, id string) (zego.StreamTask, error) {
			return client.WaitStreamTask(ctx, id, nil)
		}
	}
	started, err := l.Start(ctx, req)
	if err != nil {
		return ""
	}
	if a.StopsHeld {
		time.Sleep(5 * time.Second)
		_, _ = l.Stop(context.Background(), started.TaskID)
	}
	return started.TaskID
}

// safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// errorLines returns the lines at level ERROR.
func (s *safeBuffer) errorLines() string {
	var lines []string
	for line := range strings.Lines(s.String()) {
		if strings.Contains(line, "level=ERROR") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// histories is how many histories TestModel plays, unless -rapid.checks says otherwise.
const histories = "3000"

// TestModel plays random histories. A failing one is shrunk and printed with its seed.
func TestModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set(histories); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		var broken string
		synctest.Test(t, func(*testing.T) { broken = play(h) })
		if broken != "" {
			rt.Fatalf("%+v\n%s", h, broken)
		}
	})
}
