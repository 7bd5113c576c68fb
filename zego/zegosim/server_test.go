package zegosim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/gif"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

const (
	list = "GetDigitalHumanList"
	info = "GetDigitalHumanInfo"

	renderInfo = "GetDigitalHumanRenderInfo"

	privateID = "077f52b8-1513-49f8-af14-54a57dadda2e"
	publicID  = "fa592895-d988-4584-b27b-97b8f4b921ad"
)

// noon is the time of the server, unless a test sets another.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// human and envelope are ZEGO's answers, written down from its documents.
type human struct {
	ID        string `json:"DigitalHumanId"`
	Name      string
	AvatarURL string `json:"AvatarUrl"`
	IsPublic  bool
	Actions   []struct {
		Action     string
		PreviewURL string `json:"PreviewUrl"`
	}
}

type envelope struct {
	Code      zego.Code
	Message   string
	RequestID string `json:"RequestId"`
	Data      struct {
		human
		Total         int
		DigitalHumans []human
	}
}

// start serves sim and returns its URL. The clock stands at noon, unless sim has Now.
func start(t *testing.T, sim *zegosim.Server) string {
	t.Helper()
	if sim.Now == nil {
		sim.Now = func() time.Time { return noon }
	}
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	return srv.URL
}

// nonces counts the queries, so that each has its own nonce.
var nonces atomic.Int64

// signed returns a valid query. If change is not nil, it changes the query before that
// is signed.
func signed(action string, change func(url.Values)) url.Values {
	q := url.Values{
		"Action":           {action},
		"AppId":            {fmt.Sprint(zegosim.DefaultAppID)},
		"SignatureNonce":   {fmt.Sprintf("%016x", nonces.Add(1))},
		"Timestamp":        {fmt.Sprint(noon.Unix())},
		"SignatureVersion": {"2.0"},
	}
	if change != nil {
		change(q)
	}
	appID, _ := strconv.ParseUint(q.Get("AppId"), 10, 32)
	timestamp, _ := strconv.ParseInt(q.Get("Timestamp"), 10, 64)
	q.Set("Signature", zego.Sign(uint32(appID), q.Get("SignatureNonce"), zegosim.DefaultSecret, timestamp))
	return q
}

// send sends a request, and reads the body of the response.
func send(t *testing.T, method, target, body string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return resp, raw, err
}

// call sends a call whose answer is an envelope.
func call(t *testing.T, base string, query url.Values, body string) envelope {
	t.Helper()
	resp, raw, err := send(t, http.MethodPost, base+"/?"+query.Encode(), body)
	if err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatalf("got status %d, body %q: %v", resp.StatusCode, raw, err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got status %d, want 200", resp.StatusCode)
	}
	return e
}

