package tools

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"zego-mcp/zego"

	"github.com/google/uuid"
)

type createViewerLinkInput struct {
	TaskID string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From create_stream_task or list_stream_tasks"`
	UserID string `json:"UserId,omitempty" jsonschema:"minLength=1,maxLength=64,pattern=^[0-9A-Za-z_-]+$" format:"name" jsonschema_description:"The viewer's; default: made up"`
}

type createViewerLinkOutput struct {
	Link      string `json:"Link,omitempty" jsonschema_description:"Give it to the viewer; it has the token in it. Absent: see Use"`
	AppID     uint32 `json:"AppId"`
	RoomID    string `json:"RoomId"`
	StreamID  string `json:"StreamId"`
	UserID    string `json:"UserId"`
	Token     string `json:"Token,omitempty" jsonschema_description:"Absent if there is a Link"`
	ExpiresAt string `json:"ExpiresAt" jsonschema_description:"RFC 3339, UTC"`
	Snippet   string `json:"Snippet,omitempty" jsonschema_description:"JavaScript for the user's own page"`
	Use       string `json:"Use"`
}

// webSDK is the version of ZEGO's web SDK whose calls viewerSnippet makes.
const webSDK = "zego-express-engine-webrtc@3.12.0"

// viewerSnippet plays a stream on a web page. It takes its values from the answer of
// create_viewer_link, so that the token need not stand there twice.
const viewerSnippet = `// npm i ` + webSDK + `; <div id="live"></div>
import { ZegoExpressEngine } from "zego-express-engine-webrtc";
const { AppId, RoomId, StreamId, UserId, Token } = link; // this answer
const zg = new ZegoExpressEngine(AppId, "");
zg.on("roomStreamUpdate", async (room, type, streams) => {
  if (type === "ADD" && streams.some((s) => s.streamID === StreamId))
    zg.createRemoteStreamView(await zg.startPlayingStream(StreamId)).play("live", { enableAutoplayDialog: true });
});
await zg.loginRoom(RoomId, Token, { userID: UserId });`

const (
	oneViewerEach = "For one viewer: call again for each other one, because ZEGO logs out the earlier of two with the same UserId."
	howToHost     = "The user hosts a page (https or localhost) with this code and hands it these values, never the ServerSecret. Native SDKs: an engine with AppId and no AppSign, loginRoom with RoomId, UserId and config.token, startPlayingStream. "
	simulatedLink = "SIMULATED: ZEGO does not know this room. "
)

const createViewerLinkName = "create_viewer_link"

var createViewerLink = tool[createViewerLinkInput, createViewerLinkOutput]{
	name:        createViewerLinkName,
	title:       "Create a viewer link",
	description: "Let one viewer watch a stream task, for an hour at most: a link, or a token and code for the user's own page. Free.",
	toolset:     Streaming,
	// Nothing changes at ZEGO: a token is signed here, and works until it expires.
	effect: readOnly,
	advice: taskAdvice,
	run: func(ctx context.Context, d deps, in createViewerLinkInput) (createViewerLinkOutput, error) {
		task, err := d.watchableTask(ctx, in.TaskID)
		if err != nil {
			return createViewerLinkOutput{}, err
		}
		userID := cmp.Or(in.UserID, newViewerID())
		token, err := newViewer(d.client, task, userID, d.factsOf(ctx, in.TaskID).EndsAt, time.Now())
		if err != nil {
			return createViewerLinkOutput{}, &toolError{"no viewer token", lines(
				"No token was made: "+strings.TrimPrefix(err.Error(), "zego: ")+".",
				whatToDo("Call create_stream_task with a RoomId that ZEGO's SDKs take.", false))}
		}
		out := createViewerLinkOutput{
			AppID: token.AppID, RoomID: task.RoomID, StreamID: task.StreamID, UserID: userID, Token: token.Token,
			ExpiresAt: token.ExpiresAt.UTC().Format(time.RFC3339),
			Snippet:   viewerSnippet, Use: howToHost + oneViewerEach,
		}
		if out.Link = d.viewerURL.link(out); out.Link != "" {
			out.Token, out.Snippet, out.Use = "", "", oneViewerEach
		}
		if d.simulated {
			out.Use = simulatedLink + out.Use
		}
		return out, nil
	},
}

// watchableTask returns a stream task that runs. It returns an error for one that has ended.
func (d deps) watchableTask(ctx context.Context, taskID string) (zego.StreamTask, error) {
	task, err := d.streams.Get(ctx, taskID)
	if err != nil {
		return zego.StreamTask{}, err
	}
	if task.Status != zego.TaskInitializing && task.Status != zego.TaskStreaming {
		return zego.StreamTask{}, &toolError{"the task does not stream", lines(
			fmt.Sprintf("The stream task %s cannot be watched: its status is %s.", quoteForeign(taskID), task.Status),
			whatToDo("Call create_stream_task for a new one, or list_stream_tasks for those that run.", false))}
	}
	return task, nil
}

// newViewerID returns the UserId of a viewer who has given none.
func newViewerID() string {
	id := uuid.New()
	return fmt.Sprintf("viewer-%x", id[:8])
}
