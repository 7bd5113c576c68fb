package tracing

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.pem")
	if err := os.WriteFile(broken, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	type want struct {
		Endpoint  string // Empty: nothing is sent.
		Header    http.Header
		Timeout   time.Duration
		Gzip      bool
		Propagate bool
		Problems  int
	}
	onDefault := want{Endpoint: "http://collector:4318/v1/traces", Header: http.Header{}, Timeout: 10 * time.Second, Propagate: true}
	with := func(change func(*want)) want {
		changed := onDefault
		change(&changed)
		return changed
	}
	problem := with(func(w *want) { w.Problems = 1 })
	const on = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
	for name, tt := range map[string]struct {
		environment []string
		want        want
	}{
		"nothing is set":        {nil, want{}},
		"other variables":       {[]string{"OTEL_SERVICE_NAME=x", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, want{}},
		"an endpoint":           {[]string{on}, onDefault},
		"with a slash":          {[]string{on + "/"}, onDefault},
		"with a path":           {[]string{on + "/otlp/"}, with(func(w *want) { w.Endpoint = "http://collector:4318/otlp/v1/traces" })},
		"for traces":            {[]string{on, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://other/spans?x=1"}, with(func(w *want) { w.Endpoint = "https://other/spans?x=1" })},
		"the exporter":          {[]string{"OTEL_TRACES_EXPORTER=otlp"}, with(func(w *want) { w.Endpoint = "http://localhost:4318/v1/traces" })},
		"none":                  {[]string{on, "OTEL_TRACES_EXPORTER=none"}, want{}},
		"console":               {[]string{on, "OTEL_TRACES_EXPORTER=console"}, want{Problems: 1}},
		"console and otlp":      {[]string{on, "OTEL_TRACES_EXPORTER=console, OTLP"}, problem},
		"disabled":              {[]string{on, "OTEL_SDK_DISABLED=TRUE"}, want{}},
		"disabled by mistake":   {[]string{on, "OTEL_SDK_DISABLED=yes"}, onDefault},
		"no scheme":             {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318"}, want{Problems: 1}},
		"no URL":                {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://us:secret@[::1"}, want{Problems: 1}},
		"grpc":                  {[]string{on, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, want{Problems: 1}},
		"grpc, but not traces":  {[]string{on, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"}, onDefault},
		"http/json":             {[]string{on, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"}, problem},
		"headers":               {[]string{on, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20a%3Db, X-Scope=one,"}, with(func(w *want) { w.Header = http.Header{"Authorization": {"Bearer a=b"}, "X-Scope": {"one"}} })},
		"malformed headers":     {[]string{on, "OTEL_EXPORTER_OTLP_HEADERS=secret,a b=secret,c=secret%0d%0ax,d=secret%zz,=secret,e=1"}, with(func(w *want) { w.Header, w.Problems = http.Header{"E": {"1"}}, 5 })},
		"timeout":               {[]string{on, "OTEL_EXPORTER_OTLP_TIMEOUT=1500"}, with(func(w *want) { w.Timeout = 1500 * time.Millisecond })},
		"wrong timeout":         {[]string{on, "OTEL_EXPORTER_OTLP_TIMEOUT=10s"}, problem},
		"negative timeout":      {[]string{on, "OTEL_EXPORTER_OTLP_TIMEOUT=-1"}, problem},
		"gzip":                  {[]string{on, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip"}, with(func(w *want) { w.Gzip = true })},
		"wrong compression":     {[]string{on, "OTEL_EXPORTER_OTLP_COMPRESSION=brotli"}, problem},
		"missing certificate":   {[]string{on, "OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere"}, problem},
		"broken certificate":    {[]string{on, "OTEL_EXPORTER_OTLP_CERTIFICATE=" + broken}, problem},
		"a certificate, no key": {[]string{on, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=" + broken}, problem},
		"wrong batches":         {[]string{on, "OTEL_BSP_MAX_QUEUE_SIZE=-1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=many", "OTEL_BSP_SCHEDULE_DELAY=0", "OTEL_BSP_EXPORT_TIMEOUT=99999999999"}, with(func(w *want) { w.Problems = 4 })},
		"no propagation":        {[]string{on, "OTEL_PROPAGATORS=none"}, with(func(w *want) { w.Propagate = false })},
		"usual propagation":     {[]string{on, "OTEL_PROPAGATORS=tracecontext,baggage"}, onDefault},
		"other propagation":     {[]string{on, "OTEL_PROPAGATORS=b3,tracecontext"}, problem},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := map[string]string{}
			for _, line := range tt.environment {
				name, value, _ := strings.Cut(line, "=")
				variables[name] = value
			}
			s, problems := readSettings(func(name string) string { return variables[name] })
			got := want{Problems: len(problems)}
			if s != nil {
				got = want{s.endpoint.String(), s.header, s.timeout, s.gzip, s.propagate, len(problems)}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\nproblems: %q", diff, problems)
			}
			if s != nil && (s.maxQueue != 2048 || s.maxBatch != 512 || s.batchDelay != 5*time.Second || s.batchTimeout != 30*time.Second) {
				t.Errorf("got batches of %d in %d, %v, %v", s.maxBatch, s.maxQueue, s.batchDelay, s.batchTimeout)
			}
			if text := strings.Join(problems, " "); strings.Contains(text, "secret") {
				t.Errorf("a problem shows a value: %s", text)
			}
		})
	}
}
