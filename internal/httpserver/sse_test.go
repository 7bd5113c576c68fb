package httpserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/httpserver"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// newWaitingServer returns a server whose tool, prompt, resource and completion run work.
func newWaitingServer(work func(ctx context.Context)) *server.MCPServer {
	s := newServer(work)
	server.WithPromptCapabilities(false)(s)
	server.WithResourceCapabilities(false, false)(s)
	server.WithCompletions()(s)
	server.WithPromptCompletionProvider(slowCompletion(work))(s)
	s.AddPrompt(mcp.NewPrompt("slow"), func(ctx context.Context, _ mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		work(ctx)
		return mcp.NewGetPromptResult("done", nil), nil
	})
	s.AddResource(mcp.NewResource("slow://", "slow"), func(ctx context.Context, _ mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		work(ctx)
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: "slow://", Text: "done"}}, nil
	})
	return s
}

type slowCompletion func(ctx context.Context)

func (work slowCompletion) CompletePromptArgument(ctx context.Context, _ string, _ mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	work(ctx)
	return &mcp.Completion{Values: []string{"done"}}, nil
}

// waitingCalls are requests of each kind that newWaitingServer runs work for.
var waitingCalls = map[string]string{
	"tool":       callSlow,
	"prompt":     `{"jsonrpc":"2.0","id":2,"method":"prompts/get","params":{"name":"slow"}}`,
	"resource":   `{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"slow://"}}`,
	"completion": `{"jsonrpc":"2.0","id":2,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"slow"},"argument":{"name":"a","value":""}}}`,
}

// sseStream is a client's stream at /sse. It is the http.ResponseWriter of the server.
type sseStream struct {
	*httptest.ResponseRecorder
	writeTime time.Duration // How long each write takes.
	mu        sync.Mutex    // guards what follows
	text      bytes.Buffer
	left      context.CancelFunc
	done      chan struct{} // Closed when the server has ended the stream.
}

func (s *sseStream) Write(p []byte) (int, error) {
	time.Sleep(s.writeTime)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sseStream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// openSSE opens a stream at h in a synctest bubble, and returns it with its URL for
// messages.
func openSSE(t *testing.T, h http.Handler, writeTime time.Duration) (stream *sseStream, messages string) {
	t.Helper()
	ctx, left := context.WithCancel(context.Background())
	stream = &sseStream{ResponseRecorder: httptest.NewRecorder(), writeTime: writeTime, left: left, done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/sse", nil)
	r.Host = "localhost"
	go func() {
		defer close(stream.done)
		h.ServeHTTP(stream, r)
	}()
	time.Sleep(writeTime)
	synctest.Wait()
	_, messages, ok := strings.Cut(strings.TrimSpace(stream.String()), "event: endpoint\ndata: ")
	if !ok {
		t.Fatalf("got %q", stream)
	}
	return stream, messages
}

// TestDrainSendsAnswers drains a Handler while a request of each kind runs over SSE. The
// answer must be on the stream when Drain returns, although writing takes long.
func TestDrainSendsAnswers(t *testing.T) {
	t.Parallel()
	for kind, call := range waitingCalls {
		synctest.Test(t, func(t *testing.T) {
			h := httpserver.NewHandler(newWaitingServer(func(context.Context) { time.Sleep(time.Second) }), httpserver.Options{})
			defer h.Close()
			stream, messages := openSSE(t, h, 3*time.Second)
			if w := serve(h, http.MethodPost, messages, strings.NewReader(call), nil); w.Code != http.StatusAccepted {
				t.Fatalf("%s: got %d %s", kind, w.Code, w.Body)
			}
			h.Drain(t.Context())
			if text := stream.String(); !strings.Contains(text, `"id":2,"result"`) || !strings.Contains(text, "done") {
				t.Errorf("%s: got %q", kind, text)
			}
			<-stream.done
		})
	}
}

// TestDrainWaitsForBodies drains a Handler while the body of a call is still on its way.
// The call must be answered.
func TestDrainWaitsForBodies(t *testing.T) {
	t.Parallel()
	for _, sse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := httpserver.NewHandler(newServer(func(ctx context.Context) {
				if ctx.Err() != nil {
					t.Error("the call was cancelled")
				}
			}), httpserver.Options{})
			defer h.Close()
			path := "/mcp"
			stream, messages := openSSE(t, h, 0)
			if sse {
				path = messages
			}
			body, client := io.Pipe()
			answered := make(chan string, 1)
			go func() { answered <- serve(h, http.MethodPost, path, body, nil).Body.String() }()
			synctest.Wait()
			go func() {
				time.Sleep(time.Second)
				_, _ = io.WriteString(client, callSlow)
				_ = client.Close()
			}()
			h.Drain(t.Context())
			if text := <-answered + stream.String(); !strings.Contains(text, "done") {
				t.Errorf("%s: got %q", path, text)
			}
			<-stream.done
			if w := serve(h, http.MethodPost, "/mcp", strings.NewReader(callSlow), nil); w.Code != http.StatusServiceUnavailable {
				t.Errorf("after the end: got %d %s", w.Code, w.Body)
			}
		})
	}
}

