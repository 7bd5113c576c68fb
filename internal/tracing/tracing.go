// Package tracing sends traces to an OpenTelemetry receiver: a span for each request of an MCP
// client, and one for each request to ZEGO that it leads to.
package tracing

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
	"zego-mcp/tools"
	"zego-mcp/zego"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/mcp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushTimeout bounds how long End sends what is left. Desktop clients soon kill a server that
// does not end.
const flushTimeout = 2 * time.Second

// Options says what is traced.
type Options struct {
	Getenv  func(string) string // Returns an environment variable. Required.
	Logger  *slog.Logger        // Is told of wrong variables, and when traces get lost. Required.
	Version string              // Version of the program.
	Stdio   bool                // Clients are connected by standard input and output, and not over HTTP.
}

// Tracer makes the spans of one server and sends them. Its methods are safe for concurrent use.
type Tracer struct {
	provider  *sdktrace.TracerProvider
	tracer    trace.Tracer
	exporter  *exporter
	propagate bool                 // Take the parents of spans from clients.
	network   []attribute.KeyValue // How clients are connected.
}

// Start returns a Tracer as the OTEL_* variables of OpenTelemetry say, or nil if they do not ask
// for traces. Wrong values are logged and are no error, because a server works without traces.
// The owner of the Tracer must call End.
//
// OpenTelemetry's SDK reads some of the variables itself, from the environment of this process:
// those of the sampler, the limits and the resource.
func Start(opts Options) *Tracer {
	s, problems := readSettings(opts.Getenv)
	for _, problem := range problems {
		opts.Logger.Warn("traces: " + problem)
	}
	if s == nil {
		return nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		opts.Logger.Warn("traces: a variable of OpenTelemetry is wrong", "err", err)
	}))
	what, err := resource.New(context.Background(),
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(
			attribute.String("service.name", "zego-mcp"),
			attribute.String("service.version", opts.Version),
			attribute.String("service.instance.id", uuid.NewString()),
		),
		resource.WithFromEnv())
	if err != nil {
		opts.Logger.Warn("traces: OTEL_RESOURCE_ATTRIBUTES is wrong, and some attributes are left out", "err", err)
	}
	e := newExporter(s, opts.Logger)
	batches := sdktrace.NewBatchSpanProcessor(e, s.batchOptions()...)
	t := newTracer(opts, s.propagate, sdktrace.WithSpanProcessor(batches), sdktrace.WithResource(what))
	t.exporter = e
	opts.Logger.Info("sending traces", "to", s.endpoint.Scheme+"://"+s.endpoint.Host)
	return t
}

// newTracer returns a Tracer without an exporter.
func newTracer(opts Options, propagate bool, provider ...sdktrace.TracerProviderOption) *Tracer {
	t := &Tracer{provider: sdktrace.NewTracerProvider(provider...), propagate: propagate}
	t.tracer = t.provider.Tracer("zego-mcp", trace.WithInstrumentationVersion(opts.Version))
	t.network = []attribute.KeyValue{attribute.String("network.transport", "tcp"), attribute.String("network.protocol.name", "http")}
	if opts.Stdio {
		t.network = []attribute.KeyValue{attribute.String("network.transport", "pipe")}
	}
	return t
}

// End sends the spans that have ended and were not sent, which takes at most two seconds. Spans
// that end later are lost.
func (t *Tracer) End() {
	t.exporter.end(flushTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout+time.Second/10)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // The exporter logs what gets lost.
}

// Request begins the span of a request of a client. It has the type of tools.Config's Trace.
//
// The span has the name and the attributes of OpenTelemetry's conventions for MCP, and
// zego_mcp.outcome. Its parent is the span that the _meta of the request names or, if that names
// none, the one in the HTTP header. If both name one, the span has a link to that in the header.
func (t *Tracer) Request(ctx context.Context, r tools.RequestStart) (traced context.Context, traceID string, end func(tools.RequestInfo)) {
	parent, links := t.parent(r)
	method, target := methodOf(r)
	name := method
	if target != "" {
		name += " " + target
	}
	ctx, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), name,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithLinks(links...),
		trace.WithAttributes(t.network...), trace.WithAttributes(requestAttributes(r, method, target)...))
	return ctx, span.SpanContext().TraceID().String(), func(info tools.RequestInfo) {
		span.SetAttributes(attribute.String("zego_mcp.outcome", string(info.Outcome)))
		switch {
		case info.Outcome != tools.Failed && info.Outcome != tools.Panicked:
		case info.Kind == "tool":
			fail(span, "tool_error", info.Problem)
		default:
			fail(span, "_OTHER", info.Problem)
		}
		span.End()
	}
}

// methodOf returns the method of MCP of a request, and what it is applied to if the span may be
// named after that: the name of a tool or prompt that exists.
func methodOf(r tools.RequestStart) (method, target string) {
	switch r.Kind {
	case "tool":
		if _, exists := tools.ToolsetOf(r.Name); exists {
			target = r.Name
		}
		return string(mcp.MethodToolsCall), target
	case "prompt":
		return string(mcp.MethodPromptsGet), r.Name
	case "resource":
		return string(mcp.MethodResourcesRead), ""
	}
	return string(mcp.MethodCompletionComplete), ""
}

