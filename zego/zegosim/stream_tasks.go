package zegosim

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"sync"
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

// Assumed: how long stopping takes, and how long a task that has ended is remembered.
const (
	stopDuration = time.Second
	retention    = time.Hour
)

// taskStatus is ZEGO's Status of a task. The simulator writes ZEGO's numbers down once more,
// so that it does not share a mistake of package zego.
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
	createdAt  time.Time
	startsAt   time.Time     // when it begins to stream, or fails to
	expiresAt  time.Time     // when its TTL ends it
	maxIdle    time.Duration // how long it may stream without a drive
	failReason string        // why it will fail to start; empty if it will start

	status      taskStatus
	statusSince time.Time
	streamsAt   time.Time // when it began to stream; zero before
	endsAt      time.Time // when it began to stop, or failed to start; zero before
	idleSince   time.Time // when queue became empty, if it is empty

	// A drive is one request that makes the digital human speak.
	drives    []*drive      // all that are remembered, oldest first
	queue     []*drive      // those of them that are not over; the first has its turn
	voiceTurn chan struct{} // holds one token, which a WebSocket connection takes in order to speak

	notifies   bool    // whether events are collected
	events     []event // to be delivered, in order
	delivering bool    // whether deliverAll runs for this task
}

// taskAnswer is how a task looks in an answer, its keys in the order of ZEGO's
// examples.
type taskAnswer struct {
	TaskID     string `json:"TaskId,omitempty"`
	RoomID     string `json:"RoomId"`
	StreamID   string `json:"StreamId"`
	Status     taskStatus
	FailReason string `json:",omitempty"`
	CreateTime int64
}

var (
	roomOrStreamID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_-]*$`) })
	hexColor       = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$`) })
)

// roomOrStream reads the id of a room or a stream.
//
// Assumed: rooms have the character set that is documented for streams.
func (p *params) roomOrStream(name string) string {
	s := p.required(name)
	switch {
	case len(s) > 128:
		p.wrong(name, "must have 1 to 128 bytes, got %d", len(s))
	case !roomOrStreamID().MatchString(s):
		p.wrong(name, "may hold digits, ASCII letters, - and _ only")
	}
	return s
}

// createStreamTask starts a task. As every handler of an action, it runs with s.mu held.
//
// Assumed: fields that older documents name, such as VideoConfig, are ignored. Only
// ZEGO's samples show ExtraConfig.OutputMode; it changes nothing that the API shows. If a
// StreamId is in use and there are too many tasks, the StreamId is reported.
func (s *Server) createStreamTask(r *request) (any, error) {
	config := r.object("DigitalHumanConfig")
	humanID := config.required("DigitalHumanId")
	if !hexColor().MatchString(config.optional("BackgroundColor", "#000000")) {
		config.wrong("BackgroundColor", "must be # and 6 or 8 hex digits")
	}
	rtc := r.object("RTCConfig")
	roomID, streamID := rtc.roomOrStream("RoomId"), rtc.roomOrStream("StreamId")
	ttl := r.number("TTL", 86400, 10, 86400)
	maxIdle := r.number("MaxIdleTime", 900, 30, 86400)
	if r.raw("ExtraConfig") != nil {
		r.object("ExtraConfig").number("OutputMode", 1, 1, 2)
	}
	if r.err != nil {
		return nil, r.err
	}
	human, err := s.human(humanID)
	if err != nil {
		return nil, err
	}
	var failReason string
	if s.FailStart != nil {
		failReason = s.FailStart(roomID, streamID)
	}

	occupied := 0 // Tasks that are stopping keep their place.
	for _, t := range s.tasks {
		if t.ended() {
			continue
		}
		if t.streamID == streamID {
			return nil, refuse(zego.CodeStreamIDExists, "StreamId %q is used by task %q", streamID, t.id)
		}
		occupied++
	}
	if limit := s.maxTasks(); limit >= 0 && occupied >= limit {
		return nil, refuse(zego.CodeConcurrencyExceeded, "%d stream tasks may run at once", limit)
	}
	s.lastTask++
	t := &task{
		id:     fmt.Sprintf("00000000-0000-4000-8001-%012x", s.lastTask),
		roomID: roomID, streamID: streamID, human: human,
		createdAt: r.now, startsAt: r.now.Add(s.startDelay()), expiresAt: r.now.Add(time.Duration(ttl) * time.Second),
		maxIdle:    time.Duration(maxIdle) * time.Second,
		failReason: failReason,
		voiceTurn:  make(chan struct{}, 1),
		notifies:   s.CallbackURL != "",
	}
	t.setStatus(initializing, r.now)
	s.tasks = append(s.tasks, t)
	return struct {
		TaskID string `json:"TaskId"`
	}{t.id}, nil
}

// getStreamTaskStatus returns the status of a task that has not stopped.
//
// Assumed: what ZEGO answers about a stopped task; its pages contradict each other.
func (s *Server) getStreamTaskStatus(r *request) (any, error) {
	id := r.required("TaskId")
	if r.err != nil {
		return nil, r.err
	}
	t, err := s.task(id)
	if err != nil {
		return nil, err
	}
	if t.status == stopped {
		return nil, t.stoppedError()
	}
	out := taskAnswer{RoomID: t.roomID, StreamID: t.streamID, Status: t.status, CreateTime: t.createdAt.Unix()}
	if t.status == initFailed {
		out.FailReason = t.failReason
	}
	return out, nil
}

