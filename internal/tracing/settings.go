package tracing

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// settings are what the OTEL_* variables say of how traces are sent.
type settings struct {
	endpoint  *url.URL
	header    http.Header
	timeout   time.Duration // Of one request.
	gzip      bool
	tls       *tls.Config
	propagate bool // Take the parents of spans from clients.

	maxQueue, maxBatch       int           // How many spans wait, and go with one request, at most.
	batchDelay, batchTimeout time.Duration // How long spans wait for others, and how long a batch is tried.
}

const (
	defaultEndpoint = "http://localhost:4318"
	tracesPath      = "/v1/traces"
	defaultTimeout  = 10_000 // Milliseconds.
	maxQueue        = 1 << 16
)

// environment reads variables and collects what is wrong with them.
type environment struct {
	getenv   func(string) string
	problems []string
}

// get returns the value of a variable without the blanks around it.
func (e *environment) get(name string) string { return strings.TrimSpace(e.getenv(name)) }

// otlp returns the value of a variable of the exporter: the one for traces, or if that is not
// set the one for all signals. name is the end of both.
func (e *environment) otlp(name string) string {
	return cmp.Or(e.get("OTEL_EXPORTER_OTLP_TRACES_"+name), e.get("OTEL_EXPORTER_OTLP_"+name))
}

func (e *environment) problem(format string, values ...any) {
	e.problems = append(e.problems, fmt.Sprintf(format, values...))
}

// readSettings reads the environment. It returns nil if traces are not wanted, or cannot be
// sent. The problems are lines for the log. They hold no value that may be secret.
func readSettings(getenv func(string) string) (s *settings, problems []string) {
	e := &environment{getenv: getenv}
	if !e.wanted() {
		return nil, e.problems
	}
	endpoint, ok := e.endpoint()
	if !ok || !e.protocol() {
		return nil, e.problems
	}
	s = &settings{
		endpoint: endpoint, header: e.header(), timeout: e.timeout(), gzip: e.gzip(), tls: e.tls(),
		propagate: e.propagate(),
	}
	e.batches(s)
	return s, e.problems
}

