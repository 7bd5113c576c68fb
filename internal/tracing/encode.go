package tracing

import (
	"encoding/binary"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// encode returns spans as an ExportTraceServiceRequest of OTLP, in protobuf. All must be of one
// tracer, and there must be one at least. The generated code for these messages would add 7 MB to
// the program.
//
// The numbers of the fields are those of
// https://github.com/open-telemetry/opentelemetry-proto/tree/v1.11.0/opentelemetry/proto
func encode(spans []sdktrace.ReadOnlySpan) []byte {
	var resource, scope, scopeSpans, resourceSpans message
	for _, kv := range spans[0].Resource().Attributes() {
		resource.message(1, keyValue(kv))
	}
	scope.text(1, spans[0].InstrumentationScope().Name)
	scope.text(2, spans[0].InstrumentationScope().Version)
	scopeSpans.message(1, scope)
	for _, span := range spans {
		scopeSpans.message(2, encodeSpan(span))
	}
	resourceSpans.message(1, resource)
	resourceSpans.message(2, scopeSpans)
	resourceSpans.text(3, spans[0].Resource().SchemaURL())
	var request message
	request.message(1, resourceSpans)
	return request
}

func encodeSpan(span sdktrace.ReadOnlySpan) message {
	var m message
	m.context(span.SpanContext(), 1)
	if parent := span.Parent().SpanID(); parent.IsValid() {
		m.bytes(4, parent[:])
	}
	m.text(5, span.Name())
	m.number(6, uint64(span.SpanKind())) //nolint:gosec // Both count kinds alike, and none is negative.
	m.time(7, span.StartTime())
	m.time(8, span.EndTime())
	m.attributes(9, span.Attributes())
	m.count(10, span.DroppedAttributes())
	for _, event := range span.Events() {
		m.message(11, encodeEvent(event))
	}
	m.count(12, span.DroppedEvents())
	for _, link := range span.Links() {
		m.message(13, encodeLink(link))
	}
	m.count(14, span.DroppedLinks())
	m.message(15, encodeStatus(span.Status()))
	m.fixed32(16, flags(span.SpanContext(), span.Parent().IsRemote()))
	return m
}

func encodeEvent(event sdktrace.Event) message {
	var m message
	m.time(1, event.Time)
	m.text(2, event.Name)
	m.attributes(3, event.Attributes)
	m.count(4, event.DroppedAttributeCount)
	return m
}

func encodeLink(link sdktrace.Link) message {
	var m message
	m.context(link.SpanContext, 1)
	m.attributes(4, link.Attributes)
	m.count(5, link.DroppedAttributeCount)
	m.fixed32(6, flags(link.SpanContext, link.SpanContext.IsRemote()))
	return m
}

func encodeStatus(status sdktrace.Status) message {
	var m message
	m.text(2, status.Description)
	switch status.Code {
	case codes.Ok:
		m.number(3, 1)
	case codes.Error:
		m.number(3, 2)
	case codes.Unset:
	}
	return m
}

// flags returns the flags of a span or link: those of W3C, one that says that the next one is
// valid, and one that says that the parent or the linked span is in another process.
func flags(span trace.SpanContext, remote bool) uint32 {
	const isKnown, isRemote = 0x100, 0x200
	all := uint32(span.TraceFlags()) | isKnown
	if remote {
		all |= isRemote
	}
	return all
}

func keyValue(kv attribute.KeyValue) message {
	var value message
	switch kv.Value.Type() {
	case attribute.BOOL:
		value.tag(2, varintField)
		value = append(value, 0)
		if kv.Value.AsBool() {
			value[len(value)-1] = 1
		}
	case attribute.INT64:
		value.tag(3, varintField)
		value = binary.AppendUvarint(value, uint64(kv.Value.AsInt64())) //nolint:gosec // Protobuf wants negative numbers so.
	case attribute.FLOAT64:
		value.fixed64(4, math.Float64bits(kv.Value.AsFloat64()))
	default: // No span has lists.
		text := kv.Value.String()
		value.tag(1, bytesField)
		value = binary.AppendUvarint(value, uint64(len(text)))
		value = append(value, text...)
	}
	var m message
	m.text(1, string(kv.Key))
	m.message(2, value)
	return m
}

// message is a message of protobuf. Its methods add fields.
type message []byte

// The kinds of fields, as protobuf numbers them.
const (
	varintField  = 0
	fixed64Field = 1
	bytesField   = 2
	fixed32Field = 5
)

func (m *message) tag(field, kind uint64) { *m = binary.AppendUvarint(*m, field<<3|kind) }

// message adds a message, also an empty one.
func (m *message) message(field uint64, inner message) { m.bytes(field, inner) }

// bytes adds bytes, also none.
func (m *message) bytes(field uint64, value []byte) {
	m.tag(field, bytesField)
	*m = binary.AppendUvarint(*m, uint64(len(value)))
	*m = append(*m, value...)
}

// text adds a text, unless it is empty.
func (m *message) text(field uint64, value string) {
	if value != "" {
		m.bytes(field, []byte(value))
	}
}

// number adds a number, unless it is 0.
func (m *message) number(field, value uint64) {
	if value != 0 {
		m.tag(field, varintField)
		*m = binary.AppendUvarint(*m, value)
	}
}

// count adds how many of something there are, unless there is none.
func (m *message) count(field uint64, n int) { m.number(field, uint64(max(0, n))) }

func (m *message) fixed32(field uint64, value uint32) {
	m.tag(field, fixed32Field)
	*m = binary.LittleEndian.AppendUint32(*m, value)
}

func (m *message) fixed64(field, value uint64) {
	m.tag(field, fixed64Field)
	*m = binary.LittleEndian.AppendUint64(*m, value)
}

// time adds a time as nanoseconds since 1970.
func (m *message) time(field uint64, t time.Time) {
	m.fixed64(field, uint64(max(0, t.UnixNano())))
}

func (m *message) attributes(field uint64, attributes []attribute.KeyValue) {
	for _, kv := range attributes {
		m.message(field, keyValue(kv))
	}
}

// context adds the ids and the trace state of a span or link, in three fields from first on.
func (m *message) context(span trace.SpanContext, first uint64) {
	traceID, spanID := span.TraceID(), span.SpanID()
	m.bytes(first, traceID[:])
	m.bytes(first+1, spanID[:])
	m.text(first+2, span.TraceState().String())
}

// rejected returns how many spans a receiver has refused, from its answer, an
// ExportTraceServiceResponse in protobuf. It returns 0 if the answer is anything else.
func rejected(answer []byte) uint64 {
	partialSuccess, _ := field(answer, 1)
	_, count := field(partialSuccess, 1)
	return count
}

// field returns the first field of a message with this number: its bytes, or the number that it
// is. It returns zero values if there is none before the message ends or is malformed.
func field(m []byte, wanted uint64) (value []byte, number uint64) {
	for len(m) > 0 {
		tag, n := binary.Uvarint(m)
		if n <= 0 {
			return nil, 0
		}
		m, number, value = m[n:], 0, nil
		size := 0
		switch tag & 7 {
		case varintField:
			number, size = binary.Uvarint(m)
		case fixed64Field:
			size = 8
		case fixed32Field:
			size = 4
		case bytesField:
			length, n := binary.Uvarint(m)
			if n <= 0 || length > uint64(len(m)) {
				return nil, 0
			}
			size = n + int(length) //nolint:gosec // It is at most len(m).
			if size > len(m) {
				return nil, 0
			}
			value = m[n:size]
		}
		if size <= 0 || size > len(m) {
			return nil, 0
		}
		if tag>>3 == wanted {
			return value, number
		}
		m = m[size:]
	}
	return nil, 0
}
