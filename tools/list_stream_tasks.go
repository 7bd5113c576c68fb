package tools

import (
	"context"
	"fmt"
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
	StartedBy  string `json:"StartedBy" jsonschema:"enum=this_server,enum=orphan,enum=other" jsonschema_description:"orphan: another zego-mcp, which may be gone; other: another program"`
}

func streamTaskOf(use resources, task zego.StreamTask) streamTask {
	out := streamTask{
		TaskID: task.ID, RoomID: task.RoomID, StreamID: task.StreamID,
		Status: int(task.Status), StatusName: task.Status.String(), FailReason: task.FailReason,
		StartedBy: use.streams.origin(task),
	}
	if task.CreateTime > 0 {
		out.CreatedAt = unixTime(task.CreateTime)
	}
	return out
}

var listStreamTasks = tool[listStreamTasksInput, listStreamTasksOutput]{
	name:        "list_stream_tasks",
	title:       "List stream tasks",
	description: "List the running stream tasks of this ZEGOCLOUD project, which cost while they run: those of this server, orphans that an earlier zego-mcp may have left behind, and those of other programs. Free, changes nothing. To end one, call stop_stream_task.",
	toolset:     Assets,
	effect:      reads,
	run: func(ctx context.Context, use resources, _ listStreamTasksInput) (listStreamTasksOutput, error) {
		list, err := use.ListStreamTasks(ctx)
		if err != nil {
			return listStreamTasksOutput{}, err
		}
		out := listStreamTasksOutput{StreamTasks: make([]streamTask, 0, len(list.Tasks)), RequestID: list.RequestID}
		orphans := 0
		for _, task := range list.Tasks {
			described := streamTaskOf(use, task)
			if described.StartedBy == orphan {
				orphans++
			}
			out.StreamTasks = append(out.StreamTasks, described)
		}
		if orphans > 0 {
			out.Advice = fmt.Sprintf("Orphans: %d. A zego-mcp that is not this one started them, or zego-mcp call did. What is no longer needed costs for nothing: ask the user, then call stop_stream_task.", orphans)
		}
		return out, nil
	},
}
