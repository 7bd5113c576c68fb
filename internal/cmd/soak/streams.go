package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/client"
)

// maxTasks is how many stream tasks the server may run at once. They are more than ZEGO's
// rate limit lets it stop in a second.
const maxTasks = 20

// soakStreams runs clients that create, drive and stop stream tasks, and ends the server
// while they do. It checks that afterwards no task runs, and that nothing else is left over.
func (r *run) soakStreams(ctx context.Context) error {
	before := r.meter.counts()
	before.heap = heapInUse()
	var log errorLog
	ledger := streams.New(r.client, streams.Options{
		MaxTasks: maxTasks, StopTimeout: 2 * r.timeout,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	s, err := r.startServer(ctx, ledger)
	if err != nil {
		return err
	}
	clients := r.newClients(s.url)
	clients.streams = true
	clients.run(ctx, r.duration/2, r.sessions)
	err = r.stopWhileCalled(ctx, s, ledger)
	clients.print(r.out)
	return errors.Join(clients.verdict(), err, r.checkTasks(ctx, &log), checkGrowth(before, r.meter.releasedUsage(ctx, before)))
}

// stopWhileCalled ends s and ledger as serve does after a signal, while clients call. These
// clients need no answers.
func (r *run) stopWhileCalled(ctx context.Context, s mcpServer, ledger *streams.Ledger) error {
	last := r.newClients(s.url)
	last.streams = true
	var running sync.WaitGroup
	running.Go(func() { last.run(ctx, 0, r.sessions) })
	pause := min(r.timeout, time.Second) / 2
	time.Sleep(rand.N(pause))
	running.Go(func() {
		time.Sleep(rand.N(pause))
		ledger.Close(ctx)
	})
	err := s.stop()
	ledger.Close(ctx)
	running.Wait()
	return err
}

// checkTasks prints what became of the stream tasks, and returns an error if any runs.
func (r *run) checkTasks(ctx context.Context, log *errorLog) error {
	r.faults.end()
	list, err := r.client.ListStreamTasks(ctx)
	if err != nil {
		return err
	}
	created, stopped := r.faults.tasks()
	row(r.out, "stream tasks created", created)
	row(r.out, "  stopped", stopped)
	row(r.out, "  still running", len(list.Tasks))
	row(r.out, "named in ERROR lines", log.lines())
	var errs []error
	if r.faultPercent < 100 && created == 0 {
		errs = append(errs, errors.New("no stream task was created"))
	}
	for _, task := range list.Tasks {
		if log.names(task) {
			errs = append(errs, fmt.Errorf("the stream task %s was not stopped, and an ERROR line says so", task.StreamID))
		} else {
			errs = append(errs, fmt.Errorf("the stream task %s runs, and no ERROR line names it", task.StreamID))
		}
	}
	return errors.Join(errs...)
}

// lookupTime is how much longer than others a create may take: when ZEGO's answer is lost,
// the task is looked for even after the time limit of the call.
const lookupTime = 5 * time.Second

// stream creates a stream task, lets it speak up to twice, and stops it. One create in six
// is cancelled, and during another one the client leaves. One task in four is not stopped.
func (c *clients) stream(ctx context.Context, session *client.Client, leave func()) {
	limit := c.timeout + grace
	createLimit, cancels := limit+lookupTime, false
	switch rand.IntN(6) {
	case 0:
		createLimit, cancels = rand.N(time.Second), true
	case 1:
		cancels = true
		defer time.AfterFunc(rand.N(time.Second), leave).Stop()
	}
	task, ok := c.call(ctx, session, c.create(), createLimit, cancels)
	if !ok || cancels {
		return
	}
	for range rand.IntN(3) {
		c.call(ctx, session, c.drive(task.TaskID), limit, false)
	}
	if rand.IntN(4) > 0 {
		c.call(ctx, session, stop(task.TaskID), limit, false)
	}
}

// create returns a call that creates a stream task. Half of the calls wait until it streams.
func (c *clients) create() toolCall {
	arguments := map[string]any{
		"DigitalHumanId": c.humans[0].ID, "RoomId": "soak", "TTL": 10, "WaitUntilStreaming": rand.IntN(2) == 0,
	}
	return toolCall{"create_stream_task", arguments, func(a answer) error {
		if a.TaskID == "" {
			return errors.New("no TaskId")
		}
		return nil
	}}
}

// drive returns a call that makes the digital human of a stream task speak. Each DriveId may be
// answered once: an answer that belongs to another call has a DriveId that came before, or
// comes later.
func (c *clients) drive(taskID string) toolCall {
	arguments := map[string]any{"TaskId": taskID, "Text": "Hello", "TimbreId": zegosim.DefaultTimbres()[0].ID}
	return toolCall{"drive_by_text", arguments, func(a answer) error {
		if a.DriveID == "" {
			return errors.New("no DriveId")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.driveIDs == nil {
			c.driveIDs = map[string]bool{}
		}
		if c.driveIDs[a.DriveID] {
			return fmt.Errorf("DriveId %s was answered twice", a.DriveID)
		}
		c.driveIDs[a.DriveID] = true
		return nil
	}}
}

// stop returns a call that stops a stream task. The answer names the task, unless the task had
// ended before.
func stop(taskID string) toolCall {
	return toolCall{"stop_stream_task", map[string]any{"TaskId": taskID}, func(a answer) error {
		hadEnded := a.AlreadyStopped && len(a.Stopped) == 0
		if !hadEnded && !slices.Equal(a.Stopped, []string{taskID}) {
			return fmt.Errorf("asked to stop %s, got %v, AlreadyStopped %t", taskID, a.Stopped, a.AlreadyStopped)
		}
		return nil
	}}
}

// errorLog keeps the lines that the ledger logs at level ERROR.
type errorLog struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *errorLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *errorLog) lines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text.Bytes(), []byte("\n"))
}

// names reports whether a line says that a task may run.
func (l *errorLog) names(task zego.StreamTask) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), "stream="+task.StreamID+" ")
}
