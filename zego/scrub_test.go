package zego_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"
)

// checkHidden prints all that a program might print of a failed call, and checks that
// nothing is in it that must not show: the secret, and the signed queries of the requests.
func checkHidden(t *testing.T, name string, client *zego.Client, info zego.CallInfo, err error, queries []url.Values) {
	t.Helper()
	var printed bytes.Buffer
	slog.New(slog.NewJSONHandler(&printed, nil)).Error("x", "err", err, "client", client, "info", info)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		_, _ = fmt.Fprintf(&printed, "%v %+v %#v\n", cause, cause, cause)
	}
	_, _ = fmt.Fprintf(&printed, "%v %+v %#v", client, client, info)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		t.Errorf("%s: the error holds %#v", name, wrapped)
	}
	for _, query := range queries {
		for _, hidden := range []string{secret, query.Get("Signature"), query.Get("SignatureNonce"), query.Encode(), url.QueryEscape(query.Encode()), "Signature="} {
			if hidden != "" && strings.Contains(printed.String(), hidden) {
				t.Errorf("%s: %q shows in %s", name, hidden, printed.String())
			}
		}
	}
}

// TestSecretsNeverShow gets answers that repeat what was sent. The secret and the signature
// are in nothing that a program might print.
func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"message": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"Code":400000001,"Message":%q,"RequestId":%[1]q}`, r.URL.String()+secret)
		},
		"not JSON": func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.URL.String(), secret) },
		"HTML":     func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "<p>", r.URL.String(), secret) },
		"wrong type": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"Code":0,"Data":{"Total":%q}}`, r.URL.String())
		},
		"escaped": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"Code":400000001,"Message":"%s %s"}`, url.QueryEscape(r.URL.RawQuery), strings.ToUpper(r.URL.RawQuery))
		},
		"cut": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"Code":400000001,"Message":%q}`, r.URL.RawQuery[:len("Action=GetDigitalHumanList&AppId=1234567890&Signature=0123456789")])
		},
		"far away": func(w http.ResponseWriter, r *http.Request) { // The secret lies across the place where a text is cut first.
			_, _ = fmt.Fprintf(w, `{"Code":400000001,"Message":%q}`, strings.Repeat("\n", 16<<10-16)+secret+r.URL.RawQuery)
		},
		"name": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"Code":0,"Data":{"Total":1,"DigitalHumans":[{"Name":%q}]}}`, strings.Repeat(r.URL.RawQuery, 10))
		},
		"malformed redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://login.example:port/?next="+r.URL.RawQuery)
			w.WriteHeader(http.StatusFound)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?"+r.URL.RawQuery, http.StatusFound)
		},
		"drop": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"odd length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{}"))
		},
		"content type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", r.URL.Query().Get("Signature"))
			_, _ = w.Write([]byte("?"))
		},
	} {
		queries := make(chan url.Values, 10)
		client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			queries <- r.URL.Query()
			answer(w, r)
		}), zego.Options{})
		ctx, info := traced(t)
		_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		checkHidden(t, name, client, *info, err, received(queries))
	}
}

// TestSecretsInResults gets answers that are as documented, but have something that was sent in a
// text. The result does not repeat it either.
func TestSecretsInResults(t *testing.T) {
	t.Parallel()
	for want, hidden := range map[string]func(query url.Values) string{
		"Sophia":                  func(url.Values) string { return "Sophia" },
		"Sophia from [secret]":    func(url.Values) string { return "Sophia from " + secret },
		"Sophia from [signature]": func(query url.Values) string { return "Sophia from " + query.Get("Signature") },
		"Sophia [signature]":      func(query url.Values) string { return "Sophia " + strings.ToUpper(query.Get("Signature")) },
		"Sophia from [nonce]":     func(query url.Values) string { return "Sophia from " + query.Get("SignatureNonce") },
		"Sophia from [query]":     func(query url.Values) string { return "Sophia from " + query.Encode() },
	} {
		client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"Code":0,"Data":{"Total":1,"DigitalHumans":[{"DigitalHumanId":"x","Name":%q}]}}`, hidden(r.URL.Query()))
		}), zego.Options{})
		page, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{})
		if err != nil || page.DigitalHumans[0].Name != want {
			t.Errorf("got %+v, %v, want %s", page.DigitalHumans, err, want)
		}
	}
}

// received empties queries.
func received(queries chan url.Values) (all []url.Values) {
	for len(queries) > 0 {
		all = append(all, <-queries)
	}
	return all
}