// TestClientLeaves ends the stream of a client while a request of each kind runs. The
// request must be cancelled.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	for kind, call := range waitingCalls {
		synctest.Test(t, func(t *testing.T) {
			cancelled := 0
			h := httpserver.NewHandler(newWaitingServer(func(ctx context.Context) {
				select {
				case <-ctx.Done():
					cancelled++
				case <-time.After(time.Hour):
				}
			}), httpserver.Options{})
			defer h.Close()
			stream, messages := openSSE(t, h, 0)
			serve(h, http.MethodPost, messages, strings.NewReader(call), nil)
			time.Sleep(time.Second)
			if cancelled != 0 {
				t.Errorf("%s: the call was cancelled when its POST ended", kind)
			}
			stream.left()
			<-stream.done
			synctest.Wait()
			if cancelled != 1 {
				t.Errorf("%s: the call goes on", kind)
			}
			if w := serve(h, http.MethodPost, messages, strings.NewReader(call), nil); w.Code != http.StatusBadRequest {
				t.Errorf("%s: a message to the ended session: got %d", kind, w.Code)
			}
			h.Drain(t.Context()) // It would wait an hour for a call that goes on.
		})
	}
}

// TestProgressComesFirst has a tool that sends notifications. They must be on the stream
// before the answer.
func TestProgressComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s *server.MCPServer
		s = newServer(func(ctx context.Context) {
			for range 5 {
				if err := s.SendNotificationToClient(ctx, "notifications/progress", nil); err != nil {
					t.Error(err)
				}
			}
		})
		h := httpserver.NewHandler(s, httpserver.Options{})
		defer h.Close()
		stream, messages := openSSE(t, h, 0)
		serve(h, http.MethodPost, messages, strings.NewReader(hello), nil)
		synctest.Wait()
		serve(h, http.MethodPost, messages, strings.NewReader(callSlow), nil)
		synctest.Wait()
		before, after, ok := strings.Cut(stream.String(), `"id":2,"result"`)
		if !ok || strings.Count(before, "notifications/progress") != 5 || strings.Contains(after, "progress") {
			t.Errorf("got %q", stream)
		}
	})
}

// TestSSEPanic has a tool that panics. Its call is answered, and the server goes on.
func TestSSEPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := httpserver.NewHandler(newServer(func(context.Context) { panic("a bug") }), httpserver.Options{})
		defer h.Close()
		stream, messages := openSSE(t, h, 0)
		serve(h, http.MethodPost, messages, strings.NewReader(callSlow), nil)
		synctest.Wait()
		if text := stream.String(); !strings.Contains(text, `"id":2,"error"`) || strings.Contains(text, "a bug") {
			t.Errorf("got %q", text)
		}
	})
}

// pipeListener is a net.Listener whose connections are pipes, so that it works in a
// synctest bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

// servePipes serves s in a synctest bubble. dial sends a request on a new connection. stop
// ends the server, which has an hour for it.
func servePipes(t *testing.T, s *server.MCPServer) (dial func(request string) net.Conn, stop func()) {
	t.Helper()
	listener := pipeListener{make(chan net.Conn), make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- httpserver.Serve(ctx, listener, httpserver.NewHandler(s, httpserver.Options{}), slog.New(slog.DiscardHandler), time.Hour)
	}()
	dial = func(request string) net.Conn {
		client, conn := net.Pipe()
		listener.conns <- conn
		_, _ = io.WriteString(client, request)
		return client
	}
	return dial, func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// TestDeadClient has clients that stop reading while a call of theirs runs, one over SSE
// and one that gets its answer over Streamable HTTP. The server gives each of them up.
func TestDeadClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cancelledAfter time.Duration
		asked := time.Now()
		s := newServer(func(ctx context.Context) {
			<-ctx.Done()
			cancelledAfter = time.Since(asked)
		})
		s.AddTool(mcp.NewTool("large"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText(strings.Repeat("x", 1<<20)), nil
		})
		dial, stop := servePipes(t, s)
		stream := dial("GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
		defer func() { _ = stream.Close() }()
		var head string
		for !strings.Contains(head, "sessionId=") {
			buf := make([]byte, 4096)
			n, err := stream.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			head += string(buf[:n])
		}
		_, messages, _ := strings.Cut(head, "data: ")
		messages, _, _ = strings.Cut(messages, "\n")
		post := func(path, call string) net.Conn {
			return dial(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(call), call))
		}
		accepted := post(messages, callSlow)
		defer func() { _ = accepted.Close() }()
		const callLarge = `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"large"}}`
		call := post("/mcp", callLarge)
		defer func() { _ = call.Close() }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if cancelledAfter == 0 || cancelledAfter > time.Minute {
			t.Errorf("the call was cancelled after %v", cancelledAfter)
		}
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the end took %v: a client that does not read was waited for", took)
		}
	})
}
