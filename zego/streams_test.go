package zego_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

const taskID = "f06d1f5d-c0d1-4845-9a2c-f0a45ee037fd"

// script is a server with prepared answers for each action, which it gives one after the
// other, and the last one again and again. If an answer is empty, script drops the
// connection; if it is "hang", script waits until the client cancels.
type script struct {
	mu      sync.Mutex // guards what follows
	answers map[string][]string
	bodies  map[string][]string // The bodies of requests, by action.
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action := r.URL.Query().Get("Action")
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	if s.bodies == nil {
		s.bodies = map[string][]string{}
	}
	s.bodies[action] = append(s.bodies[action], string(body))
	answers := s.answers[action]
	answer := `{"Code":100000007,"Message":"not in the script"}`
	if len(answers) > 0 {
		answer = answers[0]
	}
	if len(answers) > 1 {
		s.answers[action] = answers[1:]
	}
	s.mu.Unlock()
	switch answer {
	case "":
		panic(http.ErrAbortHandler)
	case "hang":
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, answer)
}

// calls returns how many requests have come for action.
func (s *script) calls(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies[action])
}

// refused returns an answer that refuses a call.
func refused(code zego.Code) string {
	return fmt.Sprintf(`{"Code":%d,"Message":"no","RequestId":"r"}`, int(code))
}

// succeeded returns a successful answer with data, or without any if data is empty.
func succeeded(data string) string {
	if data == "" {
		return `{"Code":0,"Message":"success","RequestId":"r"}`
	}
	return `{"Code":0,"Message":"success","RequestId":"r","Data":` + data + `}`
}

// running returns a list of running tasks. One is in the room "room" and has the StreamId
// "mine".
func running(created time.Time) string {
	return succeeded(fmt.Sprintf(`{"TaskList":[{"TaskId":"other","RoomId":"room","StreamId":"else","Status":3,"CreateTime":1},`+
		`{"TaskId":"t","RoomId":"room","StreamId":"mine","Status":1,"CreateTime":%d}]}`, created.Unix()))
}

// TestCreateOnce loses the answer to a create in different ways. The client does not create
// a second task but looks for the first one in the list.
func TestCreateOnce(t *testing.T) {
	t.Parallel()
	const create, query = "CreateDigitalHumanStreamTask", "QueryDigitalHumanStreamTasks"
	// The clocks of the client and of ZEGO stand still, so that a busy machine changes nothing.
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	listed, none := running(now), succeeded(`{"TaskList":null}`)
	for _, tt := range []struct {
		name            string
		creates, lists  []string
		want            zego.CreatedStreamTask
		lost            bool
		code            zego.Code
		created, looked int
	}{
		{"answered", []string{succeeded(`{"TaskId":"t"}`)}, nil, zego.CreatedStreamTask{TaskID: "t", RequestID: "r"}, false, 0, 1, 0},
		{"lost, and listed", []string{""}, []string{listed}, zego.CreatedStreamTask{TaskID: "t", RequestID: "r", Found: true}, false, 0, 1, 1},
		{"garbage, and listed", []string{"<html>"}, []string{listed}, zego.CreatedStreamTask{TaskID: "t", RequestID: "r", Found: true}, false, 0, 1, 1},
		{"no TaskId, and listed", []string{succeeded(`{}`)}, []string{listed}, zego.CreatedStreamTask{TaskID: "t", RequestID: "r", Found: true}, false, 0, 1, 1},
		{"lost, and listed late", []string{""}, []string{none, none, listed}, zego.CreatedStreamTask{TaskID: "t", RequestID: "r", Found: true}, false, 0, 1, 3},
		{"lost, and the list fails once", []string{""}, []string{refused(zego.CodeNoPermission), listed}, zego.CreatedStreamTask{TaskID: "t", RequestID: "r", Found: true}, false, 0, 1, 2},
		{"lost, and not listed", []string{""}, []string{none}, zego.CreatedStreamTask{}, true, 0, 1, 3},
		{"lost, and an old task listed", []string{""}, []string{running(now.Add(-time.Hour))}, zego.CreatedStreamTask{}, true, 0, 1, 3},
		{"busy, then answered", []string{refused(zego.CodeSystemBusy), succeeded(`{"TaskId":"t"}`)}, nil, zego.CreatedStreamTask{TaskID: "t", RequestID: "r"}, false, 0, 2, 0},
		{"refused", []string{refused(zego.CodeConcurrencyExceeded)}, nil, zego.CreatedStreamTask{}, false, zego.CodeConcurrencyExceeded, 1, 0},
		{"system error, and listed", []string{refused(zego.CodeSystemError)}, []string{listed}, zego.CreatedStreamTask{TaskID: "t", RequestID: "r", Found: true}, false, 0, 1, 1},
		{"system error, and not listed", []string{refused(zego.CodeSystemError)}, []string{none}, zego.CreatedStreamTask{}, true, zego.CodeSystemError, 1, 3},
		{"busy, but created", []string{refused(zego.CodeSystemBusy), refused(zego.CodeStreamIDExists)}, []string{listed}, zego.CreatedStreamTask{TaskID: "t", RequestID: "r", Found: true}, false, 0, 2, 1},
		{"busy, then refused, and not listed", []string{refused(zego.CodeSystemBusy), refused(zego.CodeConcurrencyExceeded)}, []string{none}, zego.CreatedStreamTask{}, true, zego.CodeConcurrencyExceeded, 2, 3},
		{"busy, but created, and the list has no times", []string{refused(zego.CodeSystemBusy), refused(zego.CodeStreamIDExists)}, []string{running(time.Unix(0, 0))}, zego.CreatedStreamTask{}, true, zego.CodeStreamIDExists, 2, 3},
		{"StreamId of another", []string{refused(zego.CodeStreamIDExists)}, []string{running(now.Add(-10 * time.Second))}, zego.CreatedStreamTask{}, false, zego.CodeStreamIDExists, 1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			upstream := &script{answers: map[string][]string{create: tt.creates, query: tt.lists}}
			client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", now.Format(http.TimeFormat))
				upstream.ServeHTTP(w, r)
			}), zego.Options{Now: func() time.Time { return now }})
			got, err := client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{RTCConfig: zego.RTCConfig{RoomID: "room", StreamID: "mine"}})
			lost := new(zego.LostAnswerError)
			if errors.As(err, &lost) != tt.lost || tt.code != 0 && !errors.Is(err, tt.code) || !tt.lost && tt.code == 0 && err != nil {
				t.Errorf("got %v", err)
			}
			if got.TaskID != "" && !got.At.Equal(now) {
				t.Errorf("created at %v, want %v", got.At, now)
			}
			if got.At = (time.Time{}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if upstream.calls(create) != tt.created || upstream.calls(query) != tt.looked {
				t.Errorf("%d creates and %d looks, want %d and %d", upstream.calls(create), upstream.calls(query), tt.created, tt.looked)
			}
		})
	}
}

