package zegosim

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"zego-mcp/zego"
)

const (
	// DefaultMaxTasks is how many stream tasks may run at once.
	//
	// Assumed: ZEGO publishes no number for this API; its AI Agent has this one.
	DefaultMaxTasks = 10

	// DefaultStartDelay is how long a stream task initializes.
	//
	// Assumed: ZEGO documents no duration.
	DefaultStartDelay = 1500 * time.Millisecond
)

// Assumed: how long stopping takes, and how long a task that is over is still known.
const (
	stopDuration = time.Second
	memory       = time.Hour
)

type taskStatus int

const (
	initializing taskStatus = 1 + iota
	initFailed
	streaming
	stopping
	stopped
)

// task is a stream task. Server.mu guards it.
type task struct {
	id, roomID, streamID string

	human      zego.DigitalHuman
	created    time.Time
	starts     time.Time     // when it streams, or fails to
	expires    time.Time     // by its TTL
	maxIdle    time.Duration // how long it may stream without a drive
	failReason string        // why it will not start; empty: it will

	status taskStatus
	since  time.Time // when status began
	idle   time.Time // while queue is empty: when that began

	drives    []*drive // in the order of the calls
	queue     []*drive // of these, what is not over; the first has its turn
	connected chan struct{}

	told       bool    // whether changes go to outbox
	outbox     []event // to be delivered, in order
	delivering bool
}

// streamTask is what of a task both reading actions show, in the order of ZEGO's
// examples.
type streamTask struct {
	TaskID     string `json:"TaskId,omitempty"`
	RoomID     string `json:"RoomId"`
	StreamID   string `json:"StreamId"`
	Status     taskStatus
	FailReason string `json:",omitempty"`
	CreateTime int64
}

var (
	channelName = regexp.MustCompile(`^[0-9A-Za-z_-]*$`)
	hexColor    = regexp.MustCompile(`^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$`)
)

// channel reads the name of a room or a stream.
//
// Assumed: rooms have the character set that is documented for streams.
func (p *params) channel(name string) string {
	s := p.required(name)
	switch {
	case len(s) > 128:
		p.wrong(name, "must have 1 to 128 bytes, got %d", len(s))
	case !channelName.MatchString(s):
		p.wrong(name, "may hold digits, ASCII letters, - and _ only")
	}
	return s
}

