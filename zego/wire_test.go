package zego_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// exchange is one of ZEGO's documented examples, in testdata/wire.
type exchange struct {
	Action            string
	Request, Response json.RawMessage
}

// Ids in ZEGO's examples.
const (
	wireTask      = "f06d1f5d-c0d1-4845-9a2c-f0a45ee037fd"
	wireRequestID = "e6f95291-7053-4c87-9bd0-b4b8c56aabfd"
)

// wireCalls has the call that each example is about.
var wireCalls = map[string]func(context.Context, *zego.Client) (any, error){
	"GetDigitalHumanList": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{FetchMode: new(zego.FetchAll), Offset: new(0), Limit: new(10)})
	},
	"GetDigitalHumanInfo": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.GetDigitalHuman(ctx, "fa592895-d988-4584-b27b-97b8f4b921ad")
	},
	"GetDigitalHumanRenderInfo": func(ctx context.Context, c *zego.Client) (any, error) { // From ZEGO's samples; there is no document.
		return c.GetRenderInfo(ctx, "416dc43c-0d00-40c9-a0ca-efdf234508bf")
	},
	"GetTimbreList": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.ListTimbres(ctx, zego.ListTimbresRequest{DigitalHumanID: "42f97c28-1124-4cb2-800a-44d028497027", Offset: new(0), Limit: new(20)})
	},
	"CreateDigitalHumanStreamTask": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
			DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: "0d3538a4-9e8e-4155-b1fb-c7defb8eeef8"},
			RTCConfig:          zego.RTCConfig{RoomID: "1234567890", StreamID: "elias1"},
		})
	},
	"DriveByText": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.DriveByText(ctx, zego.DriveByTextRequest{
			TaskID: wireTask, Text: "xxx", InterruptMode: new(zego.Interrupt),
			TTSConfig: zego.TTSConfig{TimbreID: "xxx", Volume: new(51), SpeechRate: new(51), PitchRate: new(51)},
		})
	},
	"DriveByAudio": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.DriveByAudio(ctx, zego.DriveByAudioRequest{TaskID: "xxx", AudioURL: "https://xxx.com/xxx.wav", InterruptMode: new(zego.Interrupt)})
	},
	"DriveByWsStream": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.DriveByWSStream(ctx, "c54ffce5-e63c-414f-9342-b0777ae8e691")
	},
	"DriveByRTCStream": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.DriveByRTCStream(ctx, "c54ffce5-e63c-414f-9342-b0777ae8e691", zego.RTCConfig{RoomID: "1234567890", StreamID: "test"})
	},
	"DoAction": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.DoAction(ctx, "46fb5334-628a-4792-8854-d6c4c0cce6c7", "shake_hands")
	},
	"InterruptDriveTask": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.InterruptDrive(ctx, wireTask)
	},
	"StopDigitalHumanStreamTask": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.StopStreamTask(ctx, wireTask)
	},
	"QueryDigitalHumanStreamTasks": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.ListStreamTasks(ctx)
	},
	"GetDigitalHumanStreamTaskStatus": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.GetStreamTask(ctx, wireTask)
	},
	"GetDriveStatus": func(ctx context.Context, c *zego.Client) (any, error) {
		return c.GetDriveStatus(ctx, "", "1d4e048a-7520-4b7b-b762-5d8266bb8b7f")
	},
}

var wireDrive = zego.Drive{ID: "ae8c4d88-44fe-469a-aedf-df06849d0fdc", RequestID: wireRequestID}