// batches reads how spans are queued. OpenTelemetry's SDK reads these variables, too, but panics
// if a size is negative, and does not rest if the delay is 0.
func (e *environment) batches(s *settings) {
	s.maxQueue = e.number("OTEL_BSP_MAX_QUEUE_SIZE", sdktrace.DefaultMaxQueueSize, maxQueue)
	s.maxBatch = min(s.maxQueue, e.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", sdktrace.DefaultMaxExportBatchSize, maxQueue))
	s.batchDelay = time.Duration(e.number("OTEL_BSP_SCHEDULE_DELAY", sdktrace.DefaultScheduleDelay, math.MaxInt32)) * time.Millisecond
	s.batchTimeout = time.Duration(e.number("OTEL_BSP_EXPORT_TIMEOUT", sdktrace.DefaultExportTimeout, math.MaxInt32)) * time.Millisecond
}

// batchOptions returns the options of the SDK that say how spans are queued.
func (s *settings) batchOptions() []sdktrace.BatchSpanProcessorOption {
	return []sdktrace.BatchSpanProcessorOption{
		sdktrace.WithMaxQueueSize(s.maxQueue), sdktrace.WithMaxExportBatchSize(s.maxBatch),
		sdktrace.WithBatchTimeout(s.batchDelay), sdktrace.WithExportTimeout(s.batchTimeout),
	}
}

// number returns the value of a variable that is a number from 1 to highest, or otherwise
// standard.
func (e *environment) number(name string, standard, highest int) int {
	text := e.get(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > highest {
		e.problem("%d is used: %s must be a number from 1 to %d, got %q", standard, name, highest, text)
		return standard
	}
	return n
}

// wanted reports whether traces are to be sent.
func (e *environment) wanted() bool {
	if strings.EqualFold(e.get("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	hasEndpoint := e.otlp("ENDPOINT") != ""
	names := e.get("OTEL_TRACES_EXPORTER")
	if names == "" {
		return hasEndpoint
	}
	wanted := false
	for name := range strings.SplitSeq(names, ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "otlp":
			wanted = true
		case "none", "":
		default:
			e.problem("OTEL_TRACES_EXPORTER must be otlp or none, got %q", name)
		}
	}
	return wanted
}

// endpoint returns where traces are sent, or false if the variable is wrong.
func (e *environment) endpoint() (*url.URL, bool) {
	name, path := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""
	text := e.get(name)
	if text == "" {
		name, path = "OTEL_EXPORTER_OTLP_ENDPOINT", tracesPath
		text = cmp.Or(e.get(name), defaultEndpoint)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		e.problem("none are sent: %s must be like %s", name, defaultEndpoint)
		return nil, false
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	return u, true
}

// protocol reports whether the receiver takes what is sent, which is protobuf over HTTP.
func (e *environment) protocol() bool {
	switch protocol := e.otlp("PROTOCOL"); protocol {
	case "", "http/protobuf":
	case "grpc":
		e.problem("none are sent: OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and only http/protobuf is spoken; set that, and the endpoint for it, usually port 4318")
		return false
	default:
		e.problem("http/protobuf is used: OTEL_EXPORTER_OTLP_PROTOCOL is %q", protocol)
	}
	return true
}

// header returns the header of each request.
func (e *environment) header() http.Header {
	header := http.Header{}
	for i, pair := range strings.Split(e.otlp("HEADERS"), ",") {
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		switch {
		case strings.TrimSpace(pair) == "":
		case !found || err != nil || !isToken(name) || !isFieldValue(value):
			e.problem("entry %d of OTEL_EXPORTER_OTLP_HEADERS is left out: it must be like name=value, URL-encoded", i+1)
		default:
			header.Set(name, value)
		}
	}
	return header
}

// isToken reports whether text can be the name of a header field.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// isFieldValue reports whether text can be the value of a header field.
func isFieldValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// timeout returns the time limit of one request.
func (e *environment) timeout() time.Duration {
	name := "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"
	if e.get(name) == "" {
		name = "OTEL_EXPORTER_OTLP_TIMEOUT"
	}
	return time.Duration(e.number(name, defaultTimeout, math.MaxInt32)) * time.Millisecond
}

// gzip reports whether requests are compressed.
func (e *environment) gzip() bool {
	compression := e.otlp("COMPRESSION")
	if !slices.Contains([]string{"", "none", "gzip"}, compression) {
		e.problem("they are not compressed: OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none, got %q", compression)
	}
	return compression == "gzip"
}

// tls returns how the receiver is connected over https.
func (e *environment) tls() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := e.otlp("CERTIFICATE"); file != "" {
		roots, err := readRoots(file)
		if err != nil {
			e.problem("OTEL_EXPORTER_OTLP_CERTIFICATE cannot be used: %v", err)
		} else {
			config.RootCAs = roots
		}
	}
	certificate, key := e.otlp("CLIENT_CERTIFICATE"), e.otlp("CLIENT_KEY")
	if certificate == "" && key == "" {
		return config
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		e.problem("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY cannot be used: %v", err)
		return config
	}
	config.Certificates = []tls.Certificate{pair}
	return config
}

// readRoots reads certificates in PEM.
func readRoots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("it holds no certificate in PEM")
	}
	return roots, nil
}

// propagate reports whether the parents of spans are taken from clients, which name them in the
// form of W3C Trace Context.
func (e *environment) propagate() bool {
	names := e.get("OTEL_PROPAGATORS")
	if names == "" {
		return true
	}
	propagate := false
	for name := range strings.SplitSeq(names, ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "tracecontext":
			propagate = true
		case "baggage", "none", "": // Nothing is sent on, so baggage has no use.
		default:
			e.problem("OTEL_PROPAGATORS must be tracecontext or none, got %q", name)
		}
	}
	return propagate
}
