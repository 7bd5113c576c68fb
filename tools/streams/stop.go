package streams

import (
	"cmp"
	"context"
	"errors"
	"time"
	"zego-mcp/zego"
)

// stopTimeout bounds how long StopAll and each stop in the background take.
const stopTimeout = 15 * time.Second

// Stop ends a stream task, whoever started it, and removes it from the ledger. That the
// task had already stopped is no error.
func (l *Ledger) Stop(ctx context.Context, taskID string) (zego.Stopped, error) {
	stopped, err := l.client.StopStreamTask(ctx, taskID)
	if err == nil || errors.Is(err, zego.CodeTaskNotFound) {
		l.releaseID(taskID)
	}
	return stopped, err
}

// StopAll stops every task in the ledger, those that are being created included, and lets
// no more be created. It also waits for the stops that run in the background. It takes 15
// seconds at most, and logs an error for each task that it could not stop.
func (l *Ledger) StopAll(ctx context.Context) {
	l.mu.Lock()
	l.closed = true
	all := make([]*entry, 0, len(l.entries))
	for _, e := range l.entries {
		all = append(all, e)
	}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	for _, e := range all {
		l.stopping.Go(func() {
			found, err := l.findAndStop(ctx, e)
			if err != nil {
				l.log.Error("a stream task could not be stopped, and costs until it ends by itself",
					"task", l.name(e), "ends_by", e.expiresAt.UTC().Format(time.RFC3339), "err", logText(err))
				return
			}
			l.release(e)
			if found {
				l.log.Info("stream task stopped", "task", l.taskID(e))
			}
		})
	}
	l.stopping.Wait()
}

// WaitStopping waits until the stops that run in the background have ended. Each takes 15
// seconds at most.
func (l *Ledger) WaitStopping() { l.stopping.Wait() }

// stopInBackground stops a task that has no caller any more.
func (l *Ledger) stopInBackground(e *entry) {
	l.stopping.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		found, err := l.findAndStop(ctx, e)
		if err != nil {
			l.log.Warn("a stream task whose create call failed or was cancelled may go on, and cost", "task", l.name(e), "err", logText(err))
			return
		}
		l.release(e)
		if found {
			l.log.Info("stream task stopped: its create call failed or was cancelled", "task", l.taskID(e))
		}
	})
}

// findAndStop stops the task of e. It reports whether ZEGO had such a task.
func (l *Ledger) findAndStop(ctx context.Context, e *entry) (found bool, err error) {
	id, err := l.waitForTaskID(ctx, e)
	if err != nil || id == "" {
		return false, err
	}
	_, err = l.client.StopStreamTask(ctx, id)
	if errors.Is(err, zego.CodeTaskNotFound) {
		return false, nil
	}
	return true, err
}

// looksAfterCreate is how often waitForTaskID asks ZEGO after the create call has ended.
const looksAfterCreate = 3

// waitForTaskID returns the TaskId of e, or "" if ZEGO has no such task. It asks ZEGO for
// the running tasks once a second: as long as the create call runs, and up to three times
// after that call ended without a TaskId.
func (l *Ledger) waitForTaskID(ctx context.Context, e *entry) (id string, err error) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for looks := 0; looks < looksAfterCreate; {
		if !l.isCreating(e) {
			looks++
		}
		select {
		case <-pause.C:
			pause.Reset(time.Second)
		case <-ctx.Done():
			return "", cmp.Or(err, context.Cause(ctx))
		}
		if id := l.taskID(e); id != "" {
			return id, nil
		}
		if _, err = l.List(ctx); err != nil {
			continue
		}
		if id := l.taskID(e); id != "" {
			return id, nil
		}
	}
	return "", err
}