// wireResults has what each call returns.
var wireResults = map[string]any{
	"GetTimbreList": zego.TimbrePage{
		Total: 1, RequestID: "a1", Timbres: []zego.Timbre{{ID: "xxx", Name: "xxx", AvatarURL: "https://xxx.com/xxx.png"}},
	},
	"CreateDigitalHumanStreamTask": zego.CreatedStreamTask{TaskID: "6a5898fa-3e1d-4a6f-b949-05f39f1c10cb", RequestID: "d799c85c-10c8-4191-8c6a-3290a5940b5f"},
	"DriveByText":                  wireDrive,
	"DriveByAudio":                 wireDrive,
	"DriveByRTCStream":             wireDrive,
	"DriveByWsStream": zego.WSDrive{
		Drive:   zego.Drive{ID: "9b9c09ef-281d-43d8-807f-e00e71049642", RequestID: "9f5228e2-2c90-4faa-aa7e-7ebbf28bbd83"},
		Address: "wss://xx.xx.xx.xx:xxx/ws?Token=xxxx",
	},
	"DoAction":                   "d799c85c-10c8-4191-8c6a-3290a5940b5f",
	"InterruptDriveTask":         wireRequestID,
	"StopDigitalHumanStreamTask": zego.Stopped{RequestID: wireRequestID},
	"QueryDigitalHumanStreamTasks": zego.StreamTaskList{RequestID: "ec0881f7-9e62-4e74-a66c-f31579c42f92", Tasks: []zego.StreamTask{{
		ID: "688bd608-823d-4830-b469-fb7fb1c5dbbe", RoomID: "room_8176", StreamID: "789856", CreateTime: 1750298304, Status: zego.TaskStreaming,
	}}},
	"GetDigitalHumanStreamTaskStatus": zego.StreamTask{
		ID: wireTask, RoomID: "digital_room_1749541482", StreamID: "digital_stream_1749541482", Status: zego.TaskStreaming, CreateTime: 1749541482,
	},
	"GetDriveStatus": []zego.DriveState{{ID: "1d4e048a-7520-4b7b-b762-5d8266bb8b7f", Status: zego.DriveQueued}},
	"GetDigitalHumanList": zego.DigitalHumanPage{
		Total: 1, RequestID: "aa62cf9f-2797-4bd0-9cbf-e461b82d75a5",
		DigitalHumans: []zego.DigitalHuman{{
			ID: "077f52b8-1513-49f8-af14-54a57dadda2e", Name: "xxx", AvatarURL: "https://xxx.com/xxx.png", Gestures: []zego.Gesture{},
		}},
	},
	"GetDigitalHumanRenderInfo": zego.RenderInfo{PackageURL: "https://xxx.com/xxx.zip", SupportsSmallImageMode: true, RequestID: "r1"},
	"GetDigitalHumanInfo": zego.DigitalHumanInfo{
		RequestID: "52ef286e-0ee5-4cbb-ba93-45c4f89c5d00",
		DigitalHuman: zego.DigitalHuman{
			ID: "fa592895-d988-4584-b27b-97b8f4b921ad", Name: "xxx", AvatarURL: "https://xxx.com/xxx.png", IsPublic: true,
			Gestures: []zego.Gesture{
				{Name: "802_921474", PreviewURL: "https://xxx.com/preview/xxx/xxx.mp4"},
				{Name: "idle_action", PreviewURL: "https://xxx.com/preview/xxx/xxx.mp4"},
			},
		},
	},
}

// wireReadOnly has the actions that only read.
var wireReadOnly = map[string]bool{
	"GetDigitalHumanList": true, "GetDigitalHumanInfo": true, "GetDigitalHumanRenderInfo": true, "GetTimbreList": true, "GetDriveStatus": true,
	"QueryDigitalHumanStreamTasks": true, "GetDigitalHumanStreamTaskStatus": true,
}

// TestWire compares requests and decoded answers with ZEGO's documented examples. Without
// it, the client and the simulator could agree on a wrong name.
func TestWire(t *testing.T) {
	t.Parallel()
	for action, call := range wireCalls {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("testdata/wire/" + action + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var documented exchange
			if err := json.Unmarshal(text, &documented); err != nil {
				t.Fatal(err)
			}
			client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				checkRequest(t, r, action, documented.Request)
				_, _ = w.Write(documented.Response)
			}), zego.Options{})
			ctx, info := traced(t)
			got, err := call(ctx, client)
			if err != nil {
				t.Fatal(err)
			}
			if info.Action != action || info.ReadOnly != wireReadOnly[action] {
				t.Errorf("got %+v, want ReadOnly %t", info, wireReadOnly[action])
			}
			if named := info.TaskID != ""; named == info.ReadOnly || (info.StreamID != "" && info.RoomID != "") != (action == "CreateDigitalHumanStreamTask") {
				t.Errorf("got %+v, want the task that the call is about", info)
			}
			if diff := cmp.Diff(wireResults[action], got, ignoreAt, cmpopts.IgnoreFields(zego.DigitalHumanInfo{}, "At"), cmpopts.IgnoreFields(zego.TimbrePage{}, "At"), cmpopts.IgnoreFields(zego.CreatedStreamTask{}, "At")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// checkRequest compares a request with the documented body and the common parameters.
func checkRequest(t *testing.T, r *http.Request, action string, documented json.RawMessage) {
	t.Helper()
	body, _ := io.ReadAll(r.Body)
	var want bytes.Buffer
	if err := json.Compact(&want, documented); err != nil {
		t.Error(err)
	}
	if string(body) != want.String() {
		t.Errorf("sent %s, documented %s", body, want.String())
	}
	q := r.URL.Query()
	timestamp, _ := strconv.ParseInt(q.Get("Timestamp"), 10, 64)
	for name, ok := range map[string]bool{
		"method":           r.Method == http.MethodPost && r.URL.Path == "/",
		"Content-Type":     r.Header.Get("Content-Type") == "application/json",
		"Action":           q.Get("Action") == action,
		"AppId":            q.Get("AppId") == fmt.Sprint(zegosim.DefaultAppID),
		"SignatureNonce":   regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(q.Get("SignatureNonce")),
		"Timestamp":        time.Since(time.Unix(timestamp, 0)).Abs() < time.Minute,
		"Signature":        q.Get("Signature") == zego.Sign(zegosim.DefaultAppID, q.Get("SignatureNonce"), secret, timestamp),
		"SignatureVersion": q.Get("SignatureVersion") == "2.0",
		"nothing else":     len(q) == 6,
	} {
		if !ok {
			t.Errorf("%s is wrong in %s %s %v", name, r.Method, r.URL.Path, r.Header)
		}
	}
}
