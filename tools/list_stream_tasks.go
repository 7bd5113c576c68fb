package tools

import (
	"context"
	"fmt"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

type listStreamTasksInput struct{}

type listStreamTasksOutput struct {
	StreamTasks []streamTask `json:"StreamTasks"`
	Advice      string       `json:"Advice,omitempty" jsonschema_description:"What to do about orphans"`
	RequestID   string       `json:"RequestId"`
}

// streamTask is one stream task in a result.
type streamTask struct {
	TaskID     string `json:"TaskId"`
	RoomID     string `json:"RoomId"`
	StreamID   string `json:"StreamId"`
	Status     int    `json:"Status" jsonschema_description:"1 initializing, 2 initialization failed, 3 streaming, 4 stopping, 5 stopped"`
	StatusName string `json:"StatusName"`
	FailReason string `json:"FailReason,omitempty"`
	CreatedAt  string `json:"CreatedAt,omitempty" jsonschema_description:"RFC 3339, UTC"`
	StartedBy  string `json:"StartedBy" jsonschema:"enum=this_server,enum=call,enum=orphan,enum=other" jsonschema_description:"call: zego-mcp call on this machine; orphan: another zego-mcp, which may be gone; other: another program"`
}

func streamTaskOf(d deps, task zego.StreamTask) streamTask {
	out := streamTask{
		TaskID: task.ID, RoomID: task.RoomID, StreamID: task.StreamID,
		Status: int(task.Status), StatusName: task.Status.String(), FailReason: task.FailReason,
		StartedBy: string(d.streams.StartedBy(task)),
	}
	if task.CreateTime > 0 {
		out.CreatedAt = unixTime(task.CreateTime)
	}
	return out
}

// unixTime returns a Unix time as RFC 3339 in UTC.
func unixTime(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

// taskAdvice is what to do when ZEGO does not accept a TaskId.
var taskAdvice = advice{
	zego.CodeTaskNotFound:     "Call list_stream_tasks for the tasks that run. This one may have ended; create_stream_task makes a new one.",
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
		orphans := 0
		for _, task := range list.Tasks {
			entry := streamTaskOf(d, task)
			if entry.StartedBy == string(streams.Orphan) {
				orphans++
			}
			out.StreamTasks = append(out.StreamTasks, entry)
		}
		if orphans > 0 {
			out.Advice = fmt.Sprintf("Orphans: %d. A zego-mcp that is not this one started them, or zego-mcp call did. Each is billed until it is stopped: ask the user, then call stop_stream_task.", orphans)
		}
		return out, nil
	},
}
