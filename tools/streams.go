package tools

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"
)

// StreamOptions bounds what agents can spend. The zero value means the defaults.
type StreamOptions struct {
	MaxTTL   time.Duration // Of one stream task, and of its idle time; default DefaultMaxTTL.
	MaxTasks int           // At once; default DefaultMaxTasks.
	Logger   *slog.Logger  // Default: none.
}

// The defaults of StreamOptions.
const (
	DefaultMaxTTL   = time.Hour
	DefaultMaxTasks = 3
)

// Streams are the stream tasks that a process started. They are billed while they
// run, so whoever owns a Streams stops them at its end.
type Streams struct {
	client   *zego.Client
	maxTTL   time.Duration
	maxTasks int
	log      *slog.Logger

	mu      sync.Mutex // guards what follows
	started map[string]*startedTask
	ended   bool           // No more are started.
	closing sync.WaitGroup // Tasks that are stopped without anybody waiting.
}

// startedTask is a stream task of ours, by its StreamId.
type startedTask struct {
	creating bool   // The answer to its create is still to come.
	taskID   string // Empty while creating, and if that answer was lost.
	roomID   string
	streamID string
	madeUp   bool // The StreamId, by us.
	since    time.Time
	until    time.Time // It has ended by then.
}

// is reports whether task is this one. Whose id is not known is told by its StreamId:
// one that we made up nobody else has, and another's was there before.
func (t *startedTask) is(task zego.StreamTask) bool {
	if t.taskID != "" {
		return t.taskID == task.ID
	}
	ours := t.madeUp || !time.Unix(task.CreateTime, 0).Before(t.since.Add(-time.Minute))
	return t.streamID == task.StreamID && t.roomID == task.RoomID && ours
}

// NewStreams returns the stream tasks of a process that calls ZEGO with client: none
// yet. A nil client has none ever.
func NewStreams(client *zego.Client, opts StreamOptions) *Streams {
	if opts.MaxTTL <= 0 {
		opts.MaxTTL = DefaultMaxTTL
	}
	if opts.MaxTasks <= 0 {
		opts.MaxTasks = DefaultMaxTasks
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Streams{client: client, maxTTL: opts.MaxTTL, maxTasks: opts.MaxTasks, log: opts.Logger, started: map[string]*startedTask{}}
}

// streamMark begins the StreamIds that we make up, so that a later process
// recognizes them.
const streamMark = "zego-mcp-"

func newStreamID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // It never fails.
	return streamMark + hex.EncodeToString(random[:])
}

// reserve makes room for one more task, until release or the end of its ttl, and
// makes its StreamId up if it has none.
func (s *Streams) reserve(ctx context.Context, roomID, streamID string, ttl time.Duration) (*startedTask, error) {
	task := &startedTask{creating: true, roomID: roomID, streamID: streamID, since: time.Now()}
	task.until = task.since.Add(ttl + time.Minute)
	if streamID == "" {
		task.streamID, task.madeUp = newStreamID(), true
	}
	switch err := s.add(task); {
	case err == nil:
		return task, nil
	case !errors.Is(err, errNoRoom):
		return nil, err
	}
	// Some may have ended by themselves. Those that are created meanwhile are not in
	// the list, and no less there.
	s.mu.Lock()
	settled := maps.Clone(s.started)
	maps.DeleteFunc(settled, func(_ string, known *startedTask) bool { return known.creating })
	s.mu.Unlock()
	list, err := s.client.ListStreamTasks(ctx)
	if err != nil {
		return nil, err
	}
	for _, known := range settled {
		running := slices.ContainsFunc(list.Tasks, func(t zego.StreamTask) bool { return t.StreamID == known.streamID })
		// What may still come is kept for a while.
		if lost := s.idOf(known) == ""; !running && (!lost || time.Since(known.since) > time.Minute) {
			s.release(known)
		}
	}
	if err := s.add(task); err != nil {
		return nil, err
	}
	return task, nil
}

// errNoRoom says that there is no room as long as the tasks which are known run.
var errNoRoom = errors.New("no room")

func (s *Streams) add(task *startedTask) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var running []string
	for id, known := range s.started {
		if now.After(known.until) && !known.creating {
			delete(s.started, id)
			continue
		}
		running = append(running, known.name())
	}
	switch {
	case s.ended:
		return errors.New("this server is ending; nothing was created")
	case s.started[task.streamID] != nil:
		return fmt.Errorf("%w: %w", errNoRoom, &refusedError{"StreamId in use", fmt.Sprintf("StreamId %s is in use by a stream task of this server. Choose another, or leave it out.", task.streamID)})
	case len(running) >= s.maxTasks:
		slices.Sort(running)
		return fmt.Errorf("%w: %w", errNoRoom, &refusedError{"too many stream tasks", fmt.Sprintf(
			"Nothing was created: this server may run %d stream tasks at once (its operator's --max-tasks), and runs %s.\nWhat to do: call stop_stream_task on one that is no longer needed.",
			s.maxTasks, strings.Join(running, ", "))})
	}
	s.started[task.streamID] = task
	return nil
}

// name is the task's id or, if that is not known, its StreamId.
func (t *startedTask) name() string {
	if t.taskID == "" {
		return "StreamId " + t.streamID
	}
	return t.taskID
}

