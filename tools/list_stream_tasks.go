package tools

import (
	"context"
	"fmt"
	"math"
	"time"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

type listStreamTasksInput struct{}

type listStreamTasksOutput struct {
	StreamTasks    []streamTask `json:"StreamTasks"`
	RunningMinutes float64      `json:"RunningMinutes"`
	Advice         string       `json:"Advice,omitempty"`
	RequestID      string       `json:"RequestId"`
}

// streamTask is one stream task in a result. What is not known is left out.
type streamTask struct {
	TaskID         string `json:"TaskId"`
	DigitalHumanID string `json:"DigitalHumanId,omitempty"`
	Name           string `json:"Name,omitempty"`
	RoomID         string `json:"RoomId"`
	StreamID       string `json:"StreamId"`
	Status         int    `json:"Status"`
	StatusName     string `json:"StatusName"`
	FailReason     string `json:"FailReason,omitempty"`
	StartedBy      string `json:"StartedBy" jsonschema:"enum=this_server,enum=call,enum=orphan,enum=other" jsonschema_description:"call: zego-mcp call on this machine; orphan: another zego-mcp, perhaps gone"`
	CreatedAt      string `json:"CreatedAt,omitempty"`
	EndsAt         string `json:"EndsAt,omitempty"`
	IdleEndsAt     string `json:"IdleEndsAt,omitempty"`
	RunningSeconds int    `json:"RunningSeconds,omitempty"`
	Speaking       *bool  `json:"Speaking,omitempty"`
	Waiting        int    `json:"Waiting,omitempty"`
	SpeakingUntil  string `json:"SpeakingUntil,omitempty"`
	KnownBy        string `json:"KnownBy,omitempty"`
	NotSpoken      string `json:"NotSpoken,omitempty"`
}

// describe returns a task as a result shows it, with what this server knows of it.
func (d deps) describe(ctx context.Context, task zego.StreamTask) streamTask {
	facts, state := d.factsOf(ctx, task.ID), d.speech.State(task.ID)
	out := streamTask{
		TaskID: task.ID, DigitalHumanID: facts.DigitalHumanID, Name: facts.Name,
		RoomID: task.RoomID, StreamID: task.StreamID,
		Status: int(task.Status), StatusName: task.Status.String(), FailReason: task.FailReason,
		StartedBy: string(d.streams.StartedBy(task)),
		KnownBy:   string(state.KnownBy), NotSpoken: state.Problem,
	}
	var created time.Time // By this machine's clock; zero if ZEGO does not tell it.
	if task.CreateTime > 0 {
		out.CreatedAt = unixTime(task.CreateTime)
		created = time.Unix(task.CreateTime, 0).Add(-d.client.ClockOffset())
	}
	if runs := task.Status == zego.TaskInitializing || task.Status == zego.TaskStreaming; !runs {
		out.Speaking = new(false)
		return out
	}
	if !created.IsZero() {
		out.RunningSeconds = max(0, int(time.Since(created)/time.Second))
	}
	if state.KnownBy != "" || facts.DigitalHumanID != "" {
		out.Speaking = new(state.Speaking)
	}
	out.Waiting, out.SpeakingUntil, out.EndsAt = state.Waiting, timeText(state.Until), timeText(facts.EndsAt)
	out.IdleEndsAt = timeText(idleEnd(facts, state, created))
	return out
}

// idleEnd returns when a task ends if it says nothing more; zero if that is not known. created is
// when it was created; zero if that is not known.
func idleEnd(facts speech.Facts, state speech.State, created time.Time) time.Time {
	since := state.LastEnd
	switch {
	case state.Speaking:
		since = state.Until
	case since.IsZero():
		since = created // A little early, because it counts from the start of the stream.
	}
	if facts.MaxIdle == 0 || since.IsZero() {
		return time.Time{}
	}
	end := since.Add(facts.MaxIdle)
	if end.After(facts.EndsAt) {
		return time.Time{} // The TTL is over before.
	}
	return end
}

// unixTime returns a Unix time as RFC 3339 in UTC.
func unixTime(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

// taskAdvice is what to do when ZEGO does not accept a TaskId.
var taskAdvice = advice{
	zego.CodeTaskNotFound:     "Call list_stream_tasks for the tasks that run; this one may have ended.",
	zego.CodeStreamNotStarted: "Call get_stream_task until its Status is 3 (streaming), then call again.",
	zego.CodeStreamStopped:    "Nothing: it has ended. To go on, call create_stream_task.",
}

var listStreamTasks = tool[listStreamTasksInput, listStreamTasksOutput]{
	name:        "list_stream_tasks",
	title:       "List stream tasks",
	description: "List the running stream tasks of this ZEGOCLOUD project, which cost while they run: those of this server, orphans that an earlier zego-mcp may have left behind, and those of other programs. Free, changes nothing. To end one, call stop_stream_task.",
	toolset:     Assets,
	effect:      readOnly,
	run: func(ctx context.Context, d deps, _ listStreamTasksInput) (listStreamTasksOutput, error) {
		list, err := d.streams.List(ctx)
		if err != nil {
			return listStreamTasksOutput{}, err
		}
		out := listStreamTasksOutput{StreamTasks: make([]streamTask, 0, len(list.Tasks)), RequestID: list.RequestID}
		orphans, seconds := 0, 0
		for _, task := range list.Tasks {
			entry := d.describe(ctx, task)
			seconds += entry.RunningSeconds
			if entry.StartedBy == string(streams.Orphan) {
				orphans++
			}
			out.StreamTasks = append(out.StreamTasks, entry)
		}
		out.RunningMinutes = math.Round(float64(seconds)/6) / 10
		if orphans > 0 {
			out.Advice = fmt.Sprintf("Orphans: %d. A zego-mcp that is not this one started them, or zego-mcp call did. Each is billed until it is stopped: ask the user, then call stop_stream_task.", orphans)
		}
		return out, nil
	},
}