func (s *Server) queryStreamTasks(r *request) (any, error) {
	return struct{ TaskList []taskAnswer }{s.listedTasks(r.now.Add(-s.Lag))}, nil
}

// listedTasks lists the tasks that initialized or streamed at a time, oldest first. The
// caller holds s.mu.
//
// Assumed: the order, and an empty list where there is none.
func (s *Server) listedTasks(at time.Time) []taskAnswer {
	hasPassed := func(since time.Time) bool { return !since.IsZero() && !since.After(at) }
	out := []taskAnswer{}
	for _, t := range s.tasks {
		if t.createdAt.After(at) || hasPassed(t.endsAt) {
			continue
		}
		status := initializing
		if hasPassed(t.streamsAt) {
			status = streaming
		}
		out = append(out, taskAnswer{
			TaskID: t.id, RoomID: t.roomID, StreamID: t.streamID, Status: status, CreateTime: t.createdAt.Unix(),
		})
	}
	return out
}

func (s *Server) stopStreamTask(r *request) (any, error) {
	id := r.required("TaskId")
	if r.err != nil {
		return nil, r.err
	}
	t, err := s.task(id)
	if err != nil {
		return nil, err
	}
	if t.status != initializing && t.status != streaming {
		return nil, t.stoppedError()
	}
	t.stop(r.now)
	return nil, nil
}

// updateTasks brings all tasks up to date and returns the time. It must be called with
// s.mu held, before tasks are read or changed. It wakes RunCallbacks, which looks at
// the changes when s.mu is free.
func (s *Server) updateTasks() time.Time {
	s.wakeCallbacks()
	return s.applyClock()
}

// applyClock applies to all tasks what the clock has changed since the last time, and
// returns the time. It forgets tasks that ended long ago.
func (s *Server) applyClock() time.Time {
	now := s.now()
	for _, t := range s.tasks {
		for at, change := t.nextChange(); change != nil && !at.After(now); at, change = t.nextChange() {
			change(at)
		}
	}
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool {
		over := t.status == initFailed || t.status == stopped
		return over && now.Sub(t.statusSince) >= retention
	})
	return now
}

// task finds a task that is still remembered.
func (s *Server) task(id string) (*task, error) {
	for _, t := range s.tasks {
		if t.id == id {
			return t, nil
		}
	}
	return nil, refuse(zego.CodeTaskNotFound, "task %q not found", id)
}

// streamingTask finds a task that can be driven.
func (s *Server) streamingTask(id string) (*task, error) {
	t, err := s.task(id)
	switch {
	case err != nil:
		return nil, err
	case t.status == initializing:
		return nil, refuse(zego.CodeStreamNotStarted, "task %q has not started its stream yet", id)
	case t.status != streaming:
		return nil, t.stoppedError()
	}
	return t, nil
}

// nextChange returns what the clock will change next and when. The change is nil if
// the clock changes nothing any more.
func (t *task) nextChange() (at time.Time, change func(time.Time)) {
	at, change = t.expiresAt, t.stop
	orEarlier := func(otherAt time.Time, other func(time.Time)) {
		if !otherAt.After(at) {
			at, change = otherAt, other
		}
	}
	switch t.status {
	case initializing:
		orEarlier(t.startsAt, t.start)
	case streaming:
		if len(t.queue) == 0 {
			orEarlier(t.idleSince.Add(t.maxIdle), t.stop)
		} else if endsAt := t.queue[0].endsAt; !endsAt.IsZero() {
			orEarlier(endsAt, t.endFirst)
		}
	case stopping:
		return t.statusSince.Add(stopDuration), func(at time.Time) { t.setStatus(stopped, at) }
	case initFailed, stopped:
		return time.Time{}, nil
	}
	return at, change
}

func (t *task) start(at time.Time) {
	if t.failReason != "" {
		t.setStatus(initFailed, at)
		return
	}
	t.idleSince = at
	t.setStatus(streaming, at)
}

// stop ends a task's stream, whatever it is doing.
func (t *task) stop(at time.Time) {
	t.interrupt(len(t.queue), at)
	t.setStatus(stopping, at)
}

func (t *task) setStatus(status taskStatus, at time.Time) {
	t.status, t.statusSince = status, at
	switch status {
	case streaming:
		t.streamsAt = at
	case initFailed, stopping:
		t.endsAt = at
	case initializing, stopped:
	}
	detail := taskDetail{Status: status, RoomID: t.roomID, StreamID: t.streamID}
	if status == initFailed {
		detail.FailReason = t.failReason
	}
	t.addEvent(taskEvent, at, detail)
}

// ended reports whether the task no longer counts against MaxTasks and its StreamId
// may be used again.
func (t *task) ended() bool { return t.status == initFailed || t.status == stopped }

// stoppedError refuses a call for a task that streams no more.
//
// Assumed: also for one that failed to start, since it is no use to wait for it.
func (t *task) stoppedError() error {
	return refuse(zego.CodeStreamStopped, "task %q has stopped", t.id)
}

func (s *Server) maxTasks() int { return cmp.Or(s.MaxTasks, DefaultMaxTasks) }

func (s *Server) startDelay() time.Duration { return max(0, cmp.Or(s.StartDelay, DefaultStartDelay)) }