// TestSecretsInTransportErrors lets net/http repeat what was sent: a listener that is not
// HTTP echoes the request, and a transport puts the URL into its error.
func TestSecretsInTransportErrors(t *testing.T) {
	t.Parallel()
	queries := make(chan url.Values, 10)
	for name, opts := range map[string]zego.Options{
		"echo": {Endpoint: "http://" + listenEcho(t, queries)},
		"transport": {HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			queries <- r.URL.Query()
			return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: errors.New("lost " + r.URL.String())}
		})}},
		"dial": {HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			queries <- r.URL.Query()
			return nil, &net.OpError{Op: "dial", Err: errors.New("for " + r.URL.String())}
		})}},
	} {
		opts.RetryInterval = time.Microsecond
		client := mustNew(t, opts)
		ctx, info := traced(t)
		_, err := client.ListStreamTasks(ctx)
		failed, ok := errors.AsType[*zego.TransportError](err)
		if !ok || !failed.Retryable() || info.Attempts != 4 {
			t.Errorf("%s: got %v after %d attempts", name, err, info.Attempts)
		}
		checkHidden(t, name, client, *info, err, received(queries))
	}
}

// listenEcho listens for connections, answers each with its first line, and returns the
// address. It sends the query of each request to queries.
func listenEcho(t *testing.T, queries chan<- url.Values) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			if request, err := url.ParseRequestURI(strings.Fields(line)[1]); err == nil {
				queries <- request.Query()
			}
			_, _ = io.WriteString(conn, line)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// TestErrorsAreShort gets answers with texts of megabytes. Errors and results repeat only
// their beginning.
func TestErrorsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long\\n", 1<<20)
	for name, answer := range map[string]string{
		"code":       `{"Code":` + strings.Repeat("9", 5<<20) + `}`,
		"message":    `{"Code":400000001,"Message":"` + long + `"}`,
		"request id": `{"Code":400000001,"RequestId":"` + long + `"}`,
		"odd Data":   `{"Code":0,"Data":{"Status":` + strings.Repeat("9", 5<<20) + `}}`,
		"no Data":    `{"Code":0,"RequestId":"` + long + `"}`,
	} {
		_, err := newClient(t, &script{answers: map[string][]string{"GetDigitalHumanStreamTaskStatus": {answer}}}, zego.Options{}).GetStreamTask(t.Context(), taskID)
		if err == nil || len(err.Error()) > 700 || strings.ContainsRune(err.Error(), '\n') || !strings.Contains(err.Error(), "…") {
			t.Errorf("%s: got an error of %d bytes: %.1000v", name, len(fmt.Sprint(err)), err)
		}
	}
	failed := succeeded(`{"Status":2,"FailReason":"` + long + `"}`)
	task, err := newClient(t, &script{answers: map[string][]string{"GetDigitalHumanStreamTaskStatus": {failed}}}, zego.Options{}).GetStreamTask(t.Context(), taskID)
	if err != nil || len(task.FailReason) > 510 || !strings.HasPrefix(task.FailReason, "long long") || !strings.HasSuffix(task.FailReason, "…") {
		t.Errorf("got a FailReason of %d bytes, %v", len(task.FailReason), err)
	}
}

