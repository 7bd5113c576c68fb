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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"pgregory.net/rapid"
)

// The model test runs random histories in virtual time: agents create, stop and leave, ZEGO
// loses, delays and garbles answers, its list lags behind, other programs use the same
// StreamIds, and the process ends. It checks the rule of package streams:
//   - At the end no task runs that no ERROR line names. With KeepTasks those may run whose
//     TaskId a caller has.
//   - While the process lives, a task that no caller has is stopped soon after the faults are
//     over, and its place under MaxTasks becomes free.
//   - A task is not stopped while its caller has it and did not ask for that.
//   - No task of another program is stopped.
//   - No more than MaxTasks tasks run at once.
//   - Close takes no longer than StopTimeout.

// fault is what goes wrong with one call to the model of ZEGO.
type fault int

const (
	noFault        fault = iota
	dropBefore           // The connection breaks after the request was sent, and ZEGO does nothing.
	dropAfter            // ZEGO carries the call out, and the answer is lost.
	neverSent            // The connection cannot be made.
	errorAfter           // ZEGO carries the call out, and answers 400010000.
	errorBefore          // ZEGO does nothing, and answers 400010000.
	internalAfter        // ZEGO carries the call out, and its gateway answers 100000015.
	internalBefore       // ZEGO does nothing, and its gateway answers 100000015.
	busyAfter            // ZEGO carries the call out, and answers 400010002.
	busyBefore           // ZEGO does nothing, and answers 400010002.
	gatewayAfter         // ZEGO carries the call out, and its gateway answers HTTP 502.
	gatewayBefore        // ZEGO does nothing, and its gateway answers HTTP 502.
	twice                // A proxy sends the call twice, and passes the second answer on.
	refused              // ZEGO refuses a create for want of resources, and other calls for their rate.
	wrongTaskID          // The answer to a create names a task that does not exist.
	emptyList            // The list is empty.
	nullList             // The list is null.
	unknownTask          // The task is said not to exist.
	late                 // ZEGO takes 20 s before it carries the call out; the client has given up by then.
	slowAfter            // ZEGO takes 8 s after it carried the call out.
	hangAfter            // ZEGO carries the call out, and never answers.
	panicsInside         // The client panics after ZEGO carried the call out.
	numberOfFaults
)

// wrongID begins the TaskIds of tasks that do not exist.
const wrongID = "not-"

// modelTask is a stream task at the model of ZEGO.
type modelTask struct {
	id, room, stream string
	foreign          bool // Another program created it.
	created, ends    time.Time
	stopped          bool
	hasCaller        bool      // A caller has the TaskId, and did not ask to stop the task.
	delisted         time.Time // Until then the list shows the task, although it was stopped.
}

// model is a ZEGO in memory, used as the transport of a client.
type model struct {
	mu          sync.Mutex // guards what follows
	tasks       []*modelTask
	faults      map[string][]fault // By action, for its next calls; then none.
	outages     []outage
	born        time.Time
	listLag     time.Duration // A task is not listed before this age.
	listStale   time.Duration // A task is listed for so long after it was stopped.
	clockOffset time.Duration // How far ZEGO's clock is ahead of ours.
	contested   time.Time     // Until then nothing would tell a new task "chosen" in the same room from ours.
	closing     bool          // The ledger may stop every task.
	othersStop  []string      // The StreamIds whose tasks an agent that did not create them asked to stop.
	created     func()        // Called when ZEGO has created a task of ours and before it answers; may be nil.
	violations  []string
	calls       strings.Builder // What ZEGO was asked and what happened, one call a line.
	maxRunning  int             // The most own tasks that ran at once.
}

// outage is a time in which every call of an action has the same fault.
type outage struct {
	Action   string
	From, To time.Duration // Since the beginning of the history.
	Fault    fault
}

// setCaller records whether a caller has the TaskId that our create was answered with, and
// did not ask to stop the task.
func (m *model) setCaller(taskID string, has bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tasks {
		if t.id == strings.TrimPrefix(taskID, wrongID) {
			t.hasCaller = has
		}
	}
}