// TestNeverTwice checks that a drive whose answer is lost is not repeated, and that one
// which was certainly not carried out is.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	drives := map[string]func(context.Context, *zego.Client) error{
		"DriveByText": func(ctx context.Context, c *zego.Client) error {
			_, err := c.DriveByText(ctx, zego.DriveByTextRequest{TaskID: taskID, Text: "x"})
			return err
		},
		"DriveByAudio": func(ctx context.Context, c *zego.Client) error {
			_, err := c.DriveByAudio(ctx, zego.DriveByAudioRequest{TaskID: taskID})
			return err
		},
		"DriveByRTCStream": func(ctx context.Context, c *zego.Client) error {
			_, err := c.DriveByRTCStream(ctx, taskID, zego.RTCConfig{})
			return err
		},
		"DriveByWsStream": func(ctx context.Context, c *zego.Client) error {
			_, err := c.DriveByWSStream(ctx, taskID)
			return err
		},
		"DoAction": func(ctx context.Context, c *zego.Client) error {
			_, err := c.DoAction(ctx, taskID, "wave_hand")
			return err
		},
	}
	for action, drive := range drives {
		for name, answer := range map[string]string{"dropped": "", "garbage": "<html>"} {
			upstream := &script{answers: map[string][]string{action: {answer}}}
			err := drive(t.Context(), newClient(t, upstream, zego.Options{}))
			if lost := new(zego.LostAnswerError); !errors.As(err, &lost) || lost.Action != action || upstream.calls(action) != 1 {
				t.Errorf("%s %s: got %v after %d calls", action, name, err, upstream.calls(action))
			}
			if err != nil && strings.Contains(err.Error(), "Signature=") {
				t.Errorf("a signature in %v", err)
			}
		}
		if action == "DoAction" {
			continue
		}
		// ZEGO says that it has not carried it out, so it is repeated.
		upstream := &script{answers: map[string][]string{action: {refused(zego.CodeSystemBusy), succeeded(`{"DriveId":"d","WssAddress":"wss://x/?Token=y"}`)}}}
		if err := drive(t.Context(), newClient(t, upstream, zego.Options{})); err != nil || upstream.calls(action) != 2 {
			t.Errorf("%s when busy: got %v after %d calls", action, err, upstream.calls(action))
		}
	}
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	client, err := zego.New(zegosim.DefaultAppID, secret, zego.Options{Endpoint: dead.URL, QPS: -1, RetryInterval: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, info := traced(t)
	_, err = client.DriveByText(ctx, zego.DriveByTextRequest{TaskID: taskID, Text: "x"})
	if lost := new(zego.LostAnswerError); err == nil || errors.As(err, &lost) || info.Attempts < 2 {
		t.Errorf("without a connection: got %v after %d attempts", err, info.Attempts)
	}
}

func TestDriveWaitsForTheStream(t *testing.T) {
	t.Parallel()
	const drive, status = "DriveByText", "GetDigitalHumanStreamTaskStatus"
	starting, streaming := succeeded(`{"Status":1}`), succeeded(`{"Status":3}`)
	for _, tt := range []struct {
		name             string
		drives, statuses []string
		code             zego.Code
		driven           int
	}{
		{"streaming", []string{succeeded(`{"DriveId":"d"}`)}, nil, 0, 1},
		{"starting", []string{refused(zego.CodeStreamNotStarted), succeeded(`{"DriveId":"d"}`)}, []string{starting, starting, streaming}, 0, 2},
		{"said to stream before it can be driven", []string{refused(zego.CodeStreamNotStarted), refused(zego.CodeStreamNotStarted), succeeded(`{"DriveId":"d"}`)}, []string{streaming}, 0, 3},
		{"fails to start", []string{refused(zego.CodeStreamNotStarted)}, []string{starting, succeeded(`{"Status":2,"FailReason":"x"}`)}, zego.CodeStreamNotStarted, 1},
		{"ends", []string{refused(zego.CodeStreamNotStarted)}, []string{refused(zego.CodeTaskNotFound)}, zego.CodeStreamNotStarted, 1},
		{"over", []string{refused(zego.CodeStreamStopped)}, nil, zego.CodeStreamStopped, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			upstream := &script{answers: map[string][]string{drive: tt.drives, status: tt.statuses}}
			_, err := newClient(t, upstream, zego.Options{}).DriveByText(t.Context(), zego.DriveByTextRequest{TaskID: taskID, Text: "x"})
			if tt.code == 0 && err != nil || tt.code != 0 && !errors.Is(err, tt.code) {
				t.Errorf("got %v, want %v", err, tt.code)
			}
			if got := upstream.calls(drive); got != tt.driven {
				t.Errorf("%d drives, want %d", got, tt.driven)
			}
		})
	}
}