// requestAttributes returns the attributes of the span of a request.
func requestAttributes(r tools.RequestStart, method, target string) []attribute.KeyValue {
	attributes := []attribute.KeyValue{attribute.String("mcp.method.name", method)}
	add := func(key, value string) {
		if value != "" {
			attributes = append(attributes, attribute.String(key, cut(value)))
		}
	}
	switch r.Kind {
	case "tool":
		add("gen_ai.operation.name", "execute_tool")
		add("gen_ai.tool.name", target)
	case "prompt":
		add("gen_ai.prompt.name", target)
	}
	add("mcp.resource.uri", r.URI)
	add("jsonrpc.request.id", r.ID)
	add("mcp.session.id", r.Session)
	if mcp.IsValidProtocolVersion(r.ProtocolVersion) {
		add("mcp.protocol.version", r.ProtocolVersion)
	}
	return attributes
}

// parent returns the span that a client names as the parent of the span of a request, and links
// to other spans that it names. If it names none, parent is not valid.
func (t *Tracer) parent(r tools.RequestStart) (parent trace.SpanContext, links []trace.Link) {
	if !t.propagate {
		return parent, nil
	}
	traceparent, _ := r.Meta["traceparent"].(string)
	tracestate, _ := r.Meta["tracestate"].(string)
	inMeta := spanContext(traceparent, tracestate)
	var inHeader trace.SpanContext
	if values := r.Header.Values("traceparent"); len(values) == 1 {
		inHeader = spanContext(values[0], strings.Join(r.Header.Values("tracestate"), ","))
	}
	switch {
	case !inMeta.IsValid():
		return inHeader, nil
	case inHeader.IsValid() && !inHeader.Equal(inMeta):
		links = append(links, trace.Link{SpanContext: inHeader})
	}
	return inMeta, links
}

// maxTracestate bounds a tracestate, in bytes. W3C asks to pass on 512 at least.
const maxTracestate = 1024

// spanContext returns what the two fields of W3C Trace Context name, or an invalid one if they
// are malformed. A tracestate that is too long is left out.
func spanContext(traceparent, tracestate string) trace.SpanContext {
	const longest = 128 // Bytes. A traceparent of version 00 has 55.
	if traceparent == "" || len(traceparent) > longest {
		return trace.SpanContext{}
	}
	if len(tracestate) > maxTracestate {
		tracestate = ""
	}
	carrier := propagation.MapCarrier{"traceparent": traceparent, "tracestate": tracestate}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// Observer returns an observer of a client of ZEGO that makes a span of each request to ZEGO. A
// call that was answered without a request becomes an event of the span that it belongs to.
func (t *Tracer) Observer() zego.Observer { return zego.Observer{Attempt: t.attempt, Call: t.call} }

func (t *Tracer) attempt(ctx context.Context, a zego.AttemptInfo) {
	attributes := []attribute.KeyValue{
		attribute.String("zego.action", a.Action),
		attribute.Int("zego.attempt", a.Number),
		attribute.Float64("zego.queue_seconds", a.QueueTime.Seconds()),
		attribute.String("http.request.method", http.MethodPost),
	}
	if a.Number > 1 {
		attributes = append(attributes, attribute.Int("http.request.resend_count", a.Number-1))
	}
	if a.HTTPStatus != 0 {
		attributes = append(attributes, attribute.Int("http.response.status_code", a.HTTPStatus))
	}
	if a.RequestID != "" {
		attributes = append(attributes, attribute.String("zego.request_id", cut(a.RequestID)))
	}
	if a.Err == nil || a.Code != 0 {
		attributes = append(attributes, attribute.Int("zego.code", int(a.Code)))
	}
	_, span := t.tracer.Start(ctx, a.Action, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(a.Start), trace.WithAttributes(attributes...))
	if a.Err != nil {
		fail(span, errorType(a), problemOf(a.Err))
	}
	span.End(trace.WithTimestamp(a.Start.Add(a.Duration)))
}

// errorType returns the error.type of a request to ZEGO that failed: ZEGO's code, or the status
// of an answer that was not ZEGO's, or why there is no answer.
func errorType(a zego.AttemptInfo) string {
	switch {
	case a.Code != 0:
		return strconv.Itoa(int(a.Code))
	case a.HTTPStatus >= http.StatusBadRequest:
		return strconv.Itoa(a.HTTPStatus)
	case errors.Is(a.Err, context.Canceled):
		return "canceled"
	case errors.Is(a.Err, context.DeadlineExceeded):
		return "timeout"
	case a.HTTPStatus != 0:
		return "unusable_answer"
	}
	return "no_answer"
}

// problemOf says why a request to ZEGO failed. It leaves out ZEGO's message, which may repeat
// what a user wrote.
func problemOf(err error) string {
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		return refusal.Code.Error()
	}
	return err.Error() // Package zego has removed secrets and bounded it.
}

func (t *Tracer) call(ctx context.Context, c zego.CallInfo) {
	name := ""
	switch {
	case c.Shared:
		name = "answer of an equal call"
	case c.Cached:
		name = "answer from the cache"
	default:
		return
	}
	trace.SpanFromContext(ctx).AddEvent(name, trace.WithAttributes(attribute.String("zego.action", c.Action)))
}

// fail marks a span as that of something that failed.
func fail(span trace.Span, errorType, problem string) {
	span.SetAttributes(attribute.String("error.type", errorType))
	span.SetStatus(codes.Error, cut(problem))
}

// cut returns a text from elsewhere as it may stand in a span: valid UTF-8 of at most 200
// characters.
func cut(text string) string {
	const longest = 200
	n := 0
	for i := range text {
		if n == longest {
			text = text[:i] + "…"
			break
		}
		n++
	}
	return strings.ToValidUTF8(text, "\ufffd")
}
