package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

// maxTasks is how many streams the server of an eval may run at once: the default of
// zego-mcp's --max-tasks.
const maxTasks = streams.DefaultMaxTasks

// world is what one task is tried in: a simulator of ZEGO, a server as `zego-mcp serve
// --simulate` starts it, and an MCP client that is connected to it. Nothing of it uses the
// network.
type world struct {
	sim     *zegosim.Server
	checker *zego.Client // It calls the simulator for the checks. Its calls are not recorded.
	record  record       // Of the calls of the server.

	mcp          *client.Client
	tools        []mcp.Tool
	instructions string

	stop func()
}

// newWorld starts a world whose server offers the toolsets.
func newWorld(ctx context.Context, toolsets []tools.Toolset) (*world, error) {
	w := &world{sim: &zegosim.Server{}}
	checker, err := newZEGOClient(&http.Client{Transport: handlerTransport{w.sim}})
	if err != nil {
		return nil, err
	}
	zegoClient, err := newZEGOClient(&http.Client{Transport: recordingTransport{handlerTransport{w.sim}, &w.record}})
	if err != nil {
		return nil, err
	}
	w.checker = checker
	ledger := streams.New(zegoClient, streams.Options{MaxTasks: maxTasks})
	server := tools.NewServer(tools.Config{
		Project:   tools.OneProject(tools.Project{Client: zegoClient, Streams: ledger, Toolsets: toolsets}),
		Simulated: true, Local: true, Version: "evals",
	})
	// mcp-go's stdio server shares one session among all servers of a process, so the client
	// is connected without a transport.
	if w.mcp, err = client.NewInProcessClient(server); err != nil {
		return nil, err
	}
	w.stop = func() {
		_ = w.mcp.Close()
		ledger.Close(context.WithoutCancel(ctx))
		_ = w.sim.Close()
	}
	if err := w.connect(ctx); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

func newZEGOClient(httpClient *http.Client) (*zego.Client, error) {
	// The client allows http for loopback addresses only. No connection is made.
	return zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: "http://127.0.0.1", HTTPClient: httpClient})
}

// connect introduces the MCP client to the server and asks for what a model gets to see.
func (w *world) connect(ctx context.Context) error {
	if err := w.mcp.Start(ctx); err != nil {
		return err
	}
	var hello mcp.InitializeRequest
	hello.Params.ProtocolVersion = mcp.LATEST_PROTOCOL_VERSION
	hello.Params.ClientInfo = mcp.Implementation{Name: "evals", Version: "1"}
	welcome, err := w.mcp.Initialize(ctx, hello)
	if err != nil {
		return err
	}
	list, err := w.mcp.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return err
	}
	w.instructions, w.tools = welcome.Instructions, list.Tools
	return nil
}

// call calls a tool of the server and returns the text of its result. failed says that the tool
// has refused the call, or that the server has, for example because there is no such tool. Then
// text says why.
func (w *world) call(ctx context.Context, tool string, arguments json.RawMessage) (text string, failed bool, err error) {
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = tool, arguments
	result, err := w.mcp.CallTool(ctx, req)
	switch {
	case ctx.Err() != nil:
		return "", true, ctx.Err()
	case err != nil:
		return err.Error(), true, nil
	}
	var texts bytes.Buffer
	for _, content := range result.Content {
		if content, ok := content.(mcp.TextContent); ok {
			texts.WriteString(content.Text)
		}
	}
	return texts.String(), result.IsError, nil
}

// startForeign starts a stream as another program would, and returns its TaskId.
func (w *world) startForeign(ctx context.Context, room string) (taskID string, err error) {
	task, err := w.checker.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: zegosim.DefaultHumans()[0].ID},
		RTCConfig:          zego.RTCConfig{RoomID: room, StreamID: "other-" + room},
	})
	return task.TaskID, err
}

// speech is something that a stream was told to speak.
type speech struct {
	id       string // DriveId
	text     string // If it came from drive_by_text.
	audioURL string // If it came from drive_by_audio.
	timbreID string
	rate     int // ZEGO's SpeechRate.
	status   zego.DriveStatus
}

// stream is a stream that the server under test created, with what became of it.
type stream struct {
	taskID, humanID, room, background string

	ttl      int // Seconds.
	speeches []*speech
	gestures []string
	running  bool
}