// TestDriveWaitIsBounded drives a stream that never starts, in virtual time.
func TestDriveWaitIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		upstream := &script{answers: map[string][]string{
			"DriveByText": {refused(zego.CodeStreamNotStarted)}, "GetDigitalHumanStreamTaskStatus": {succeeded(`{"Status":1}`)},
		}}
		client, err := zego.New(zegosim.DefaultAppID, secret, zego.Options{HTTPClient: &http.Client{Transport: inProcess{upstream}}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = client.DriveByText(t.Context(), zego.DriveByTextRequest{TaskID: taskID, Text: "x"})
		if took := time.Since(start); !errors.Is(err, zego.CodeStreamNotStarted) || took != 20*time.Second {
			t.Errorf("got %v after %v", err, took)
		}
		if calls := upstream.calls("GetDigitalHumanStreamTaskStatus"); calls < 15 || calls > 40 {
			t.Errorf("asked %d times in 20 s, want about once a second", calls)
		}
	})
}

// inProcess is an http.RoundTripper without a network, for tests in virtual time.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestStopTwice(t *testing.T) {
	t.Parallel()
	upstream := &script{answers: map[string][]string{"StopDigitalHumanStreamTask": {succeeded(""), succeeded(`"odd"`), "", refused(zego.CodeStreamStopped), refused(zego.CodeTaskNotFound)}}}
	client := newClient(t, upstream, zego.Options{})
	for _, want := range []zego.Stopped{{RequestID: "r"}, {RequestID: "r"}, {RequestID: "r", AlreadyStopped: true}} { // For the last one, an answer is lost before.
		if got, err := client.StopStreamTask(t.Context(), taskID); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := client.StopStreamTask(t.Context(), taskID); !errors.Is(err, zego.CodeTaskNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestWaitStreamTask(t *testing.T) {
	t.Parallel()
	upstream := &script{answers: map[string][]string{"GetDigitalHumanStreamTaskStatus": {
		succeeded(`{"Status":1}`), succeeded(`{"Status":1}`), succeeded(`{"Status":2,"FailReason":"no model"}`),
	}}}
	var seen []zego.TaskStatus
	task, err := newClient(t, upstream, zego.Options{}).WaitStreamTask(t.Context(), taskID, func(task zego.StreamTask) { seen = append(seen, task.Status) })
	if err != nil || task.Status != zego.TaskInitFailed || task.FailReason != "no model" || task.ID != taskID {
		t.Errorf("got %+v, %v", task, err)
	}
	if diff := cmp.Diff([]zego.TaskStatus{1, 1, 2}, seen); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	upstream.answers["GetDigitalHumanStreamTaskStatus"] = []string{succeeded(`{"Status":1}`)}
	_, err = newClient(t, upstream, zego.Options{}).WaitStreamTask(ctx, taskID, func(zego.StreamTask) { cancel(reason) })
	if !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

// TestEveryField sends the optional fields. ZEGO's examples leave most of them out, so what
// is expected is from the tables of its documentation.
func TestEveryField(t *testing.T) {
	t.Parallel()
	upstream := &script{}
	client := newClient(t, upstream, zego.Options{})
	ctx := t.Context()
	_, _ = client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: "h", BackgroundColor: "#ffffff"},
		RTCConfig:          zego.RTCConfig{RoomID: "r", StreamID: "s"}, TTL: new(600), MaxIdleTime: new(120),
		ExtraConfig: zego.ExtraConfig{OutputMode: zego.FaceAreaOutput},
	})
	_, _ = client.DriveByText(ctx, zego.DriveByTextRequest{TaskID: "t", Text: "<你好 & 👋>", TTSConfig: zego.TTSConfig{TimbreID: "v"}})
	_, _ = client.DriveByAudio(ctx, zego.DriveByAudioRequest{TaskID: "t", AudioURL: "u", InterruptMode: new(zego.Queue), VoiceChannel: new(zego.RightChannel)})
	_, _ = client.ListTimbres(ctx, zego.ListTimbresRequest{})
	_, _ = client.GetDriveStatus(ctx, "t", "")
	for action, want := range map[string]string{
		"CreateDigitalHumanStreamTask": `{"DigitalHumanConfig":{"DigitalHumanId":"h","BackgroundColor":"#ffffff"},"RTCConfig":{"RoomId":"r","StreamId":"s"},"TTL":600,"MaxIdleTime":120,"ExtraConfig":{"OutputMode":2}}`,
		"DriveByText":                  `{"TaskId":"t","Text":"\u003c你好 \u0026 👋\u003e","TTSConfig":{"TimbreId":"v"}}`,
		"DriveByAudio":                 `{"TaskId":"t","AudioUrl":"u","InterruptMode":0,"VoiceChannel":2}`,
		"GetTimbreList":                `{}`,
		"GetDriveStatus":               `{"TaskId":"t"}`,
	} {
		if diff := cmp.Diff([]string{want}, upstream.bodies[action]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
}

func TestBadStreamAnswers(t *testing.T) {
	t.Parallel()
	calls := map[string]func(context.Context, *zego.Client) error{
		"GetTimbreList": func(ctx context.Context, c *zego.Client) error {
			_, err := c.ListTimbres(ctx, zego.ListTimbresRequest{})
			return err
		},
		"GetDigitalHumanStreamTaskStatus": func(ctx context.Context, c *zego.Client) error { _, err := c.GetStreamTask(ctx, taskID); return err },
		"QueryDigitalHumanStreamTasks":    func(ctx context.Context, c *zego.Client) error { _, err := c.ListStreamTasks(ctx); return err },
		"GetDriveStatus":                  func(ctx context.Context, c *zego.Client) error { _, err := c.GetDriveStatus(ctx, "t", ""); return err },
		"DriveByWsStream":                 func(ctx context.Context, c *zego.Client) error { _, err := c.DriveByWSStream(ctx, taskID); return err },
	}
	for _, tt := range []struct{ action, data, want string }{
		{"GetTimbreList", `{"Timbres":[]}`, "field Total is missing"},
		{"GetTimbreList", `{"Total":-1,"Timbres":[]}`, "field Total is -1"},
		{"GetTimbreList", `{"Total":1}`, "field Timbres is missing"},
		{"GetTimbreList", `{"Total":1,"Timbres":[{"Name":"x"}]}`, "field TimbreId is missing"},
		{"GetDigitalHumanStreamTaskStatus", `{"RoomId":"x"}`, "field Status is missing"},
		{"GetDigitalHumanStreamTaskStatus", `{"Status":"3"}`, "cannot unmarshal"},
		{"QueryDigitalHumanStreamTasks", `{"TaskList":[{"Status":3}]}`, "field TaskId is missing"},
		{"QueryDigitalHumanStreamTasks", `{"TaskList":[{"TaskId":"x"}]}`, "field Status is missing"},
		{"QueryDigitalHumanStreamTasks", `{"TaskList":{}}`, "cannot unmarshal"},
		{"GetDriveStatus", `{"DriveList":[{"Status":1}]}`, "field DriveId is missing"},
		{"DriveByWsStream", `{"DriveId":"d"}`, "field WssAddress is missing"},
		{"DriveByWsStream", `{"WssAddress":"wss://x/?Token=hunter2"}`, "field DriveId is missing"},
	} {
		upstream := &script{answers: map[string][]string{tt.action: {succeeded(tt.data)}}}
		err := calls[tt.action](t.Context(), newClient(t, upstream, zego.Options{}))
		if bad := new(zego.ResponseError); !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s %s: got %v, want %q", tt.action, tt.data, err, tt.want)
		}
	}
	for _, data := range []string{`{"Total":0}`, `{"Total":0,"Timbres":null}`} {
		upstream := &script{answers: map[string][]string{"GetTimbreList": {succeeded(data)}}}
		if page, err := newClient(t, upstream, zego.Options{}).ListTimbres(t.Context(), zego.ListTimbresRequest{}); err != nil || page.Timbres == nil {
			t.Errorf("%s: got %+v, %v", data, page, err)
		}
	}
	for _, data := range []string{`{}`, `{"TaskList":null}`, `{"TaskList":[]}`} {
		upstream := &script{answers: map[string][]string{"QueryDigitalHumanStreamTasks": {succeeded(data)}}}
		list, err := newClient(t, upstream, zego.Options{}).ListStreamTasks(t.Context())
		if err != nil || list.Tasks == nil || len(list.Tasks) != 0 {
			t.Errorf("%s: got %+v, %v", data, list, err)
		}
	}
}

func TestNamesOfStatuses(t *testing.T) {
	t.Parallel()
	got := fmt.Sprint(zego.TaskInitializing, zego.TaskInitFailed, zego.TaskStreaming, zego.TaskStopping, zego.TaskStopped, zego.TaskStatus(9),
		zego.DriveQueued, zego.Driving, zego.DriveFailed, zego.DriveEnded, zego.DriveInterrupted, zego.DriveStatus(9))
	want := "initializing initialization failed streaming stopping stopped status 9 queued driving failed ended interrupted status 9"
	if got != want {
		t.Errorf("got %q", got)
	}
}

// voice is the server that a speech is sent to.
type voice struct {
	texts  chan string               // Control messages.
	audio  chan []byte               // All audio, sent when the connection has ended.
	closed chan websocket.StatusCode // With which status the client has closed the connection; sent before audio.
	// do replaces what the server does, which is to fill the channels.
	do func(context.Context, *websocket.Conn)
}

// speakTo returns a client whose speeches go to v, and the script that answers its calls.
func speakTo(t *testing.T, v *voice) (*zego.Client, *script) {
	t.Helper()
	v.texts, v.audio, v.closed = make(chan string, 10), make(chan []byte, 1), make(chan websocket.StatusCode, 1)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("Token") != "hunter2" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		if v.do != nil {
			v.do(r.Context(), conn)
			return
		}
		var audio []byte
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				v.closed <- websocket.CloseStatus(err)
				break
			}
			if kind == websocket.MessageText {
				v.texts <- string(message)
			} else {
				audio = append(audio, message...)
			}
		}
		v.audio <- audio
	}))
	t.Cleanup(srv.Close)
	address := "wss" + strings.TrimPrefix(srv.URL, "https") + "/ws?Token=hunter2"
	upstream := &script{answers: map[string][]string{"DriveByWsStream": {succeeded(`{"DriveId":"xxx","WssAddress":"` + address + `"}`)}}}
	return newClient(t, upstream, zego.Options{}), upstream
}