// TestLongFields gets fields that are as long as they may be, and fields that are longer.
func TestLongFields(t *testing.T) {
	t.Parallel()
	calls := map[string]func(context.Context, *zego.Client) error{
		"GetDigitalHumanList": func(ctx context.Context, c *zego.Client) error {
			_, err := c.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
			return err
		},
		"GetDigitalHumanRenderInfo": func(ctx context.Context, c *zego.Client) error { _, err := c.GetRenderInfo(ctx, "x"); return err },
		"GetTimbreList": func(ctx context.Context, c *zego.Client) error {
			_, err := c.ListTimbres(ctx, zego.ListTimbresRequest{})
			return err
		},
		"QueryDigitalHumanStreamTasks": func(ctx context.Context, c *zego.Client) error { _, err := c.ListStreamTasks(ctx); return err },
		"GetDigitalHumanStreamTaskStatus": func(ctx context.Context, c *zego.Client) error {
			_, err := c.GetStreamTask(ctx, taskID)
			return err
		},
		"CreateDigitalHumanStreamTask": func(ctx context.Context, c *zego.Client) error {
			_, err := c.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{})
			return err
		},
		"DriveByText": func(ctx context.Context, c *zego.Client) error {
			_, err := c.DriveByText(ctx, zego.DriveByTextRequest{})
			return err
		},
		"DriveByWsStream": func(ctx context.Context, c *zego.Client) error { _, err := c.DriveByWSStream(ctx, taskID); return err },
		"GetDriveStatus":  func(ctx context.Context, c *zego.Client) error { _, err := c.GetDriveStatus(ctx, "t", ""); return err },
	}
	for _, tt := range []struct {
		action, data string // %s stands for the field's value.
		field        string
		max          int
	}{
		{"GetDigitalHumanList", `{"Total":1,"DigitalHumans":[{"DigitalHumanId":"%s"}]}`, "DigitalHumanId", 256},
		{"GetDigitalHumanList", `{"Total":1,"DigitalHumans":[{"DigitalHumanId":"x","Name":"%s"}]}`, "Name", 1000},
		{"GetDigitalHumanList", `{"Total":1,"DigitalHumans":[{"DigitalHumanId":"x","AvatarUrl":"%s"}]}`, "AvatarUrl", 8192},
		{"GetDigitalHumanList", `{"Total":1,"DigitalHumans":[{"DigitalHumanId":"x","Actions":[{"Action":"%s"}]}]}`, "Action", 1000},
		{"GetDigitalHumanList", `{"Total":1,"DigitalHumans":[{"DigitalHumanId":"x","Actions":[{"PreviewUrl":"%s"}]}]}`, "PreviewUrl", 8192},
		{"GetDigitalHumanRenderInfo", `{"ClientInferencePackageUrl":"%s"}`, "ClientInferencePackageUrl", 8192},
		{"GetTimbreList", `{"Total":1,"Timbres":[{"TimbreId":"%s"}]}`, "TimbreId", 256},
		{"GetTimbreList", `{"Total":1,"Timbres":[{"TimbreId":"x","Name":"%s"}]}`, "Name", 1000},
		{"GetTimbreList", `{"Total":1,"Timbres":[{"TimbreId":"x","AvatarUrl":"%s"}]}`, "AvatarUrl", 8192},
		{"QueryDigitalHumanStreamTasks", `{"TaskList":[{"TaskId":"%s","Status":3}]}`, "TaskId", 256},
		{"QueryDigitalHumanStreamTasks", `{"TaskList":[{"TaskId":"x","Status":3,"RoomId":"%s"}]}`, "RoomId", 256},
		{"GetDigitalHumanStreamTaskStatus", `{"Status":3,"StreamId":"%s"}`, "StreamId", 256},
		{"CreateDigitalHumanStreamTask", `{"TaskId":"%s"}`, "TaskId", 256},
		{"DriveByText", `{"DriveId":"%s"}`, "DriveId", 256},
		{"DriveByWsStream", `{"DriveId":"x","WssAddress":"%s"}`, "WssAddress", 8192},
		{"DriveByWsStream", `{"DriveId":"%s","WssAddress":"x"}`, "DriveId", 256},
		{"GetDriveStatus", `{"DriveList":[{"DriveId":"%s","Status":1}]}`, "DriveId", 256},
	} {
		for length, want := range map[int]string{tt.max: "", tt.max + 1: fmt.Sprintf("field %s has %d bytes, more than %d", tt.field, tt.max+1, tt.max)} {
			answer := succeeded(fmt.Sprintf(tt.data, strings.Repeat("x", length)))
			upstream := &script{answers: map[string][]string{tt.action: {answer}, "QueryDigitalHumanStreamTasks": {succeeded(`{}`)}}}
			upstream.answers[tt.action] = []string{answer}
			err := calls[tt.action](t.Context(), newClient(t, upstream, zego.Options{}))
			if bad := new(zego.ResponseError); want == "" && err != nil || want != "" && (!errors.As(err, &bad) || !strings.Contains(bad.Reason, want)) {
				t.Errorf("%s %s: got %v, want %q", tt.action, tt.data, err, want)
			}
		}
	}
}

// TestTooManyEntries gets pages with as many entries as were asked for, and with one more.
func TestTooManyEntries(t *testing.T) {
	t.Parallel()
	answers := func(n int) http.Handler {
		humans := strings.TrimSuffix(strings.Repeat(`{"DigitalHumanId":"x"},`, n), ",")
		timbres := strings.TrimSuffix(strings.Repeat(`{"TimbreId":"x"},`, n), ",")
		return &script{answers: map[string][]string{
			"GetDigitalHumanList": {succeeded(fmt.Sprintf(`{"Total":100,"DigitalHumans":[%s]}`, humans))},
			"GetTimbreList":       {succeeded(fmt.Sprintf(`{"Total":100,"Timbres":[%s]}`, timbres))},
		}}
	}
	for _, tt := range []struct {
		limit     *int
		came, max int
	}{{nil, 20, 20}, {nil, 21, 20}, {new(3), 3, 3}, {new(3), 4, 3}} {
		client := newClient(t, answers(tt.came), zego.Options{})
		_, err1 := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Limit: tt.limit})
		_, err2 := client.ListTimbres(t.Context(), zego.ListTimbresRequest{Limit: tt.limit})
		want := fmt.Sprintf("%d entries came, but at most %d were asked for", tt.came, tt.max)
		for _, err := range []error{err1, err2} {
			bad := new(zego.ResponseError)
			if isBad := errors.As(err, &bad); isBad != (tt.came > tt.max) || isBad && !strings.Contains(bad.Reason, want) {
				t.Errorf("%+v: got %v", tt, err)
			}
		}
	}
}