// createStreamTask starts a task.
//
// Assumed: fields that older documents name, such as ExtraConfig, are ignored; a
// StreamId in use is told before too many tasks.
func (s *Server) createStreamTask(r *request) (any, *refusal) {
	p := &r.params
	human := p.object("DigitalHumanConfig")
	humanID := human.required("DigitalHumanId")
	if !hexColor.MatchString(human.optional("BackgroundColor", "#000000")) {
		human.wrong("BackgroundColor", "must be # and 6 or 8 hex digits")
	}
	rtc := p.object("RTCConfig")
	roomID, streamID := rtc.channel("RoomId"), rtc.channel("StreamId")
	ttl := p.number("TTL", 86400, 10, 86400)
	maxIdle := p.number("MaxIdleTime", 900, 30, 86400)
	if p.no != nil {
		return nil, p.no
	}
	cast, no := s.human(humanID)
	if no != nil {
		return nil, no
	}
	var failReason string
	if s.FailStart != nil {
		failReason = s.FailStart(roomID, streamID)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.settle()
	running := 0
	for _, t := range s.tasks {
		if t.over() {
			continue
		}
		if t.streamID == streamID {
			return nil, refuse(zego.CodeStreamIDExists, "StreamId %q is used by task %q", streamID, t.id)
		}
		running++
	}
	if limit := s.maxTasks(); limit >= 0 && running >= limit {
		return nil, refuse(zego.CodeConcurrencyExceeded, "%d stream tasks may run at once", limit)
	}
	s.lastTask++
	t := &task{
		id:     fmt.Sprintf("00000000-0000-4000-8001-%012x", s.lastTask),
		roomID: roomID, streamID: streamID, human: cast,
		created: now, starts: now.Add(s.startDelay()), expires: now.Add(time.Duration(ttl) * time.Second),
		maxIdle:    time.Duration(maxIdle) * time.Second,
		failReason: failReason,
		told:       s.CallbackURL != "",
	}
	t.become(initializing, now)
	s.tasks = append(s.tasks, t)
	return struct {
		TaskID string `json:"TaskId"`
	}{t.id}, nil
}

// getStreamTaskStatus tells a task's status, but not that it has stopped.
//
// Assumed: what ZEGO answers about a stopped task; its pages contradict each other.
func (s *Server) getStreamTaskStatus(r *request) (any, *refusal) {
	id := r.params.required("TaskId")
	if r.params.no != nil {
		return nil, r.params.no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	t, no := s.task(id)
	if no != nil {
		return nil, no
	}
	if t.status == stopped {
		return nil, t.gone()
	}
	out := streamTask{RoomID: t.roomID, StreamID: t.streamID, Status: t.status, CreateTime: t.created.Unix()}
	if t.status == initFailed {
		out.FailReason = t.failReason
	}
	return out, nil
}

func (s *Server) queryStreamTasks(*request) (any, *refusal) {
	return struct{ TaskList []streamTask }{s.runningTasks()}, nil
}

// runningTasks lists the tasks that initialize or stream, oldest first.
//
// Assumed: the order, and an empty list where there is none.
func (s *Server) runningTasks() []streamTask {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	out := []streamTask{}
	for _, t := range s.tasks {
		if t.status == initializing || t.status == streaming {
			out = append(out, streamTask{
				TaskID: t.id, RoomID: t.roomID, StreamID: t.streamID, Status: t.status, CreateTime: t.created.Unix(),
			})
		}
	}
	return out
}

func (s *Server) stopStreamTask(r *request) (any, *refusal) {
	id := r.params.required("TaskId")
	if r.params.no != nil {
		return nil, r.params.no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.settle()
	t, no := s.task(id)
	if no != nil {
		return nil, no
	}
	if t.status != initializing && t.status != streaming {
		return nil, t.gone()
	}
	t.stop(now)
	return nil, nil
}

// settle brings all tasks up to date and returns the time. The caller holds s.mu,
// and may change tasks before it lets go.
func (s *Server) settle() time.Time {
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.update()
}

// update is settle for RunCallbacks, which need not be woken.
func (s *Server) update() time.Time {
	now := s.now()
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool {
		for {
			at, change := t.next()
			if change == nil {
				return now.Sub(t.since) >= memory
			}
			if at.After(now) {
				return false
			}
			change(at)
		}
	})
	return now
}

// task finds a task that is not forgotten.
func (s *Server) task(id string) (*task, *refusal) {
	for _, t := range s.tasks {
		if t.id == id {
			return t, nil
		}
	}
	return nil, refuse(zego.CodeTaskNotFound, "task %q not found", id)
}

// streaming finds a task that can be driven.
func (s *Server) streaming(id string) (*task, *refusal) {
	t, no := s.task(id)
	switch {
	case no != nil:
		return nil, no
	case t.status == initializing:
		return nil, refuse(zego.CodeStreamNotStarted, "task %q has not started its stream yet", id)
	case t.status != streaming:
		return nil, t.gone()
	}
	return t, nil
}

// next returns what the clock changes next, and when; nil if nothing.
func (t *task) next() (at time.Time, change func(time.Time)) {
	at, change = t.expires, t.stop
	sooner := func(when time.Time, what func(time.Time)) {
		if !when.After(at) {
			at, change = when, what
		}
	}
	switch t.status {
	case initializing:
		sooner(t.starts, t.start)
	case streaming:
		if len(t.queue) == 0 {
			sooner(t.idle.Add(t.maxIdle), t.stop)
		} else if ends := t.queue[0].ends; !ends.IsZero() {
			sooner(ends, t.finish)
		}
	case stopping:
		return t.since.Add(stopDuration), func(at time.Time) { t.become(stopped, at) }
	case initFailed, stopped:
		return time.Time{}, nil
	}
	return at, change
}

func (t *task) start(at time.Time) {
	if t.failReason != "" {
		t.become(initFailed, at)
		return
	}
	t.idle = at
	t.become(streaming, at)
}

// stop ends a task's stream, whatever it is doing.
func (t *task) stop(at time.Time) {
	t.cut(len(t.queue), at)
	t.become(stopping, at)
}

func (t *task) become(status taskStatus, at time.Time) {
	t.status, t.since = status, at
	detail := taskDetail{Status: status, RoomID: t.roomID, StreamID: t.streamID}
	if status == initFailed {
		detail.FailReason = t.failReason
	}
	t.tell(taskEvent, at, detail)
}

// over reports whether the task has freed its place and its StreamId.
func (t *task) over() bool { return t.status == initFailed || t.status == stopped }

// gone is what a task answers that streams no more.
//
// Assumed: also one that failed to start, for it is no use to wait.
func (t *task) gone() *refusal {
	return refuse(zego.CodeStreamStopped, "task %q has stopped", t.id)
}

func (s *Server) maxTasks() int {
	if s.MaxTasks == 0 {
		return DefaultMaxTasks
	}
	return s.MaxTasks
}

func (s *Server) startDelay() time.Duration {
	if s.StartDelay == 0 {
		return DefaultStartDelay
	}
	return max(0, s.StartDelay)
}