func TestSpeak(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/wire/WebSocket.json")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &documented); err != nil {
		t.Fatal(err)
	}
	pcm := bytes.Repeat([]byte{1, 2, 3, 4}, 5001) // Not a whole number of messages.
	for start, audio := range map[string]zego.PCM{
		"Start":            {SampleRate: 24000, Channels: 1},
		"StartTwoChannels": {SampleRate: 24000, Channels: 2, VoiceChannel: zego.LeftChannel},
	} {
		v := &voice{}
		client, _ := speakTo(t, v)
		audio.Reader = iotest.HalfReader(bytes.NewReader(pcm))
		var told time.Duration
		audio.Progress = func(sent time.Duration) { told = sent }
		spoken, err := client.Speak(t.Context(), taskID, audio)
		want := time.Duration(len(pcm)) * time.Second / time.Duration(48000*audio.Channels)
		if err != nil || spoken.ID != "xxx" || spoken.Length != want || told != want {
			t.Fatalf("got %+v, %v, told %v, want %v", spoken, err, told, want)
		}
		for _, name := range []string{start, "Stop"} {
			var compact bytes.Buffer
			_ = json.Compact(&compact, documented[name])
			got := <-v.texts
			if got != compact.String() {
				t.Errorf("got %s, documented %s", got, compact.String())
			}
		}
		if got := <-v.audio; !bytes.Equal(got, pcm) {
			t.Errorf("%d bytes came, not the %d that were sent", len(got), len(pcm))
		}
		if status := <-v.closed; status != websocket.StatusNormalClosure {
			t.Errorf("the connection was closed with %v", status)
		}
	}
}

