// Traces checks what zego-mcp sends as traces, with the packages by which OpenTelemetry's collector
// reads them: over stdio, Streamable HTTP and SSE, from a call that names its parent to the request
// to ZEGO, here the simulator.
//
//	go run . PATH-TO-ZEGO-MCP
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

func main() {
	var problems []error
	for _, transport := range []string{"stdio", "http", "sse"} {
		if err := check(os.Args[1], transport); err != nil {
			problems = append(problems, fmt.Errorf("traces over %s: %w", transport, err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// receiver takes traces as the collector does.
type receiver struct {
	mu       sync.Mutex // guards what follows
	traces   []ptrace.Traces
	problems []error
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	traces, err := read(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.problems = append(r.problems, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.traces = append(r.traces, traces)
	answer, _ := ptraceotlp.NewExportResponse().MarshalProto()
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

func read(req *http.Request) (ptrace.Traces, error) {
	if req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" || req.Header.Get("X-Tenant") != "a b" {
		return ptrace.Traces{}, fmt.Errorf("got %s with the header %v", req.URL.Path, req.Header)
	}
	body, err := gzip.NewReader(req.Body)
	if err != nil {
		return ptrace.Traces{}, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return ptrace.Traces{}, err
	}
	request := ptraceotlp.NewExportRequest()
	err = request.UnmarshalProto(text)
	return request.Traces(), err
}

const (
	traceID         = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID        = "00f067aa0ba902b7"
	traceparent     = "00-" + traceID + "-" + parentID + "-01"
	inHeader        = "00-11111111111111111111111111111111-2222222222222222-01"
	protocolVersion = "2025-11-25"
	initialize      = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + protocolVersion + `","capabilities":{},"clientInfo":{"name":"check","version":"1"}}}`
	call            = `{"jsonrpc":"2.0","id":"call-7","method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Limit":1},"_meta":{"traceparent":"` + traceparent + `","tracestate":"rojo=1"}}}`
	failingCall     = `{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"get_digital_human","arguments":{"DigitalHumanId":"nobody"}}}`
)

// check lets a server over a transport answer two calls, and checks what it sends.
func check(binary, transport string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := &receiver{}
	srv := httptest.NewServer(r)
	defer srv.Close()
	args := []string{"serve", "--simulate", "--log-format", "json", "--transport", transport}
	if transport != "stdio" {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+srv.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-tenant=a%20b",
		"OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "OTEL_SERVICE_NAME=checked", "OTEL_RESOURCE_ATTRIBUTES=team=voices")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	log := bufio.NewReader(stderr)
	switch transport {
	case "stdio":
		err = callStdio(stdin, bufio.NewReader(stdout))
	case "http":
		err = callHTTP(ctx, urlOf(log))
	case "sse":
		err = callSSE(ctx, urlOf(log))
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_, _ = io.Copy(io.Discard, log)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := errors.Join(r.problems...); err != nil {
		return err
	}
	return checkTraces(r.traces, transport)
}

// urlOf returns the URL that a server logs, or "" if it logs none.
func urlOf(log *bufio.Reader) string {
	for {
		line, err := log.ReadBytes('\n')
		var entry struct{ URL string }
		if json.Unmarshal(line, &entry) == nil && entry.URL != "" || err != nil {
			return entry.URL
		}
	}
}

func callStdio(in io.Writer, out *bufio.Reader) error {
	for _, message := range []string{initialize, call, failingCall} {
		if _, err := io.WriteString(in, message+"\n"); err != nil {
			return err
		}
		if line, err := out.ReadString('\n'); err != nil || !strings.Contains(line, `"result"`) {
			return fmt.Errorf("got %s, %w", line, err)
		}
	}
	return nil
}

func post(ctx context.Context, url, session, message string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(message))
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Traceparent": {inHeader}, "Mcp-Protocol-Version": {protocolVersion}, "Authorization": {"Bearer of-the-client"}}
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	return http.DefaultClient.Do(req)
}

func callHTTP(ctx context.Context, url string) error {
	session := ""
	for _, message := range []string{initialize, call, failingCall} {
		resp, err := post(ctx, url, session, message)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(text), `"result"`) {
			return fmt.Errorf("got %s, %w", text, err)
		}
		session = resp.Header.Get("Mcp-Session-Id") + session
	}
	return nil
}

func callSSE(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Body.Close() }()
	events := bufio.NewReader(stream.Body)
	data := func() (string, error) {
		for {
			line, err := events.ReadString('\n')
			if text, ok := strings.CutPrefix(line, "data: "); ok || err != nil {
				return strings.TrimSpace(text), err
			}
		}
	}
	endpoint, err := data()
	if err != nil {
		return err
	}
	if path := strings.Index(url, "/sse"); strings.HasPrefix(endpoint, "/") && path > 0 {
		endpoint = url[:path] + endpoint
	}
	for _, message := range []string{initialize, call, failingCall} {
		resp, err := post(ctx, endpoint, "", message)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if text, err := data(); err != nil || !strings.Contains(text, `"result"`) {
			return fmt.Errorf("got %s, %w", text, err)
		}
	}
	return nil
}

// checkTraces checks the spans of the calls.
func checkTraces(all []ptrace.Traces, transport string) error {
	var spans []ptrace.Span
	for _, traces := range all {
		text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
		if err != nil {
			return err
		}
		for _, secret := range []string{"Signature", "127.0.0.1", "simulator-not-a-real-secret", "of-the-client", "http://"} {
			if bytes.Contains(text, []byte(secret)) {
				return fmt.Errorf("%q stands in the traces", secret)
			}
		}
		for _, resourceSpans := range traces.ResourceSpans().All() {
			if err := has(resourceSpans.Resource().Attributes(), map[string]any{"service.name": "checked", "team": "voices", "telemetry.sdk.language": "go"}); err != nil {
				return fmt.Errorf("resource: %w", err)
			}
			for _, scopeSpans := range resourceSpans.ScopeSpans().All() {
				if scopeSpans.Scope().Name() != "zego-mcp" || scopeSpans.Scope().Version() == "" {
					return fmt.Errorf("got scope %s %s", scopeSpans.Scope().Name(), scopeSpans.Scope().Version())
				}
				spans = slices.AppendSeq(spans, func(yield func(ptrace.Span) bool) {
					for _, span := range scopeSpans.Spans().All() {
						if !yield(span) {
							return
						}
					}
				})
			}
		}
	}
	return checkSpans(spans, transport)
}

func checkSpans(spans []ptrace.Span, transport string) error {
	find := func(name string) ptrace.Span {
		i := slices.IndexFunc(spans, func(s ptrace.Span) bool { return s.Name() == name })
		if i < 0 {
			return ptrace.NewSpan()
		}
		return spans[i]
	}
	server, client := find("tools/call list_digital_humans"), find("GetDigitalHumanList")
	failed := find("tools/call get_digital_human")
	network, links, remoteParent := "tcp", 1, "1111111111111111"
	if transport == "stdio" {
		network, links, remoteParent = "pipe", 0, ""
	}
	var problems []error
	expect := func(ok bool, what string, span ptrace.Span) {
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %s: %v", span.Name(), what, span.Attributes().AsRaw()))
		}
	}
	expect(server.Kind() == ptrace.SpanKindServer && server.TraceID().String() == traceID && server.ParentSpanID().String() == parentID, "kind, trace or parent", server)
	expect(server.TraceState().AsRaw() == "rojo=1" && server.Flags()&0x301 == 0x301, "state or flags", server)
	expect(server.Links().Len() == links, "links", server)
	expect(server.StartTimestamp() > 0 && server.StartTimestamp() <= client.StartTimestamp() && client.EndTimestamp() <= server.EndTimestamp(), "times", server)
	expect(server.Status().Code() == ptrace.StatusCodeUnset && failed.Status().Code() == ptrace.StatusCodeError && failed.Status().Message() != "", "status", failed)
	expect(client.Kind() == ptrace.SpanKindClient && client.TraceID().String() == traceID && client.ParentSpanID() == server.SpanID() && client.Flags()&0x301 == 0x101, "kind, trace or parent", client)
	expect(strings.HasPrefix(failed.TraceID().String(), remoteParent) && failed.TraceID() != server.TraceID(), "trace", failed)
	_, hasSession := server.Attributes().Get("mcp.session.id")
	expect(hasSession == (transport != "stdio"), "session", server)
	problems = append(problems,
		has(server.Attributes(), map[string]any{
			"mcp.method.name": "tools/call", "gen_ai.tool.name": "list_digital_humans", "gen_ai.operation.name": "execute_tool",
			"jsonrpc.request.id": "call-7", "network.transport": network, "mcp.protocol.version": protocolVersion, "zego_mcp.outcome": "ok",
		}),
		has(client.Attributes(), map[string]any{"zego.action": "GetDigitalHumanList", "zego.attempt": int64(1), "zego.code": int64(0), "http.response.status_code": int64(200)}),
		has(failed.Attributes(), map[string]any{"error.type": "tool_error", "jsonrpc.request.id": "8"}))
	if requestID, ok := client.Attributes().Get("zego.request_id"); !ok || requestID.Str() == "" {
		problems = append(problems, errors.New("no RequestId of ZEGO's"))
	}
	fmt.Printf("traces over %s: %d spans\n", transport, len(spans))
	return errors.Join(problems...)
}

// has returns an error that names the attributes that are absent, or have another value.
func has(attributes pcommon.Map, want map[string]any) error {
	var problems []error
	for name, value := range want {
		if got, ok := attributes.AsRaw()[name]; !ok || got != value {
			problems = append(problems, fmt.Errorf("%s: got %v, want %v", name, got, value))
		}
	}
	return errors.Join(problems...)
}