// TestGateway makes one common parameter after the other wrong. Some rows also make a
// parameter wrong that is checked later, which shows the order of the checks.
func TestGateway(t *testing.T) {
	t.Parallel()
	base := start(t, &zegosim.Server{QPS: -1})
	set := func(name, value string) func(url.Values) {
		return func(q url.Values) { q.Set(name, value) }
	}
	at := func(d time.Duration) func(url.Values) {
		return set("Timestamp", fmt.Sprint(noon.Add(d).Unix()))
	}

	tests := []struct {
		name    string
		changes []func(url.Values) // the code is for the first; the others would fail later checks
		want    zego.Code
	}{
		{"AppId missing", []func(url.Values){set("AppId", ""), set("Timestamp", "")}, zego.CodeGatewayAppIDMalformed},
		{"AppId not a number", []func(url.Values){set("AppId", "abc")}, zego.CodeGatewayAppIDMalformed},
		{"AppId beyond uint32", []func(url.Values){set("AppId", "4294967296")}, zego.CodeGatewayAppIDMalformed},
		{"Timestamp missing", []func(url.Values){set("Timestamp", ""), set("Action", "")}, zego.CodeGatewayTimestampEmpty},
		{"Timestamp malformed", []func(url.Values){set("Timestamp", "noon"), set("Action", "")}, zego.CodeGatewayTimestampMalformed},
		{"Action missing", []func(url.Values){set("Action", ""), set("SignatureNonce", "")}, zego.CodeGatewayActionEmpty},
		{"nonce missing", []func(url.Values){set("SignatureNonce", ""), set("SignatureVersion", "")}, zego.CodeGatewayNonceEmpty},
		{"version missing", []func(url.Values){set("SignatureVersion", ""), set("AppId", "1")}, zego.CodeGatewaySignatureVersionEmpty},
		{"version unsupported", []func(url.Values){set("SignatureVersion", "1.0"), set("AppId", "1")}, zego.CodeGatewaySignatureVersionUnsupported},
		{"AppId unknown", []func(url.Values){set("AppId", "1"), at(time.Hour)}, zego.CodeGatewayNoAppConfig},
		{"too old", []func(url.Values){at(-601 * time.Second), set("Action", "Fly")}, zego.CodeSignatureExpired},
		{"too new", []func(url.Values){at(601 * time.Second)}, zego.CodeSignatureExpired},
		{"absurdly old", []func(url.Values){set("Timestamp", "-9223372036854775808")}, zego.CodeSignatureExpired},
		{"Action unsupported", []func(url.Values){set("Action", "Fly")}, zego.CodeGatewayActionUnsupported},
		{"Action in lower case", []func(url.Values){set("Action", strings.ToLower(list))}, zego.CodeGatewayActionUnsupported},
		{"barely old enough", []func(url.Values){at(-600 * time.Second)}, 0},
		{"barely new enough", []func(url.Values){at(600 * time.Second)}, 0},
		{"nonce of any shape", []func(url.Values){set("SignatureNonce", "0.1 +&=知")}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := signed(list, func(q url.Values) {
				for _, change := range tt.changes {
					change(q)
				}
			})
			if got := call(t, base, q, `{"Limit":1}`); got.Code != tt.want {
				t.Errorf("got %d %q, want %d", got.Code, got.Message, tt.want)
			}
		})
	}

	for name, tt := range map[string]struct {
		signature, timestamp string
		want                 zego.Code
	}{
		"signature missing":           {"", "", zego.CodeGatewaySignatureEmpty},
		"signature wrong":             {strings.Repeat("0", 32), "", zego.CodeSignatureWrong},
		"signature wrong and too old": {strings.Repeat("0", 32), "1", zego.CodeSignatureExpired},
	} {
		t.Run(name, func(t *testing.T) {
			q := signed("Fly", nil) // an unsupported Action comes later
			q.Set("Signature", tt.signature)
			if tt.timestamp != "" {
				q.Set("Timestamp", tt.timestamp)
			}
			if got := call(t, base, q, ""); got.Code != tt.want {
				t.Errorf("got %d %q, want %d", got.Code, got.Message, tt.want)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	base := start(t, &zegosim.Server{QPS: -1})
	const invalid = zego.CodeInvalidParameter
	tests := []struct {
		action, body string
		want         zego.Code
		mentions     string
	}{
		{list, ``, 0, "success"},
		{list, `{}`, 0, "success"},
		{list, `{"FetchMode":null,"InferenceMode":1,"Other":{}}`, 0, "success"},
		{list, `{"FetchMode":1,"Offset":0,"Limit":1}`, 0, "success"},
		{list, `{"FetchMode":3,"Offset":1000000,"Limit":20}`, 0, "success"},
		{list, `{"FetchMode":0}`, invalid, "FetchMode"},
		{list, `{"FetchMode":4}`, invalid, "FetchMode"},
		{list, `{"Offset":-1}`, invalid, "Offset"},
		{list, `{"Offset":1000001}`, invalid, "Offset"},
		{list, `{"Limit":0}`, invalid, "Limit"},
		{list, `{"Limit":21}`, invalid, "Limit must be between 1 and 20, got 21"},
		{list, `{"Limit":"5"}`, invalid, "Limit must be an integer"},
		{list, `{"Limit":1.5}`, invalid, "Limit must be an integer"},
		{list, `{"Limit":99999999999999999999}`, invalid, "Limit"},
		{list, `{"Limit":true}`, invalid, "Limit"},
		{list, `[]`, invalid, "JSON object"},
		{list, `null`, invalid, "JSON object"},
		{list, `"{}"`, invalid, "JSON object"},
		{list, `{"Limit":1`, invalid, "JSON object"},
		{list, `{} {}`, invalid, "JSON object"},
		{list, `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, zego.CodeGatewayBodyUnreadable, "too large"},
		{info, `{"DigitalHumanId":"` + publicID + `"}`, 0, "success"},
		{info, `{"DigitalHumanId":"nobody"}`, zego.CodeDigitalHumanNotFound, `"nobody"`},
		{info, `{"digitalHumanId":"` + publicID + `"}`, invalid, "DigitalHumanId is required"},
		{info, `{"DigitalHumanId":""}`, invalid, "must not be empty"},
		{info, `{"DigitalHumanId":7}`, invalid, "must be a string"},
		{info, ``, invalid, "DigitalHumanId is required"},
		{list, `{"InferenceMode":2}`, 0, "success"},
		{list, `{"InferenceMode":3}`, invalid, "InferenceMode must be between 1 and 2, got 3"},
		{renderInfo, `{"DigitalHumanId":"` + publicID + `"}`, 0, "success"},
		{renderInfo, `{"DigitalHumanId":"nobody"}`, zego.CodeDigitalHumanNotFound, `"nobody"`},
		{renderInfo, `{}`, invalid, "DigitalHumanId is required"},
	}
	for _, tt := range tests {
		t.Run(tt.action+" "+tt.body[:min(len(tt.body), 40)], func(t *testing.T) {
			got := call(t, base, signed(tt.action, nil), tt.body)
			if got.Code != tt.want || !strings.Contains(got.Message, tt.mentions) {
				t.Errorf("got %d %q, want %d with %q", got.Code, got.Message, tt.want, tt.mentions)
			}
		})
	}
}

// TestRenderInfo follows the URL in the answer.
func TestRenderInfo(t *testing.T) {
	t.Parallel()
	base := start(t, &zegosim.Server{})
	_, raw, err := send(t, http.MethodPost, base+"/?"+signed(renderInfo, nil).Encode(), `{"DigitalHumanId":"`+publicID+`"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Code":0,"Message":"success","RequestId":"00000000-0000-4000-8000-000000000001","Data":{` +
		`"ClientInferencePackageUrl":"` + base + `/packages/` + publicID + `.zip","IsSupportSmallImageMode":true}}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	resp, archive, err := send(t, http.MethodGet, base+"/packages/"+publicID+".zip", "")
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.HasPrefix(archive, []byte("PK")) {
		t.Errorf("got %v, %q, %v", resp, archive, err)
	}
	if resp, _, err := send(t, http.MethodGet, base+"/packages/nobody.zip", ""); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown digital human: got %v, %v", resp, err)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	base := start(t, &zegosim.Server{})
	q := signed(list, func(q url.Values) { q.Set("Limit", "3") })
	_, raw, err := send(t, http.MethodGet, base+"/?"+q.Encode(), "")
	if err != nil {
		t.Fatal(err)
	}
	var got envelope
	if err := json.Unmarshal(raw, &got); err != nil || len(got.Data.DigitalHumans) != 3 {
		t.Errorf("got %s, want 3 digital humans", raw)
	}

	q = signed(list, func(q url.Values) { q.Set("Limit", "3") })
	if got := call(t, base, q, ""); len(got.Data.DigitalHumans) != 20 {
		t.Errorf("POST took Limit from the query: got %d digital humans, want 20", len(got.Data.DigitalHumans))
	}
}

func TestWire(t *testing.T) {
	t.Parallel()
	base := start(t, &zegosim.Server{Humans: []zego.DigitalHuman{{ID: "x", Name: "<知>", AvatarURL: "https://example.test/a.png?a=1&b=2"}}})
	resp, raw, err := send(t, http.MethodPost, base+"?"+signed(list, nil).Encode(), "{}")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Code":0,"Message":"success","RequestId":"00000000-0000-4000-8000-000000000001","Data":{"Total":1,` +
		`"DigitalHumans":[{"DigitalHumanId":"x","Name":"<知>","AvatarUrl":"https://example.test/a.png?a=1&b=2","Actions":[],"IsPublic":false}]}}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("success (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8",
		"Date":         "Mon, 23 Nov 2026 12:00:00 GMT",
		"Server":       "zego-simulator",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}

	_, raw, err = send(t, http.MethodPost, base+"/?"+signed(info, nil).Encode(), "{}")
	if err != nil {
		t.Fatal(err)
	}
	want = `{"Code":400000001,"Message":"DigitalHumanId is required","RequestId":"00000000-0000-4000-8000-000000000002"}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("failure (-want +got):\n%s", diff)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	base := start(t, &zegosim.Server{QPS: -1})
	for _, tt := range []struct {
		mode, total int
	}{{1, 64}, {2, 48}, {3, 16}} {
		seen := make(map[string]bool)
		for offset := 0; ; offset += 7 {
			page := call(t, base, signed(list, nil), fmt.Sprintf(`{"FetchMode":%d,"Offset":%d,"Limit":7}`, tt.mode, offset)).Data
			if page.Total != tt.total {
				t.Fatalf("mode %d, offset %d: got total %d, want %d", tt.mode, offset, page.Total, tt.total)
			}
			if want := min(7, max(0, tt.total-offset)); page.DigitalHumans == nil || len(page.DigitalHumans) != want {
				t.Fatalf("mode %d, offset %d: got %d digital humans (nil: %t), want %d", tt.mode, offset, len(page.DigitalHumans), page.DigitalHumans == nil, want)
			}
			for _, h := range page.DigitalHumans {
				seen[h.ID] = true
				if tt.mode == 2 && !h.IsPublic || tt.mode == 3 && h.IsPublic {
					t.Errorf("mode %d lists %s", tt.mode, h.Name)
				}
			}
			if len(page.DigitalHumans) == 0 {
				break
			}
		}
		if len(seen) != tt.total {
			t.Errorf("mode %d: got %d different ids, want %d", tt.mode, len(seen), tt.total)
		}
	}
}

func TestDefaultHumans(t *testing.T) {
	t.Parallel()
	humans := zegosim.DefaultHumans()
	if diff := cmp.Diff(humans, zegosim.DefaultHumans()); diff != "" {
		t.Errorf("DefaultHumans changes:\n%s", diff)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	ids, names := make(map[string]bool), make(map[string]bool)
	withActions := 0
	for _, h := range humans {
		if !uuid.MatchString(h.ID) || ids[h.ID] || names[h.Name] {
			t.Errorf("%s %s: not a UUID, or not unique", h.ID, h.Name)
		}
		ids[h.ID], names[h.Name] = true, true
		if h.Gestures == nil {
			t.Errorf("%s: Actions is nil", h.Name)
		}
		if len(h.Gestures) > 0 {
			withActions++
		}
	}
	if withActions != len(humans)/2 {
		t.Errorf("got %d with actions, want half of %d", withActions, len(humans))
	}

	base := start(t, &zegosim.Server{})
	for id, public := range map[string]bool{privateID: false, publicID: true} {
		got := call(t, base, signed(info, nil), `{"DigitalHumanId":"`+id+`"}`).Data
		if got.ID != id || got.IsPublic != public || got.Actions == nil {
			t.Errorf("got %+v, want %s, public %t", got.human, id, public)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	base := start(t, &zegosim.Server{Now: func() time.Time { return noon.Add(time.Duration(offset.Load())) }})
	steps := []struct {
		at      time.Duration
		action  string
		calls   int
		allowed int
	}{
		{0, list, 4, 4},
		{500 * time.Millisecond, list, 8, 6}, // refused ones do not count
		{500 * time.Millisecond, info, 1, 1}, // another action, another budget
		{999 * time.Millisecond, list, 1, 0},
		{1000 * time.Millisecond, list, 5, 4}, // the first four have left the window
		{1499 * time.Millisecond, list, 1, 0},
		{1500 * time.Millisecond, list, 7, 6},
		{-time.Minute, list, 11, 10}, // the clock turned back
	}
	for _, step := range steps {
		offset.Store(int64(step.at))
		allowed := 0
		for range step.calls {
			switch got := call(t, base, signed(step.action, nil), `{"DigitalHumanId":"`+publicID+`"}`); got.Code {
			case 0:
				allowed++
			case zego.CodeRateLimited:
			default:
				t.Fatalf("got %d %q", got.Code, got.Message)
			}
		}
		if allowed != step.allowed {
			t.Errorf("%v, %s: got %d of %d calls through, want %d", step.at, step.action, allowed, step.calls, step.allowed)
		}
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	for refused, want := range map[bool]zego.Code{false: 0, true: zego.CodeSignatureWrong} {
		base := start(t, &zegosim.Server{RefuseReplay: refused})
		q := signed(list, nil)
		if got := call(t, base, q, ""); got.Code != 0 {
			t.Errorf("first: got %d, want 0", got.Code)
		}
		if got := call(t, base, q, ""); got.Code != want {
			t.Errorf("RefuseReplay %t, second: got %d, want %d", refused, got.Code, want)
		}
		if got := call(t, base, signed(list, nil), ""); got.Code != 0 {
			t.Errorf("new nonce: got %d, want 0", got.Code)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	good := `{"Code":0,"Message":"success","RequestId":"00000000-0000-4000-8000-000000000001","Data":{"Total":0,"DigitalHumans":[]}}`
	code := func(c zego.Code, message string) string {
		return fmt.Sprintf(`{"Code":%d,"Message":%q,"RequestId":"00000000-0000-4000-8000-000000000001"}`, c, message)
	}
	tests := []struct {
		name   string
		fault  zegosim.Fault
		status int // 0: the answer does not arrive whole
		body   string
		header map[string]string
	}{
		{"none", zegosim.Fault{}, 200, good, nil},
		{"code", zegosim.Fault{Code: zego.CodeSystemBusy}, 200, code(zego.CodeSystemBusy, "simulated failure 400010002"), nil},
		{"code and message", zegosim.Fault{Code: zego.CodeServiceNotEnabled, Message: "no"}, 200, code(zego.CodeServiceNotEnabled, "no"), nil},
		{
			"clock ahead",
			zegosim.Fault{ClockOffset: time.Hour},
			200,
			code(zego.CodeSignatureExpired, "signature expired: Timestamp is 1795435200, the server's clock says 1795438800"),
			map[string]string{"Date": "Mon, 23 Nov 2026 13:00:00 GMT"},
		},
		{"latency", zegosim.Fault{Latency: time.Millisecond}, 200, good, nil},
		{"drop", zegosim.Fault{Drop: true}, 0, "", nil},
		{"truncate", zegosim.Fault{Truncate: true}, 0, good[:len(good)/2], nil},
		{"redirect", zegosim.Fault{Redirect: "https://example.test/"}, 302, "", map[string]string{"Location": "https://example.test/"}},
		{"redirect with status", zegosim.Fault{Redirect: "/x", Status: 307}, 307, "", map[string]string{"Location": "/x"}},
		{
			"status with envelope",
			zegosim.Fault{Status: 503, Code: zego.CodeSystemError, Message: "x", Header: http.Header{"retry-after": {"1"}}},
			503, code(zego.CodeSystemError, "x"),
			map[string]string{"Retry-After": "1"},
		},
		{
			"proxy page",
			zegosim.Fault{Status: 502, Body: "<html>Bad Gateway</html>"},
			502, "<html>Bad Gateway</html>",
			map[string]string{"Content-Type": "text/html; charset=utf-8"},
		},
		{"not JSON", zegosim.Fault{Body: "oops", ContentType: "text/plain"}, 200, "oops", map[string]string{"Content-Type": "text/plain"}},
		{"empty", zegosim.Fault{Empty: true}, 200, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			base := start(t, &zegosim.Server{
				Humans: []zego.DigitalHuman{},
				Fault: func(action string, call int) *zegosim.Fault {
					if action != list || call > 1 {
						return nil
					}
					return &tt.fault
				},
			})
			resp, raw, err := send(t, http.MethodPost, base+"/?"+signed(list, nil).Encode(), "")
			if (err != nil) != (tt.status == 0) {
				t.Fatalf("got error %v, want status %d", err, tt.status)
			}
			if string(raw) != tt.body {
				t.Errorf("got body %q, want %q", raw, tt.body)
			}
			if err == nil && resp.StatusCode != tt.status {
				t.Errorf("got status %d, want %d", resp.StatusCode, tt.status)
			}
			for name, want := range tt.header {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if got := call(t, base, signed(list, nil), ""); got.Code != 0 {
				t.Errorf("the call after: got %d, want 0", got.Code)
			}
		})
	}
}

func TestFaultSparesWrongSignatures(t *testing.T) {
	t.Parallel()
	base := start(t, &zegosim.Server{Fault: func(string, int) *zegosim.Fault {
		return &zegosim.Fault{Code: zego.CodeSystemBusy}
	}})
	q := signed(list, nil)
	q.Set("Signature", "wrong")
	if got := call(t, base, q, ""); got.Code != zego.CodeSignatureWrong {
		t.Errorf("got %d, want %d", got.Code, zego.CodeSignatureWrong)
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	base := start(t, &zegosim.Server{
		Fault:   func(string, int) *zegosim.Fault { return &zegosim.Fault{Stall: true} },
		Observe: func(zegosim.Call) { close(arrived) },
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/?"+signed(list, nil).Encode(), strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-arrived // Unlike a deadline, hangs up only once the call has arrived.
		hangUp()
	}()
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("got status %d, want no answer", resp.StatusCode)
	}
	// start's Close returns only if the handler noticed.
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var got []zegosim.Call
	base := start(t, &zegosim.Server{Observe: func(c zegosim.Call) {
		c.Header = nil
		got = append(got, c)
	}})
	call(t, base, signed(list, nil), `{"Limit": 1}`)
	call(t, base, signed(info, nil), ``)
	call(t, base, signed(list, nil), `{"Limit":0}`)
	call(t, base, signed("Fly", nil), `{}`)
	want := []zegosim.Call{
		{Action: list, Number: 1, Method: "POST", Body: []byte(`{"Limit": 1}`)},
		{Action: info, Number: 1, Method: "POST", Body: []byte{}, Code: zego.CodeInvalidParameter},
		{Action: list, Number: 2, Method: "POST", Body: []byte(`{"Limit":0}`), Code: zego.CodeInvalidParameter},
		{Action: "Fly", Method: "POST", Body: []byte(`{}`), Code: zego.CodeGatewayActionUnsupported},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestPictures(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	base := start(t, &zegosim.Server{Now: func() time.Time { return noon.Add(time.Duration(offset.Load())) }})
	page := call(t, base, signed(list, nil), `{"Limit":5}`).Data.DigitalHumans

	seen := make(map[string]bool)
	for _, h := range page {
		if !strings.HasPrefix(h.AvatarURL, base+"/avatars/") {
			t.Errorf("got AvatarUrl %s, want it at %s", h.AvatarURL, base)
		}
		resp, raw, err := send(t, http.MethodGet, h.AvatarURL, "")
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(raw))
		if err != nil || resp.Header.Get("Content-Type") != "image/png" {
			t.Fatalf("%s: %v, %s", h.AvatarURL, err, resp.Header.Get("Content-Type"))
		}
		if got := img.Bounds().Size(); got.X != 256 || got.Y != 256 {
			t.Errorf("got size %v, want 256 by 256", got)
		}
		seen[string(raw)] = true
	}
	if len(seen) != len(page) {
		t.Errorf("got %d different pictures of %d digital humans", len(seen), len(page))
	}

	_, raw, err := send(t, http.MethodGet, page[0].Actions[0].PreviewURL, "")
	if err != nil {
		t.Fatal(err)
	}
	if preview, err := gif.DecodeAll(bytes.NewReader(raw)); err != nil || len(preview.Image) < 2 {
		t.Errorf("preview: %v, want an animation", err)
	}

	avatar := base + "/avatars/" + publicID + ".png"
	inADay := noon.Add(24 * time.Hour).Unix()
	for _, tt := range []struct {
		name, method, target string
		at                   time.Duration
		want                 int
	}{
		{"in time", "GET", page[0].AvatarURL, 24 * time.Hour, 200},
		{"too late", "GET", page[0].AvatarURL, 24*time.Hour + time.Second, 403},
		{"without Expires", "GET", avatar, 0, 403},
		{"HEAD", "HEAD", fmt.Sprintf("%s?Expires=%d", avatar, inADay), 0, 200},
		{"POST", "POST", page[0].AvatarURL, 0, 405},
		{"unknown", "GET", fmt.Sprintf("%s/avatars/nobody.png?Expires=%d", base, inADay), 0, 404},
		{"unknown action", "GET", base + "/previews/" + publicID + "/fly.gif", 0, 404},
		{"another path", "POST", base + "/v1/?" + signed(list, nil).Encode(), 0, 405},
		{"another path, read", "GET", base + "/v1/", 0, 404},
	} {
		offset.Store(int64(tt.at))
		resp, _, err := send(t, tt.method, tt.target, "")
		if err != nil || resp.StatusCode != tt.want {
			t.Errorf("%s: got %v %v, want %d", tt.name, resp, err, tt.want)
		}
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	base := start(t, &zegosim.Server{Humans: []zego.DigitalHuman{{ID: "a/b", Name: "<b>"}}})
	resp, raw, err := send(t, http.MethodGet, base+"/", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"test double", list, "&lt;b&gt;", "/avatars/a%2Fb.png?Expires="} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("status %d, %q is not in the page", resp.StatusCode, want)
		}
	}
	if strings.Contains(string(raw), zegosim.DefaultSecret) {
		t.Error("the page shows the secret")
	}
	for method, want := range map[string]int{"HEAD": 200, "PUT": 405, "DELETE": 405} {
		if resp, _, err := send(t, method, base+"/", ""); err != nil || resp.StatusCode != want {
			t.Errorf("%s: got %v %v, want %d", method, resp, err, want)
		}
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	var observed atomic.Int64
	base := start(t, &zegosim.Server{
		QPS: 25, RefuseReplay: true,
		Observe: func(zegosim.Call) { observed.Add(1) },
	})
	avatar := fmt.Sprintf("%s/avatars/%s.png?Expires=%d", base, publicID, noon.Unix())

	var wg sync.WaitGroup
	var ok, limited atomic.Int64
	ids := make(chan string, 100)
	for range 10 {
		wg.Go(func() {
			for range 10 {
				_, raw, err := send(t, http.MethodPost, base+"/?"+signed(list, nil).Encode(), "{}")
				var e envelope
				if err == nil {
					err = json.Unmarshal(raw, &e)
				}
				if err != nil {
					t.Error(err)
					continue
				}
				ids <- e.RequestID
				switch e.Code {
				case 0:
					ok.Add(1)
				case zego.CodeRateLimited:
					limited.Add(1)
				}
			}
			if resp, _, err := send(t, http.MethodGet, avatar, ""); err != nil || resp.StatusCode != 200 {
				t.Errorf("avatar: got %v %v", resp, err)
			}
		})
	}
	wg.Wait()
	close(ids)
	unique := make(map[string]bool)
	for id := range ids {
		unique[id] = true
	}
	if ok.Load() != 25 || limited.Load() != 75 || observed.Load() != 100 || len(unique) != 100 {
		t.Errorf("got %d through, %d limited, %d observed, %d request ids; want 25, 75, 100, 100", ok.Load(), limited.Load(), observed.Load(), len(unique))
	}
}