// TestSpeakingPace checks that audio is sent about half a second ahead, and not more.
func TestSpeakingPace(t *testing.T) {
	t.Parallel()
	client, _ := speakTo(t, &voice{})
	start := time.Now()
	var first time.Time // When the first message was sent.
	ahead, aheadOfFirst, behind := time.Duration(0), time.Duration(0), 0
	spoken, err := client.Speak(t.Context(), taskID, zego.PCM{
		Reader: bytes.NewReader(make([]byte, 32000)),
		Progress: func(sent time.Duration) {
			now := sent - time.Since(start)
			ahead = max(ahead, now)
			if first.IsZero() {
				first = time.Now()
			}
			aheadOfFirst = max(aheadOfFirst, sent-time.Since(first))
			if now < 0 {
				behind++
			}
		},
	})
	if took := time.Since(start); err != nil || spoken.Length != time.Second || took < 350*time.Millisecond || took > 4*time.Second || ahead > 650*time.Millisecond || aheadOfFirst < 300*time.Millisecond {
		t.Errorf("%v of audio in %v, %v to %v ahead at most, %v", spoken.Length, took, ahead, aheadOfFirst, err)
	}
	if behind > 3 { // A busy machine may be late now and then.
		t.Errorf("the audio came too late %d times of 10", behind)
	}
}