// streams returns what has become of each stream that the server created. First it waits until
// nothing is being spoken any more in those that still run, for at most limit in all.
func (w *world) streams(ctx context.Context, limit time.Duration) ([]*stream, error) {
	deadline := time.Now().Add(limit)
	all := w.record.all()
	for _, s := range all {
		status, err := w.checker.GetStreamTask(ctx, s.taskID)
		s.running = err == nil && status.Status < zego.TaskStopping
		for {
			drives, err := w.checker.GetDriveStatus(ctx, s.taskID, "")
			if err != nil {
				return nil, fmt.Errorf("what the stream %s has spoken: %w", s.taskID, err)
			}
			speaking := false
			for _, drive := range drives {
				if i := slices.IndexFunc(s.speeches, func(known *speech) bool { return known.id == drive.ID }); i >= 0 {
					s.speeches[i].status = drive.Status
				}
				speaking = speaking || drive.Status <= zego.Driving
			}
			if !speaking || !s.running || time.Now().After(deadline) {
				break
			}
			if err := pause(ctx, time.Second); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// pause waits for d, or returns an error when ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// record keeps the calls of the server under test that the simulator has carried out.
type record struct {
	mu      sync.Mutex // guards what follows
	streams []*stream
}

// all returns copies of the streams, the oldest first.
func (r *record) all() []*stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*stream
	for _, s := range r.streams {
		copied := *s
		copied.speeches = nil
		for _, spoken := range s.speeches {
			copied.speeches = append(copied.speeches, new(*spoken))
		}
		all = append(all, &copied)
	}
	return all
}

// add records a request and its answer. It ignores a request that was refused.
func (r *record) add(action string, request, answer []byte) {
	var asked struct {
		DigitalHumanConfig struct {
			DigitalHumanID  string `json:"DigitalHumanId"`
			BackgroundColor string
		}
		RTCConfig struct {
			RoomID string `json:"RoomId"`
		}
		TTSConfig struct {
			TimbreID   string `json:"TimbreId"`
			SpeechRate int
		}
		TTL      int
		TaskID   string `json:"TaskId"`
		Text     string
		AudioURL string `json:"AudioUrl"`
		Action   string
	}
	var got struct {
		Code int
		Data struct {
			TaskID  string `json:"TaskId"`
			DriveID string `json:"DriveId"`
		}
	}
	if json.Unmarshal(request, &asked) != nil || json.Unmarshal(answer, &got) != nil || got.Code != 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if action == "CreateDigitalHumanStreamTask" {
		r.streams = append(r.streams, &stream{
			taskID: got.Data.TaskID, humanID: asked.DigitalHumanConfig.DigitalHumanID, room: asked.RTCConfig.RoomID,
			background: asked.DigitalHumanConfig.BackgroundColor, ttl: asked.TTL,
		})
		return
	}
	i := slices.IndexFunc(r.streams, func(s *stream) bool { return s.taskID == asked.TaskID })
	switch {
	case i < 0: // A stream of another program.
	case action == "DoAction":
		r.streams[i].gestures = append(r.streams[i].gestures, asked.Action)
	case got.Data.DriveID != "":
		r.streams[i].speeches = append(r.streams[i].speeches, &speech{
			id: got.Data.DriveID, text: asked.Text, audioURL: asked.AudioURL,
			timbreID: asked.TTSConfig.TimbreID, rate: asked.TTSConfig.SpeechRate,
		})
	}
}

// handlerTransport is an http.RoundTripper whose requests are answered by a handler of this
// process.
type handlerTransport struct{ handler http.Handler }

// RoundTrip answers req.
func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	answer := &bufferedAnswer{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(answer, req)
	return &http.Response{
		StatusCode: answer.status, Header: answer.header, Body: io.NopCloser(&answer.body), ContentLength: int64(answer.body.Len()), Request: req,
	}, nil
}

// bufferedAnswer is an http.ResponseWriter that keeps the answer.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *bufferedAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *bufferedAnswer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *bufferedAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

// recordingTransport is an http.RoundTripper that records requests and their answers.
type recordingTransport struct {
	http.RoundTripper
	record *record
}

// RoundTrip sends req on, and records it with its answer.
func (t recordingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	asked, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(asked))
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	answered, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answered))
	t.record.add(req.URL.Query().Get("Action"), asked, answered)
	return resp, nil
}