// created notes the id of a reserved task; it is empty if ZEGO's answer was lost.
func (s *Streams) created(task *startedTask, taskID string) {
	s.mu.Lock()
	task.creating, task.taskID = false, taskID
	ended := s.ended
	s.mu.Unlock()
	if ended {
		s.abandon(task) // StopAll was faster.
	}
}

// release forgets a task that is not there, or no more.
func (s *Streams) release(task *startedTask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	task.creating = false
	if s.started[task.streamID] == task {
		delete(s.started, task.streamID)
	}
}

// releaseID is release for a task that another call stopped.
func (s *Streams) releaseID(taskID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, known := range s.started {
		if known.taskID == taskID {
			delete(s.started, id)
		}
	}
}

// origin says who started a task. Of one of ours whose create's answer was lost it
// learns the id.
func (s *Streams) origin(task zego.StreamTask) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.started[task.StreamID]; known != nil && known.is(task) {
		known.taskID = task.ID
		return startedHere
	}
	if strings.HasPrefix(task.StreamID, streamMark) {
		return orphan
	}
	return startedElsewhere
}

// What origin answers.
const (
	startedHere      = "this_server"
	orphan           = "orphan"
	startedElsewhere = "other"
)

// owns reports whether this process started the task.
func (s *Streams) owns(taskID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.started {
		if known.taskID == taskID {
			return true
		}
	}
	return false
}

// abandon stops a task that its caller no longer waits for.
func (s *Streams) abandon(task *startedTask) {
	s.closing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		found, err := s.stop(ctx, task)
		if err != nil {
			s.log.Warn("a stream task whose create call failed or was cancelled may go on, and cost", "task", task.name(), "err", summary(err))
			return
		}
		s.release(task)
		if found {
			s.log.Info("stream task stopped: its create call failed or was cancelled", "task", s.idOf(task))
		}
	})
}

// Wait waits until the tasks that are being stopped without anybody waiting for them
// have been, for 15 seconds at most.
func (s *Streams) Wait() { s.closing.Wait() }

// stopLimit bounds how long StopAll and abandon take.
const stopLimit = 15 * time.Second

// StopAll stops every task that the process started and that may still run, one that
// is being created included. It takes 15 seconds at most, and lets no more begin.
func (s *Streams) StopAll(ctx context.Context) {
	s.mu.Lock()
	s.ended = true
	tasks := make([]*startedTask, 0, len(s.started))
	for _, task := range s.started {
		tasks = append(tasks, task)
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	for _, task := range tasks {
		s.closing.Go(func() {
			found, err := s.stop(ctx, task)
			if err != nil {
				s.log.Error("a stream task could not be stopped, and costs until it ends by itself",
					"task", task.name(), "ends_by", task.until.UTC().Format(time.RFC3339), "err", summary(err))
				return
			}
			s.release(task)
			if found {
				s.log.Info("stream task stopped", "task", s.idOf(task))
			}
		})
	}
	s.closing.Wait()
}

// stop stops a task, and finds it first if its id is not known. It reports whether
// there was one.
func (s *Streams) stop(ctx context.Context, task *startedTask) (found bool, err error) {
	id, err := s.find(ctx, task)
	if err != nil || id == "" {
		return false, err
	}
	_, err = s.client.StopStreamTask(ctx, id)
	if errors.Is(err, zego.CodeTaskNotFound) {
		return false, nil
	}
	return true, err
}

// find returns the id of a task, or "" if ZEGO does not have it. It looks as long as
// its create is not answered, and a few times after that.
func (s *Streams) find(ctx context.Context, task *startedTask) (id string, err error) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for looks := 0; looks < 3; {
		if !s.isCreating(task) {
			looks++
		}
		select {
		case <-pause.C:
			pause.Reset(time.Second)
		case <-ctx.Done():
			return "", cmp.Or(err, context.Cause(ctx))
		}
		if id := s.idOf(task); id != "" {
			return id, nil
		}
		var list zego.StreamTaskList
		if list, err = s.client.ListStreamTasks(ctx); err != nil {
			continue
		}
		for _, running := range list.Tasks {
			s.origin(running) // It learns the id.
		}
		if id := s.idOf(task); id != "" {
			return id, nil
		}
	}
	return "", err
}

func (s *Streams) isCreating(task *startedTask) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return task.creating
}

func (s *Streams) idOf(task *startedTask) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return task.taskID
}

// WarnOfOrphans looks for running tasks that an earlier process left behind, and
// tells the log.
func (s *Streams) WarnOfOrphans(ctx context.Context) {
	if s.client == nil {
		return
	}
	list, err := s.client.ListStreamTasks(ctx)
	if err != nil {
		s.log.Warn("could not look for stream tasks that an earlier process left behind", "err", summary(err))
		return
	}
	for _, task := range list.Tasks {
		if s.origin(task) == orphan {
			s.log.Warn("a stream task of another zego-mcp is running, and costs; if that one is gone, stop it with stop_stream_task",
				"task", task.ID, "stream", task.StreamID, "created", unixTime(task.CreateTime))
		}
	}
}

// unixTime writes a Unix time as RFC 3339, UTC.
func unixTime(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