// TestSpeechIsCancelled cancels speeches: one that is ahead and pauses, and one whose audio has
// just begun. The server still gets a Stop message.
func TestSpeechIsCancelled(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{100 * time.Millisecond, time.Second} {
		v := &voice{}
		client, _ := speakTo(t, v)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := client.Speak(ctx, taskID, zego.PCM{
			Reader: bytes.NewReader(make([]byte, 10<<20)), Progress: func(sent time.Duration) {
				if sent >= after {
					cancel()
				}
			},
		})
		if broken := new(zego.SpeechError); !errors.As(err, &broken) || !errors.Is(err, context.Canceled) || broken.Sent != after {
			t.Errorf("cancelled after %v: got %v", after, err)
		}
		if got := <-v.audio; len(got) != int(after/time.Millisecond)*32 {
			t.Errorf("cancelled after %v: %d bytes came", after, len(got))
		}
		close(v.texts)
		var texts []string
		for text := range v.texts {
			texts = append(texts, text)
		}
		if len(texts) != 2 || !strings.Contains(texts[0], `"Start"`) || !strings.Contains(texts[1], `"Stop"`) {
			t.Errorf("cancelled after %v: got %s, want Start and Stop", after, texts)
		}
	}
}

func TestSpeechBreaks(t *testing.T) {
	t.Parallel()
	long := bytes.NewReader(make([]byte, 10<<20)) // Minutes of audio, so the speech breaks off before its end.
	ctx, cancel := context.WithCancel(t.Context())
	reason := errors.New("read error")
	for _, tt := range []struct {
		name  string
		do    func(context.Context, *websocket.Conn)
		audio zego.PCM
		want  string
	}{
		{"dropped in mid-speech", func(ctx context.Context, c *websocket.Conn) {
			for range 3 {
				_, _, _ = c.Read(ctx)
			}
			_ = c.CloseNow()
		}, zego.PCM{Reader: long}, "the audio connection broke"},
		{"closed in mid-speech", func(ctx context.Context, c *websocket.Conn) {
			_, _, _ = c.Read(ctx)
			_ = c.Close(websocket.StatusPolicyViolation, "Token=hunter2 is over")
		}, zego.PCM{Reader: long}, "the server closed the audio connection (StatusPolicyViolation)"},
		{"the audio breaks", nil, zego.PCM{Reader: io.MultiReader(bytes.NewReader(make([]byte, 4000)), iotest.ErrReader(reason))}, "read audio: read error"},
		{"cancelled", func(ctx context.Context, c *websocket.Conn) {
			_, _, _ = c.Read(ctx)
			cancel()
			<-ctx.Done()
		}, zego.PCM{Reader: long}, "context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &voice{do: tt.do}
			client, _ := speakTo(t, v)
			_, err := client.Speak(ctx, taskID, tt.audio)
			if broken := new(zego.SpeechError); !errors.As(err, &broken) || broken.DriveID != "xxx" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the token in %v", err)
			}
		})
	}
}

// TestSpeechUnderFlood gets many large messages from the server during a speech. They do
// not hold it up.
func TestSpeechUnderFlood(t *testing.T) {
	t.Parallel()
	got := make(chan int, 1)
	v := &voice{do: func(ctx context.Context, c *websocket.Conn) {
		flooding, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			for flooding.Err() == nil {
				_ = c.Write(flooding, websocket.MessageText, make([]byte, 1<<20))
			}
		}()
		total := 0
		for {
			kind, message, err := c.Read(ctx)
			if err != nil {
				got <- total
				return
			}
			if kind == websocket.MessageBinary {
				total += len(message)
			} else if strings.Contains(string(message), `"Stop"`) {
				got <- total
				return
			}
		}
	}}
	client, _ := speakTo(t, v)
	_, err := client.Speak(t.Context(), taskID, zego.PCM{Reader: bytes.NewReader(make([]byte, 32000))}) // A second, of which half is sent at once.
	if n := <-got; err != nil || n != 32000 {
		t.Errorf("got %v, %d bytes came", err, n)
	}
}

