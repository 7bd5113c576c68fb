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

// BenchmarkCall calls list_digital_humans for a full page, through a whole server in
// this process.
func BenchmarkCall(b *testing.B) {
	for _, tt := range connections(b) {
		b.Run(tt.name, func(b *testing.B) {
			call := tt.connect(b)
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}

// TestCall makes each call of BenchmarkCall twice.
func TestCall(t *testing.T) {
	for _, tt := range connections(t) {
		t.Run(tt.name, func(t *testing.T) {
			call := tt.connect(t)
			call()
			call()
		})
	}
}

// connection is a way to call a server: its name is the transport and the server.
type connection struct {
	name string
	// connect starts the server, which runs until the test ends. The function that it
	// returns makes one call.
	connect func(testing.TB) (call func())
}

// connections returns each server over each transport.
func connections(tb testing.TB) []connection {
	tb.Helper()
	sim := httptest.NewServer(&zegosim.Server{QPS: -1})
	tb.Cleanup(sim.Close)
	log := slog.New(slog.DiscardHandler)
	plain := newPlain(sim.URL, fmt.Sprint(zegosim.DefaultAppID), zegosim.DefaultSecret)
	all := []connection{
		{"stdio/plain", func(tb testing.TB) func() {
			return callOverStdio(tb, func(ctx context.Context, in io.Reader, out io.Writer) error {
				return server.NewStdioServer(plain).Listen(ctx, in, out)
			})
		}},
		{"HTTP/plain", func(tb testing.TB) func() {
			srv := httptest.NewServer(server.NewStreamableHTTPServer(plain, server.WithStateLess(true)))
			tb.Cleanup(srv.Close)
			return callOverHTTP(tb, srv.URL)
		}},
	}
	for _, tt := range []struct {
		name     string
		cacheTTL time.Duration
	}{
		{"zego-mcp", 0},
		{"zego-mcp,cached", time.Hour},
	} {
		client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: sim.URL, QPS: -1, CacheTTL: tt.cacheTTL})
		if err != nil {
			tb.Fatal(err)
		}
		s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client})})
		all = append(all, connection{"stdio/" + tt.name, func(tb testing.TB) func() {
			return callOverStdio(tb, func(ctx context.Context, in io.Reader, out io.Writer) error {
				return stdio.Serve(ctx, s, in, out, log, time.Minute)
			})
		}}, connection{"HTTP/" + tt.name, func(tb testing.TB) func() {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				tb.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
			served := make(chan error, 1)
			handler := httpserver.NewHandler(s, httpserver.Options{Logger: log})
			go func() { served <- httpserver.Serve(ctx, listener, handler, log, 0) }()
			tb.Cleanup(func() {
				stop()
				if err := <-served; err != nil {
					tb.Error(err)
				}
			})
			return callOverHTTP(tb, "http://"+listener.Addr().String()+"/mcp")
		}})
	}
	return all
}

// callOverStdio runs serve on two pipes. The function that it returns makes one call
// through them.
func callOverStdio(tb testing.TB, serve func(context.Context, io.Reader, io.Writer) error) (call func()) {
	tb.Helper()
	in, client := io.Pipe()
	answers, out := io.Pipe()
	served := make(chan error, 1)
	ctx := context.WithoutCancel(tb.Context())
	go func() { served <- serve(ctx, in, out) }()
	tb.Cleanup(func() {
		_ = client.Close()
		if err := <-served; err != nil && !errors.Is(err, io.EOF) {
			tb.Error(err)
		}
	})
	reader := bufio.NewReader(answers)
	send := func(request string) {
		if _, err := io.WriteString(client, request+"\n"); err != nil {
			tb.Fatal(err)
		}
		if line, err := reader.ReadString('\n'); err != nil || strings.Contains(line, `"isError":true`) {
			tb.Fatal(line, err)
		}
	}
	send(initialize)
	return func() { send(listCall(1, 0)) }
}

// callOverHTTP returns a function that makes one call of the server at url.
func callOverHTTP(tb testing.TB, url string) (call func()) {
	tb.Helper()
	return func() {
		req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url, strings.NewReader(listCall(1, 0)))
		if err != nil {
			tb.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			tb.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(text), `"isError":true`) {
			tb.Fatalf("%s: %s, %v", resp.Status, text, err)
		}
	}
}
