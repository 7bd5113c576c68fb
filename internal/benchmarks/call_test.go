package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/httpserver"
	"zego-mcp/internal/stdio"
	"zego-mcp/tools"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/server"
)

// BenchmarkCall lists one page through a whole server in this process.
func BenchmarkCall(b *testing.B) {
	sim := httptest.NewServer(&zegosim.Server{QPS: -1})
	b.Cleanup(sim.Close)
	ours := func(ttl time.Duration) *server.MCPServer {
		client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: sim.URL, QPS: -1, CacheTTL: ttl})
		if err != nil {
			b.Fatal(err)
		}
		return tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client})})
	}
	plain := newPlain(sim.URL, fmt.Sprint(zegosim.DefaultAppID), zegosim.DefaultSecret)
	log := slog.New(slog.DiscardHandler)
	for _, tt := range []struct {
		name  string
		s     *server.MCPServer
		stdio func(context.Context, *server.MCPServer, io.Reader, io.Writer) error
	}{
		{"plain", plain, func(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer) error {
			return server.NewStdioServer(s).Listen(ctx, in, out)
		}},
		{"zego-mcp", ours(0), nil},
		{"zego-mcp,cached", ours(time.Hour), nil},
	} {
		if tt.stdio == nil {
			tt.stdio = func(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer) error {
				return stdio.Serve(ctx, s, in, out, log, time.Minute)
			}
		}
		b.Run("stdio/"+tt.name, func(b *testing.B) { callOverStdio(b, tt.s, tt.stdio) })
		b.Run("HTTP/"+tt.name, func(b *testing.B) {
			if tt.s == plain {
				srv := httptest.NewServer(server.NewStreamableHTTPServer(plain, server.WithStateLess(true)))
				defer srv.Close()
				callOverHTTP(b, srv.URL)
				return
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			served := make(chan error)
			handler := httpserver.NewHandler(tt.s, httpserver.TrackCalls(tt.s), httpserver.Options{Logger: log})
			go func() { served <- httpserver.Serve(ctx, listener, handler, log, 0) }()
			callOverHTTP(b, "http://"+listener.Addr().String()+"/mcp")
			stop()
			if err := <-served; err != nil {
				b.Error(err)
			}
		})
	}
}

func callOverStdio(b *testing.B, s *server.MCPServer, serve func(context.Context, *server.MCPServer, io.Reader, io.Writer) error) {
	b.ReportAllocs()
	in, client := io.Pipe()
	answers, out := io.Pipe()
	served := make(chan error)
	go func() { served <- serve(b.Context(), s, in, out) }()
	reader := bufio.NewReader(answers)
	ask := func(request string) {
		if _, err := io.WriteString(client, request+"\n"); err != nil {
			b.Fatal(err)
		}
		if line, err := reader.ReadString('\n'); err != nil || strings.Contains(line, `"isError":true`) {
			b.Fatal(line, err)
		}
	}
	ask(hello)
	for b.Loop() {
		ask(listing(1, 0))
	}
	_ = client.Close()
	if err := <-served; err != nil && !errors.Is(err, io.EOF) {
		b.Error(err)
	}
}

func callOverHTTP(b *testing.B, url string) {
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(listing(1, 0)))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(text), `"isError":true`) {
			b.Fatalf("%s: %s, %v", resp.Status, text, err)
		}
	}
}