func TestSpeakRefuses(t *testing.T) {
	t.Parallel()
	sound := func() io.Reader { return bytes.NewReader(make([]byte, 100)) }
	for _, tt := range []struct {
		name    string
		audio   zego.PCM
		address string
		want    string
		asked   int // How often ZEGO is called.
	}{
		{"no reader", zego.PCM{}, "", "the audio is empty", 0},
		{"no audio", zego.PCM{Reader: strings.NewReader("")}, "", "the audio is empty", 0},
		{"unreadable", zego.PCM{Reader: iotest.ErrReader(errors.New("no disk"))}, "", "no disk", 0},
		{"sample rate", zego.PCM{Reader: sound(), SampleRate: 44100}, "", "must be 16000 or 24000 Hz, got 44100", 0},
		{"channels", zego.PCM{Reader: sound(), Channels: 6}, "", "1 or 2 channels, got 6", 0},
		{"voice channel", zego.PCM{Reader: sound(), VoiceChannel: 3}, "", "0 to 2, got 3", 0},
		{"negative channels", zego.PCM{Reader: sound(), Channels: -1}, "", "1 or 2 channels, got -1", 0},
		{"negative voice channel", zego.PCM{Reader: sound(), VoiceChannel: -1}, "", "0 to 2, got -1", 0},
		{"plain address", zego.PCM{Reader: sound()}, "ws://example.com/?Token=hunter2", "no wss URL", 1},
		{"address of another kind", zego.PCM{Reader: sound()}, "http://127.0.0.1:1/ws?Token=hunter2", "no wss URL", 1},
		{"plain address of this machine", zego.PCM{Reader: sound()}, "ws://127.0.0.1:1/ws?Token=hunter2", "cannot connect", 1},
		{"no address", zego.PCM{Reader: sound()}, "%zz?Token=hunter2", "no wss URL", 1},
		{"no server", zego.PCM{Reader: sound()}, "wss://127.0.0.1:1/ws?Token=hunter2", "cannot connect", 1},
		{"refused", zego.PCM{Reader: sound()}, "wrong token", "refused: HTTP 401", 1},
		{"refused, with the voice in the right channel", zego.PCM{Reader: sound(), Channels: 2, VoiceChannel: zego.RightChannel}, "wrong token", "refused: HTTP 401", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, upstream := speakTo(t, &voice{})
			right := upstream.answers["DriveByWsStream"][0]
			switch tt.address {
			case "":
			case "wrong token":
				upstream.answers["DriveByWsStream"][0] = strings.ReplaceAll(right, "hunter2", "hunter23")
			default:
				upstream.answers["DriveByWsStream"][0] = succeeded(`{"DriveId":"d","WssAddress":"` + tt.address + `"}`)
			}
			_, err := client.Speak(t.Context(), taskID, tt.audio)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if got := upstream.calls("DriveByWsStream"); got != tt.asked {
				t.Errorf("ZEGO was asked %d times, want %d", got, tt.asked)
			}
		})
	}
}

func TestAddressIsNotPrinted(t *testing.T) {
	t.Parallel()
	drive := zego.WSDrive{Address: "wss://x/?Token=hunter2"}
	text, err := json.Marshal(drive)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprint(drive), fmt.Sprintf("%+v", drive), fmt.Sprintf("%#v", drive), drive.Address.String(), string(text)} {
		if strings.Contains(printed, "hunter2") {
			t.Error(printed)
		}
	}
}

// wav returns a WAV file. declared is the size of the audio according to its header; extra
// names blocks to put before the format.
func wav(format []byte, audio []byte, declared uint32, extra ...string) []byte {
	var b bytes.Buffer
	block := func(name string, size uint32, body []byte) {
		b.WriteString(name)
		_ = binary.Write(&b, binary.LittleEndian, size)
		b.Write(body)
	}
	block("RIFF", declared+36, []byte("WAVE"))
	for _, name := range extra {
		block(name, 3, []byte("odd\x00"))
	}
	block("fmt ", uint32(len(format)), format)
	block("data", declared, audio)
	return b.Bytes()
}

// pcmFormat returns the format block of a WAV file.
func pcmFormat(kind, channels uint16, rate uint32, bits uint16) []byte {
	var b bytes.Buffer
	for _, v := range []any{kind, channels, rate, rate * uint32(channels) * uint32(bits) / 8, channels * bits / 8, bits} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	return b.Bytes()
}