// letOthersStop records that an agent which did not create a task asks to stop it.
func (m *model) letOthersStop(stream string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.othersStop = append(m.othersStop, stream)
}

// endFaults lets every call succeed from now on.
func (m *model) endFaults() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults, m.outages = nil, nil
}

// allowStops lets the ledger stop all tasks.
func (m *model) allowStops() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closing = true
}

func (m *model) violate(format string, args ...any) {
	m.violations = append(m.violations, fmt.Sprintf(format, args...))
}

func (t *modelTask) runs() bool { return !t.stopped && time.Now().Before(t.ends) }

// running returns the tasks of this program that run.
func (m *model) running() []*modelTask {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runningLocked()
}

func (m *model) runningLocked() []*modelTask {
	var all []*modelTask
	for _, t := range m.tasks {
		if !t.foreign && t.runs() {
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
	if n := len(m.runningLocked()); n > m.maxRunning {
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
	for _, o := range m.outages {
		if age := time.Since(m.born); o.Action == action && age >= o.From && age < o.To {
			return o.Fault
		}
	}
	rest := m.faults[action]
	if len(rest) == 0 {
		return noFault
	}
	m.faults[action] = rest[1:]
	return rest[0]
}

// RoundTrip implements http.RoundTripper.
func (m *model) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil { // As net/http does before it sends a request.
		return nil, err
	}
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
	case internalBefore:
		return m.answer(200, zego.CodeGatewayInternal, nil), nil
	case gatewayBefore:
		return m.answer(502, 0, nil), nil
	case refused:
		if action == "CreateDigitalHumanStreamTask" {
			return m.answer(200, zego.CodeInsufficientResources, nil), nil
		}
		return m.answer(200, zego.CodeRateLimited, nil), nil
	case late:
		go func() {
			time.Sleep(20 * time.Second)
			_, _ = m.carryOut(action, body, f) // Nobody waits for the answer.
		}()
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	_ = latency(20 * time.Millisecond)
	if m.isExpired(r) {
		return m.answer(200, zego.CodeSignatureExpired, nil), nil
	}
	code, data := m.carryOut(action, body, f)
	m.note(action, body, f, code, data)
	if m.created != nil && action == "CreateDigitalHumanStreamTask" && code == 0 {
		m.created()
	}
	switch f {
	case twice:
		code, data = m.carryOut(action, body, f)
	case internalAfter:
		return m.answer(200, zego.CodeGatewayInternal, nil), nil
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

// note adds a call to the calls that a failing test prints.
func (m *model) note(action string, body []byte, f fault, code zego.Code, data any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(&m.calls, "%s %s %s: fault %d, code %d, %v\n", time.Now().UTC().Format("04:05.00"), action, body, f, code, data)
}

// isExpired reports whether the signature of a request is more than 10 minutes old or ahead.
func (m *model) isExpired(r *http.Request) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	signed, err := strconv.ParseInt(r.URL.Query().Get("Timestamp"), 10, 64)
	return err != nil || time.Now().Add(m.clockOffset).Sub(time.Unix(signed, 0)).Abs() > 10*time.Minute
}

// carryOut does what an action does, and returns ZEGO's code and data.
func (m *model) carryOut(action string, body []byte, f fault) (zego.Code, any) {
	var in struct {
		TaskID    string         `json:"TaskId"`
		RTCConfig zego.RTCConfig `json:"RTCConfig"`
		TTL       int            `json:"TTL"`
		Idle      int            `json:"MaxIdleTime"` // Nobody drives a task.
	}
	_ = json.Unmarshal(body, &in) // The client wrote it.
	if action == "CreateDigitalHumanStreamTask" {
		t, code := m.create(in.RTCConfig.RoomID, in.RTCConfig.StreamID, time.Duration(min(in.TTL, in.Idle))*time.Second, false)
		if code != 0 {
			return code, nil
		}
		if f == wrongTaskID {
			return 0, map[string]any{"TaskId": wrongID + t.id}
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
			if (t.runs() || time.Now().Before(t.delisted)) && time.Since(t.created) >= m.listLag {
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
		t.stopped, t.delisted = true, time.Now().Add(m.listStale)
		switch {
		case t.foreign:
			m.violate("the task %s of another program was stopped (StreamId %s)", t.id, t.stream)
		case t.hasCaller && !m.closing && !slices.Contains(m.othersStop, t.stream):
			m.violate("the task %s was stopped while its caller had it (StreamId %s)", t.id, t.stream)
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

// history is what one run of the model does. All of it is drawn at random.
type history struct {
	ClockOffset time.Duration
	ListLag     time.Duration
	ListStale   time.Duration
	Faults      map[string][]fault
	Outages     []outage
	Foreign     []foreignTask
	Agents      []agent
	Runs        time.Duration // How long the process runs before it is closed.
	Quiet       bool          // The faults are over some time before the process is closed.
	KeepTasks   bool
	ClosesTwice bool // Close is called a second time, when all agents have left.
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
	Idle      time.Duration // MaxIdleTime of its task, which nobody drives.
	Waits     bool          // It waits until the task streams.
	Panics    bool          // It panics after it has waited.
	Leaves    time.Duration // After the beginning of its call; 0: never.
	Lists     bool          // It lists the tasks three seconds after it got its own.
	StopsTask bool          // It stops its task five seconds after it got it.
	StopsAll  bool          // It creates no task, and stops every task of this server that is listed.
}

var faultyActions = []string{
	"CreateDigitalHumanStreamTask", "QueryDigitalHumanStreamTasks", "StopDigitalHumanStreamTask", "GetDigitalHumanStreamTaskStatus",
}

// drawSeconds draws a time from 0 to longest seconds.
func drawSeconds(t *rapid.T, name string, longest int) time.Duration {
	return time.Duration(rapid.IntRange(0, longest*10).Draw(t, name)) * 100 * time.Millisecond
}

func drawFault(t *rapid.T) fault {
	return fault(rapid.IntRange(0, int(numberOfFaults)-1).Draw(t, "fault"))
}

// drawHistory draws a history.
func drawHistory(t *rapid.T) history {
	h := history{
		ClockOffset: rapid.SampledFrom([]time.Duration{0, -9 * time.Minute, -time.Minute, 5 * time.Minute, 20 * time.Minute}).Draw(t, "clock offset"),
		ListLag:     rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Second, 8 * time.Second, 20 * time.Second}).Draw(t, "list lag"),
		ListStale:   rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Second}).Draw(t, "list stale"),
		Faults:      map[string][]fault{},
		Runs:        drawSeconds(t, "runs", 120),
		Quiet:       rapid.Bool().Draw(t, "quiet"),
		KeepTasks:   rapid.Bool().Draw(t, "keep tasks"),
		ClosesTwice: rapid.Bool().Draw(t, "closes twice"),
		StopTimeout: rapid.SampledFrom([]time.Duration{5 * time.Second, 30 * time.Second, 60 * time.Second}).Draw(t, "stop timeout"),
	}
	for _, action := range faultyActions {
		for range rapid.IntRange(0, 6).Draw(t, "faults of "+action) {
			h.Faults[action] = append(h.Faults[action], drawFault(t))
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "outages") {
		from := drawSeconds(t, "outage from", 100)
		h.Outages = append(h.Outages, outage{
			Action: rapid.SampledFrom(faultyActions).Draw(t, "outage of"), Fault: drawFault(t),
			From: from, To: from + drawSeconds(t, "outage lasts", 60),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "foreign tasks") {
		h.Foreign = append(h.Foreign, foreignTask{
			At: drawSeconds(t, "foreign at", 60), Room: rapid.SampledFrom([]string{"room", "other"}).Draw(t, "foreign room"),
			Stream: rapid.SampledFrom([]string{"chosen", "theirs"}).Draw(t, "foreign stream"),
		})
	}
	for range rapid.IntRange(1, 6).Draw(t, "agents") {
		h.Agents = append(h.Agents, agent{
			At: drawSeconds(t, "agent at", 60), Stream: rapid.SampledFrom([]string{"", "", "chosen"}).Draw(t, "stream"),
			Idle:  rapid.SampledFrom([]time.Duration{30 * time.Second, 10 * time.Minute}).Draw(t, "idle time"),
			Waits: rapid.Bool().Draw(t, "waits"), Panics: rapid.IntRange(0, 9).Draw(t, "panics") == 9,
			Leaves: rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Millisecond, 3 * time.Second}).Draw(t, "leaves"),
			Lists:  rapid.Bool().Draw(t, "lists"), StopsTask: rapid.Bool().Draw(t, "stops"),
			StopsAll: rapid.IntRange(0, 4).Draw(t, "stops all") == 4,
		})
	}
	return h
}

const modelMaxTasks = 3

// process is a process of this program in a history.
type process struct {
	history
	m      *model
	client *zego.Client
	ledger *streams.Ledger
	log    safeBuffer
	acting sync.WaitGroup // The agents, and other programs.

	hasEnded atomic.Bool // After the last Close.
}

// play plays a history, and returns how the rule was broken, or "".
func play(h history) string {
	m := &model{
		faults: maps.Clone(h.Faults), outages: h.Outages, born: time.Now(),
		listLag: h.ListLag, listStale: h.ListStale, clockOffset: h.ClockOffset,
	}
	client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{HTTPClient: &http.Client{Transport: m}, QPS: -1})
	if err != nil {
		return err.Error()
	}
	p := &process{history: h, m: m, client: client}
	p.ledger = streams.New(client, streams.Options{
		MaxTasks: modelMaxTasks, StopTimeout: h.StopTimeout, KeepTasks: h.KeepTasks, Logger: slog.New(slog.NewTextHandler(&p.log, nil)),
	})
	for _, f := range h.Foreign {
		p.acting.Go(func() { p.createForeign(f) })
	}
	for _, a := range h.Agents {
		p.acting.Go(func() {
			time.Sleep(a.At)
			if a.Stream == "chosen" {
				m.contest(time.Hour)
				defer m.contest(35 * time.Second)
			}
			p.act(a)
		})
	}
	time.Sleep(h.Runs)
	if h.Quiet {
		p.checkOwners()
	}
	if !h.KeepTasks {
		m.allowStops()
	}
	p.close()
	p.hasEnded.Store(!h.ClosesTwice)
	left := m.running()
	p.acting.Wait()
	if h.ClosesTwice {
		p.close()
		left = m.running()
	}
	time.Sleep(time.Minute) // What ZEGO carries out late has happened by then.
	for _, t := range append(left, m.running()...) {
		kept := h.KeepTasks && t.hasCaller
		if !kept && !strings.Contains(p.log.errorLines(), t.stream) {
			m.violate("the task %s (StreamId %s) runs after the end, and no ERROR line names it; with a caller: %t", t.id, t.stream, t.hasCaller)
		}
	}
	if m.maxRunning > modelMaxTasks {
		m.violate("%d tasks ran at once", m.maxRunning)
	}
	if len(m.violations) == 0 {
		return ""
	}
	return strings.Join(m.violations, "\n") + "\nlog:\n" + p.log.String() + "calls:\n" + m.calls.String()
}

// createForeign creates a task of another program.
func (p *process) createForeign(f foreignTask) {
	time.Sleep(f.At)
	// Nothing tells a task of another program from ours if it gets the same StreamId and
	// room while the answer to our create is missing, or in the seconds before, which
	// CreateTime and the clocks do not resolve.
	soon := slices.ContainsFunc(p.Agents, func(a agent) bool { return a.At >= f.At && a.At <= f.At+5*time.Second })
	if f.Stream == "chosen" && f.Room == "room" && (soon || p.m.isContested()) {
		return
	}
	_, _ = p.m.create(f.Room, f.Stream, time.Hour, true)
}

// close closes the ledger, and checks how long that takes.
func (p *process) close() {
	start := time.Now()
	p.ledger.Close(context.Background())
	if took := time.Since(start); took > p.StopTimeout {
		p.m.violate("Close took %v with a StopTimeout of %v", took, p.StopTimeout)
	}
}

// checkOwners ends the faults and lets time pass. Then no task may run that no caller has,
// and when all have ended by themselves there must be place for new ones.
func (p *process) checkOwners() {
	p.m.endFaults()
	p.acting.Wait()
	time.Sleep(2 * time.Minute) // Longer than the lags, and the longest pause between two attempts to stop a task.
	for _, t := range p.m.running() {
		if !t.hasCaller {
			p.m.violate("the task %s (StreamId %s) runs, and neither has a caller its TaskId, nor is it stopped", t.id, t.stream)
		}
	}
	time.Sleep(15 * time.Minute) // Longer than each TTL.
	for range modelMaxTasks {
		started, err := p.ledger.Start(context.Background(), request())
		if err != nil {
			p.m.violate("no task runs, and none can be created: %v", err)
			continue
		}
		p.m.setCaller(started.TaskID, true)
	}
}

// act is what one agent does.
func (p *process) act(a agent) {
	defer func() { _ = recover() }() // As the server does for each call.
	if a.StopsAll {
		p.stopAll()
		return
	}
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
		TTL: 10 * time.Minute, MaxIdleTime: a.Idle, Timeout: 30 * time.Second,
	}
	if a.Waits {
		req.Wait = func(ctx context.Context, id string) (zego.StreamTask, error) {
			task, err := p.client.WaitStreamTask(ctx, id, nil)
			if a.Panics {
				panic("agent")
			}
			return task, err
		}
	}
	started, err := p.ledger.Start(ctx, req)
	if err != nil {
		return
	}
	p.m.setCaller(started.TaskID, true)
	if a.Lists {
		time.Sleep(3 * time.Second)
		_, _ = p.ledger.List(ctx)
	}
	if a.StopsTask {
		time.Sleep(5 * time.Second)
		if p.KeepTasks && !p.ClosesTwice || p.hasEnded.Load() {
			return // Close does not wait for a Stop of a task that it keeps.
		}
		p.m.setCaller(started.TaskID, false)
		own := p.ledger.Owns(context.Background(), started.TaskID)
		_, err := p.ledger.Stop(context.Background(), started.TaskID)
		if err != nil && !own && strings.HasPrefix(started.TaskID, wrongID) {
			// ZEGO's answer to the create named a wrong TaskId. The caller is told that there is no
			// such task, and finds the right one with List.
			p.m.setCaller(started.TaskID, true)
		}
	}
}

// stopAll stops the listed tasks of this server, those that are still being created included.
func (p *process) stopAll() {
	list, _ := p.ledger.List(context.Background())
	for _, task := range list.Tasks {
		if p.ledger.StartedBy(task) == streams.ThisServer && !p.KeepTasks {
			p.m.letOthersStop(task.StreamID)
			_, _ = p.ledger.Stop(context.Background(), task.ID)
		}
	}
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

// setHistories sets how many histories a test plays, unless -rapid.checks says that. With the
// race detector, which takes six times as long for one, they are fewer.
func setHistories(t *testing.T) {
	t.Helper()
	histories := 3000
	if withRace {
		histories = 500
	}
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set(strconv.Itoa(histories)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestModel plays random histories. A failing one is shrunk and printed with its seed.
func TestModel(t *testing.T) {
	setHistories(t)
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		var broken string
		synctest.Test(t, func(*testing.T) { broken = play(h) })
		if broken != "" {
			rt.Fatalf("%+v\n%s", h, broken)
		}
	})
}