func TestReadWAV(t *testing.T) {
	t.Parallel()
	second := make([]byte, 48000)
	good := pcmFormat(1, 1, 24000, 16)
	extensible := append(pcmFormat(0xfffe, 2, 16000, 16), []byte("\x16\x00\x10\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71")...)
	for _, tt := range []struct {
		name   string
		file   []byte
		length time.Duration // If the file can be read.
		bytes  int           // Likewise.
		want   string        // Part of the error, if it cannot be read.
	}{
		{"mono", wav(good, second, 48000), time.Second, 48000, ""},
		{"two channels, extensible", wav(extensible, make([]byte, 64000), 64000), time.Second, 64000, ""},
		{"other blocks before", wav(good, second, 48000, "LIST", "junk"), time.Second, 48000, ""},
		{"something after the audio", append(wav(good, second, 48000), "LIST"...), time.Second, 48000, ""},
		{"of unknown length", wav(good, second, 0xffffffff), 0, 48000, ""},
		{"of length 0", wav(good, second, 0), 0, 48000, ""},
		{"almost of unknown length", wav(good, second, 0xffffff00), 0, 48000, ""},
		{"very long", wav(good, second, 0xfffffefe), 0xfffffefe / 2 * time.Second / 24000, 48000, ""},
		{"the largest format", wav(append(pcmFormat(1, 1, 24000, 16), make([]byte, 1008)...), second, 48000), time.Second, 48000, ""},
		{"an odd format", wav(append(pcmFormat(1, 1, 24000, 16), 0), second, 48000), 0, 0, "has no audio"}, // The byte that fills it up is missing.
		{"as many blocks as are read", wav(good, second, 48000, slices.Repeat([]string{"LIST"}, 998)...), time.Second, 48000, ""},
		{"too many blocks", wav(good, second, 48000, slices.Repeat([]string{"LIST"}, 999)...), 0, 0, "no audio in it"},
		{"half a sample of two channels", wav(pcmFormat(1, 2, 24000, 16), second[:10], 10), 2 * time.Second / 24000, 8, ""},
		{"half a sample", wav(good, second[:3], 3), 2 * time.Second / 48000, 2, ""},
		{"empty file", nil, 0, 0, "it is too short"},
		{"MP3", []byte("ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0, 0, "does not begin with RIFF"},
		{"only a beginning", wav(good, second, 48000)[:15], 0, 0, "has no audio"},
		{"cut in the format", wav(good, second, 48000)[:25], 0, 0, "breaks off in its header"},
		{"format too small", wav(good[:14], second, 48000), 0, 0, "format block has 14 bytes"},
		{"format hardly too large", wav(append(pcmFormat(1, 1, 24000, 16), make([]byte, 1009)...), second, 48000), 0, 0, "format block has 1025 bytes"},
		{"format too large", wav(make([]byte, 5000), second, 48000), 0, 0, "format block has 5000 bytes"},
		{"compressed", wav(pcmFormat(85, 1, 24000, 16), second, 48000), 0, 0, "(format 85)"},
		{"floats", wav(pcmFormat(3, 1, 24000, 32), second, 48000), 0, 0, "(format 3)"},
		{"8 bits", wav(pcmFormat(1, 1, 24000, 8), second, 48000), 0, 0, "8 bits; ZEGO takes 16; convert it: ffmpeg -i IN"},
		{"44100 Hz", wav(pcmFormat(1, 2, 44100, 16), second, 48000), 0, 0, "44100 Hz; ZEGO takes 16000 or 24000"},
		{"six channels", wav(pcmFormat(1, 6, 24000, 16), second, 48000), 0, 0, "6 channels"},
		{"no channels", wav(pcmFormat(1, 0, 24000, 16), second, 48000), 0, 0, "0 channels"},
	} {
		pcm, err := zego.ReadWAV(bytes.NewReader(tt.file))
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		audio, err := io.ReadAll(pcm)
		if err != nil || len(audio) != tt.bytes || pcm.Length != tt.length {
			t.Errorf("%s: got %d bytes and %v, %v", tt.name, len(audio), pcm.Length, err)
		}
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(wav(pcmFormat(1, 1, 24000, 16), make([]byte, 100), 100, "LIST"))
	f.Add(wav(pcmFormat(0xfffe, 2, 16000, 16), nil, 0xffffffff))
	f.Fuzz(func(t *testing.T, file []byte) {
		pcm, err := zego.ReadWAV(bytes.NewReader(file))
		if err != nil {
			return
		}
		if n, err := io.Copy(io.Discard, pcm); err != nil || n > int64(len(file)) || pcm.Length < 0 || pcm.SampleRate == 0 || pcm.Channels == 0 {
			t.Errorf("got %+v and %d bytes of %d, %v", pcm, n, len(file), err)
		}
	})
}

// FuzzStreamAnswers gives any answer to the streaming actions. They return an error or a
// complete value.
func FuzzStreamAnswers(f *testing.F) {
	for _, data := range []string{
		`{"Total":1,"Timbres":[{"TimbreId":"x"}]}`, `{"TaskId":"t"}`, `{"TaskList":[{"TaskId":"t","Status":3,"CreateTime":1}]}`, `{"TaskList":null}`,
		`{"Status":9,"CreateTime":-1}`, `{"DriveId":"d","WssAddress":"wss://x/?Token=y"}`, `{"DriveList":[{"DriveId":"d"}]}`, `"odd"`, `null`,
	} {
		f.Add([]byte(succeeded(data)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		client, err := zego.New(1, secret, zego.Options{
			Endpoint: "http://127.0.0.1:1", RetryInterval: time.Nanosecond, QPS: -1,
			HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		timbres, err := client.ListTimbres(ctx, zego.ListTimbresRequest{})
		if err == nil && (timbres.Total < 0 || timbres.Timbres == nil) {
			t.Errorf("%q: got %+v", body, timbres)
		}
		if created, err := client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{}); err == nil && created.TaskID == "" {
			t.Errorf("%q: got %+v", body, created)
		}
		list, err := client.ListStreamTasks(ctx)
		if err == nil && list.Tasks == nil {
			t.Errorf("%q: got %+v", body, list)
		}
		if task, err := client.GetStreamTask(ctx, "t"); err == nil && (task.Status == 0 || task.ID != "t") {
			t.Errorf("%q: got %+v", body, task)
		}
		if drive, err := client.DriveByWSStream(ctx, "t"); err == nil && (drive.ID == "" || drive.Address == "") {
			t.Errorf("%q: got %+v", body, drive)
		}
		if drives, err := client.GetDriveStatus(ctx, "t", ""); err == nil && drives == nil {
			t.Errorf("%q: got %+v", body, drives)
		}
		if stopped, err := client.StopStreamTask(ctx, "t"); err != nil && stopped.AlreadyStopped {
			t.Errorf("%q: got %+v, %v", body, stopped, err)
		}
	})
}
