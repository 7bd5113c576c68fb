package zegosim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

const (
	timbres   = "GetTimbreList"
	create    = "CreateDigitalHumanStreamTask"
	status    = "GetDigitalHumanStreamTaskStatus"
	query     = "QueryDigitalHumanStreamTasks"
	stop      = "StopDigitalHumanStreamTask"
	byText    = "DriveByText"
	byAudio   = "DriveByAudio"
	byVoice   = "DriveByWsStream"
	byRTC     = "DriveByRTCStream"
	doAction  = "DoAction"
	interrupt = "InterruptDriveTask"
	drives    = "GetDriveStatus"

	publicTimbre = "d4bc0764-c074-44fd-b43e-46acdf87fcd9"
	firstTask    = "00000000-0000-4000-8001-000000000001"
	invalid      = zego.CodeInvalidParameter
	createBody   = `{"DigitalHumanConfig":{"DigitalHumanId":"` + publicID + `"},"RTCConfig":{"RoomId":"room","StreamId":"stream"}}`
	textBody     = `{"TaskId":"` + firstTask + `","Text":"0123456789abcde","TTSConfig":{"TimbreId":"` + publicTimbre + `"}}` // takes a second
	audioBody    = `{"TaskId":"` + firstTask + `","AudioUrl":"https://example.test/a.wav"}`                                  // takes five
	audioNowBody = `{"InterruptMode":1,"TaskId":"` + firstTask + `","AudioUrl":"https://example.test/a.wav"}`
	rtcBody      = `{"TaskId":"` + firstTask + `","RTCConfig":{"RoomId":"other","StreamId":"voice"}}`
	taskBody     = `{"TaskId":"` + firstTask + `"}`
)

// testServer is a simulator whose clock the test sets.
type testServer struct {
	*testing.T
	base    string
	handler http.Handler // if set, calls go to it instead of base, and the clock is time.Now
	since   atomic.Int64 // nanoseconds from noon to the time of the clock
}

func newTestServer(t *testing.T, sim *zegosim.Server) *testServer {
	ts := &testServer{T: t}
	sim.QPS = -1
	sim.Now = ts.now
	ts.base = start(t, sim)
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return ts
}

func (ts *testServer) now() time.Time {
	if ts.handler != nil {
		return time.Now()
	}
	return noon.Add(time.Duration(ts.since.Load()))
}

// setClock sets the clock to a time after noon.
func (ts *testServer) setClock(since time.Duration) { ts.since.Store(int64(since)) }

// answer has the fields of all of ZEGO's answers, written down from its documents.
type answer struct {
	Code    zego.Code
	Message string
	Data    answerData
}

type answerData struct {
	TaskID     string `json:"TaskId"`
	DriveID    string `json:"DriveId"`
	WSSAddress string `json:"WssAddress"`
	RoomID     string `json:"RoomId"`
	StreamID   string `json:"StreamId"`
	Status     int
	FailReason string
	CreateTime int64
	TaskList   []struct {
		TaskID     string `json:"TaskId"`
		RoomID     string `json:"RoomId"`
		StreamID   string `json:"StreamId"`
		Status     int
		CreateTime int64
	}
	DriveList []struct {
		DriveID string `json:"DriveId"`
		Status  int
	}
	Total   int
	Timbres []struct {
		TimbreID  string `json:"TimbreId"`
		Name      string
		AvatarURL string `json:"AvatarUrl"`
	}
}

// raw calls an action and returns the body.
func (ts *testServer) raw(action, body string) []byte {
	ts.Helper()
	q := signed(action, func(q url.Values) { q.Set("Timestamp", fmt.Sprint(ts.now().Unix())) })
	if ts.handler != nil {
		answer := httptest.NewRecorder()
		ts.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/?"+q.Encode(), strings.NewReader(body)))
		return answer.Body.Bytes()
	}
	_, raw, err := send(ts.T, http.MethodPost, ts.base+"/?"+q.Encode(), body)
	if err != nil {
		ts.Fatal(err)
	}
	return raw
}

func (ts *testServer) call(action, body string) answer {
	ts.Helper()
	var a answer
	raw := ts.raw(action, body)
	if err := json.Unmarshal(raw, &a); err != nil {
		ts.Fatalf("%s: %v in %s", action, err, raw)
	}
	return a
}

// mustCall calls an action that must succeed.
func (ts *testServer) mustCall(action, body string) answerData {
	ts.Helper()
	a := ts.call(action, body)
	if a.Code != 0 {
		ts.Fatalf("%s: got %d %q, want success", action, a.Code, a.Message)
	}
	return a.Data
}

// wantCode calls an action and checks the code of the answer.
func (ts *testServer) wantCode(action, body string, want zego.Code) {
	ts.Helper()
	if a := ts.call(action, body); a.Code != want {
		ts.Errorf("%s: got %d %q, want %d", action, a.Code, a.Message, want)
	}
}

// createStreaming creates a task at noon, and sets the clock to 10 seconds after noon,
// when it streams.
func (ts *testServer) createStreaming(body string) {
	ts.Helper()
	ts.mustCall(create, body)
	ts.setClock(10 * time.Second)
}

// driveStatuses returns the status of each drive of the first task.
func (ts *testServer) driveStatuses() []int {
	ts.Helper()
	got := []int{}
	for _, d := range ts.mustCall(drives, taskBody).DriveList {
		got = append(got, d.Status)
	}
	return got
}

func (ts *testServer) wantDrives(want ...int) {
	ts.Helper()
	if got := ts.driveStatuses(); !slices.Equal(got, want) {
		ts.Errorf("%v: got drive statuses %v, want %v", time.Duration(ts.since.Load()), got, want)
	}
}

// withFields puts fields in front of the fields of a JSON object.
func withFields(fields, body string) string { return "{" + fields + "," + body[1:] }

// TestTaskWire compares each answer with the example of ZEGO's documents. The ids differ.
func TestTaskWire(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{Timbres: []zegosim.Timbre{{ID: publicTimbre, Name: "知小白", AvatarURL: "https://example.test/a.png"}}})
	for i, tt := range []struct {
		after        time.Duration
		action, body string
		data         string
	}{
		{0, timbres, `{}`, `{"Total":1,"Timbres":[{"TimbreId":"` + publicTimbre + `","Name":"知小白","AvatarUrl":"https://example.test/a.png"}]}`},
		{0, query, `{}`, `{"TaskList":[]}`},
		{0, create, createBody, `{"TaskId":"` + firstTask + `"}`},
		{0, query, `{}`, `{"TaskList":[{"TaskId":"` + firstTask + `","RoomId":"room","StreamId":"stream","Status":1,"CreateTime":1795435200}]}`},
		{5 * time.Second, status, taskBody, `{"RoomId":"room","StreamId":"stream","Status":3,"CreateTime":1795435200}`},
		{5 * time.Second, drives, taskBody, `{"DriveList":[]}`},
		{5 * time.Second, byText, textBody, `{"DriveId":"00000000-0000-4000-8002-000000000001"}`},
		{5 * time.Second, byAudio, audioBody, `{"DriveId":"00000000-0000-4000-8002-000000000002"}`},
		{5 * time.Second, drives, `{"DriveId":"00000000-0000-4000-8002-000000000002"}`, `{"DriveList":[{"DriveId":"00000000-0000-4000-8002-000000000002","Status":1}]}`},
		{5 * time.Second, byRTC, rtcBody, `{"DriveId":"00000000-0000-4000-8002-000000000003"}`},
		{5 * time.Second, doAction, withFields(`"Action":"idle_action"`, taskBody), ``},
		{5 * time.Second, interrupt, taskBody, ``},
		{5 * time.Second, stop, taskBody, ``},
	} {
		ts.setClock(tt.after)
		want := fmt.Sprintf(`{"Code":0,"Message":"success","RequestId":"00000000-0000-4000-8000-%012x"`, i+1)
		if tt.data != "" {
			want += `,"Data":` + tt.data
		}
		if diff := cmp.Diff(want+"}", string(ts.raw(tt.action, tt.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.action, diff)
		}
	}
}

func TestCreateParameters(t *testing.T) {
	t.Parallel()
	rtc := func(room, stream string) string {
		return `{"DigitalHumanConfig":{"DigitalHumanId":"` + publicID + `"},"RTCConfig":{"RoomId":` + room + `,"StreamId":` + stream + `}}`
	}
	human := func(config string) string {
		return `{"DigitalHumanConfig":` + config + `,"RTCConfig":{"RoomId":"room","StreamId":"stream"}}`
	}
	long := strings.Repeat("x", 128)
	for _, tt := range []struct {
		name, body string
		want       zego.Code
		mentions   string
	}{
		{"required parameters", createBody, 0, ""},
		{"all parameters", withFields(`"TTL":10,"MaxIdleTime":30,"ExtraConfig":{"OutputMode":2}`, human(`{"DigitalHumanId":"`+publicID+`","BackgroundColor":"#80fFfFfF"}`)), 0, ""},
		{"OutputMode 1", withFields(`"ExtraConfig":{"OutputMode":1}`, createBody), 0, ""},
		{"ExtraConfig empty", withFields(`"ExtraConfig":{}`, createBody), 0, ""},
		{"OutputMode 0", withFields(`"ExtraConfig":{"OutputMode":0}`, createBody), invalid, "ExtraConfig.OutputMode must be between 1 and 2, got 0"},
		{"OutputMode 3", withFields(`"ExtraConfig":{"OutputMode":3}`, createBody), invalid, "ExtraConfig.OutputMode must be between 1 and 2, got 3"},
		{"OutputMode by name", withFields(`"ExtraConfig":{"OutputMode":"mobile"}`, createBody), invalid, "ExtraConfig.OutputMode must be an integer"},
		{"ExtraConfig no object", withFields(`"ExtraConfig":2`, createBody), invalid, "ExtraConfig must be an object"},
		{"maxima", withFields(`"TTL":86400,"MaxIdleTime":86400`, rtc(`"`+long+`"`, `"`+long+`"`)), 0, ""},
		{"null is absent", withFields(`"TTL":null`, createBody), 0, ""},
		{"nothing", `{}`, invalid, "DigitalHumanConfig is required"},
		{"no RTCConfig", `{"DigitalHumanConfig":{"DigitalHumanId":"` + publicID + `"}}`, invalid, "RTCConfig is required"},
		{"RTCConfig no object", `{"DigitalHumanConfig":{"DigitalHumanId":"` + publicID + `"},"RTCConfig":[]}`, invalid, "RTCConfig must be an object"},
		{"fields outside of their object", `{"DigitalHumanId":"` + publicID + `","RoomId":"room","StreamId":"stream"}`, invalid, "DigitalHumanConfig is required"},
		{"no human", human(`{}`), invalid, "DigitalHumanConfig.DigitalHumanId is required"},
		{"human unknown", human(`{"DigitalHumanId":"nobody"}`), zego.CodeDigitalHumanNotFound, `"nobody"`},
		{"human unknown and TTL wrong", withFields(`"TTL":9`, human(`{"DigitalHumanId":"nobody"}`)), invalid, "TTL"},
		{"colour without #", human(`{"DigitalHumanId":"` + publicID + `","BackgroundColor":"ffffff"}`), invalid, "DigitalHumanConfig.BackgroundColor must be # and 6 or 8 hex digits"},
		{"colour of 3 digits", human(`{"DigitalHumanId":"` + publicID + `","BackgroundColor":"#fff"}`), invalid, "BackgroundColor"},
		{"colour by name", human(`{"DigitalHumanId":"` + publicID + `","BackgroundColor":"white"}`), invalid, "BackgroundColor"},
		{"colour no string", human(`{"DigitalHumanId":"` + publicID + `","BackgroundColor":0}`), invalid, "DigitalHumanConfig.BackgroundColor must be a string"},
		{"RoomId missing", `{"DigitalHumanConfig":{"DigitalHumanId":"` + publicID + `"},"RTCConfig":{"StreamId":"stream"}}`, invalid, "RTCConfig.RoomId is required"},
		{"RoomId empty", rtc(`""`, `"stream"`), invalid, "RTCConfig.RoomId must not be empty"},
		{"RoomId too long", rtc(`"`+long+`x"`, `"stream"`), invalid, "RTCConfig.RoomId must have 1 to 128 bytes, got 129"},
		{"RoomId with a space", rtc(`"a room"`, `"stream"`), invalid, "RTCConfig.RoomId may hold"},
		{"StreamId too long", rtc(`"room"`, `"`+long+`x"`), invalid, "RTCConfig.StreamId must have 1 to 128 bytes"},
		{"StreamId in Chinese", rtc(`"room"`, `"流"`), invalid, "RTCConfig.StreamId may hold"},
		{"StreamId with a newline", rtc(`"room"`, `"stream\n"`), invalid, "RTCConfig.StreamId may hold"},
		{"TTL too small", withFields(`"TTL":9`, createBody), invalid, "TTL must be between 10 and 86400, got 9"},
		{"TTL too big", withFields(`"TTL":86401`, createBody), invalid, "TTL"},
		{"MaxIdleTime too small", withFields(`"MaxIdleTime":29`, createBody), invalid, "MaxIdleTime must be between 30 and 86400, got 29"},
		{"MaxIdleTime too big", withFields(`"MaxIdleTime":86401`, createBody), invalid, "MaxIdleTime"},
		{"MaxIdleTime no number", withFields(`"MaxIdleTime":"60"`, createBody), invalid, "MaxIdleTime must be an integer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, &zegosim.Server{})
			got := ts.call(create, tt.body)
			if got.Code != tt.want || !strings.Contains(got.Message, tt.mentions) {
				t.Errorf("got %d %q, want %d with %q", got.Code, got.Message, tt.want, tt.mentions)
			}
		})
	}
}

func TestCreateByGet(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{})
	for rtc, want := range map[string]zego.Code{`{"RoomId":"room","StreamId":"stream"}`: 0, `room`: invalid} {
		q := signed(create, func(q url.Values) {
			q.Set("DigitalHumanConfig", `{"DigitalHumanId":"`+publicID+`"}`)
			q.Set("RTCConfig", rtc)
		})
		_, raw, err := send(t, http.MethodGet, ts.base+"/?"+q.Encode(), "")
		var got answer
		if err != nil || json.Unmarshal(raw, &got) != nil || got.Code != want {
			t.Errorf("%s: got %s, %v, want %d", rtc, raw, err, want)
		}
	}
}

// TestTaskIDs calls all actions of a task in each of its states.
func TestTaskIDs(t *testing.T) {
	t.Parallel()
	gesture := withFields(`"Action":"idle_action"`, taskBody)
	bodies := map[string]string{
		status: taskBody, stop: taskBody, byText: textBody, byAudio: audioBody, byVoice: taskBody, byRTC: rtcBody,
		doAction: gesture, interrupt: taskBody, drives: taskBody,
	}
	codes := func(other zego.Code, but map[string]zego.Code) map[string]zego.Code {
		all := make(map[string]zego.Code)
		for action := range bodies {
			all[action] = other
			if code, ok := but[action]; ok {
				all[action] = code
			}
		}
		return all
	}
	fails := func(string, string) string { return "no GPU" }
	for _, tt := range []struct {
		name    string
		fail    func(roomID, streamID string) string
		prepare func(ts *testServer)
		want    map[string]zego.Code
	}{
		{"unknown", nil, func(*testServer) {}, codes(zego.CodeTaskNotFound, nil)},
		{"initializing", nil, func(ts *testServer) {
			ts.mustCall(create, createBody)
			ts.setClock(1499 * time.Millisecond)
		}, codes(zego.CodeStreamNotStarted, map[string]zego.Code{status: 0, stop: 0, drives: 0})},
		{"failed", fails, func(ts *testServer) { ts.createStreaming(createBody) }, codes(zego.CodeStreamStopped, map[string]zego.Code{status: 0, drives: 0})},
		{"streaming", nil, func(ts *testServer) {
			ts.mustCall(create, createBody)
			ts.setClock(1500 * time.Millisecond)
		}, codes(0, nil)},
		{"stopping", nil, func(ts *testServer) {
			ts.createStreaming(createBody)
			ts.mustCall(stop, taskBody)
			ts.setClock(10*time.Second + 999*time.Millisecond)
		}, codes(zego.CodeStreamStopped, map[string]zego.Code{status: 0, drives: 0})},
		{"stopped", nil, func(ts *testServer) {
			ts.createStreaming(createBody)
			ts.mustCall(stop, taskBody)
			ts.setClock(11 * time.Second)
		}, codes(zego.CodeStreamStopped, map[string]zego.Code{drives: 0})},
		{"stopped, just remembered", nil, func(ts *testServer) {
			ts.createStreaming(createBody)
			ts.mustCall(stop, taskBody)
			ts.setClock(time.Hour + 10*time.Second)
		}, codes(zego.CodeStreamStopped, map[string]zego.Code{drives: 0})},
		{"forgotten", nil, func(ts *testServer) {
			ts.createStreaming(createBody)
			ts.mustCall(stop, taskBody)
			ts.setClock(time.Hour + 11*time.Second)
		}, codes(zego.CodeTaskNotFound, nil)},
	} {
		for action, want := range tt.want {
			t.Run(tt.name+" "+action, func(t *testing.T) {
				t.Parallel()
				ts := newTestServer(t, &zegosim.Server{FailStart: tt.fail})
				tt.prepare(ts)
				ts.wantCode(action, bodies[action], want)
				if !strings.Contains(bodies[action], "Text") {
					ts.wantCode(action, `{}`, invalid)
				}
			})
		}
	}
}

func TestTaskLife(t *testing.T) {
	t.Parallel()
	type step struct {
		at   time.Duration
		want int // status; 0: the call is refused with CodeStreamStopped
	}
	for _, tt := range []struct {
		name  string
		sim   *zegosim.Server
		body  string
		act   func(ts *testServer)
		steps []step
	}{
		{
			"TTL", &zegosim.Server{}, withFields(`"TTL":10`, createBody), nil,
			[]step{{0, 1}, {1499 * time.Millisecond, 1}, {1500 * time.Millisecond, 3}, {9999 * time.Millisecond, 3}, {10 * time.Second, 4}, {11 * time.Second, 0}},
		},
		{"TTL, first call an hour later", &zegosim.Server{}, withFields(`"TTL":10`, createBody), nil, []step{{time.Hour, 0}}},
		{
			"TTL before the start", &zegosim.Server{StartDelay: time.Minute}, withFields(`"TTL":10`, createBody), nil,
			[]step{{9 * time.Second, 1}, {10 * time.Second, 4}, {11 * time.Second, 0}},
		},
		{
			"idle from the start", &zegosim.Server{StartDelay: time.Second}, withFields(`"MaxIdleTime":30`, createBody), nil,
			[]step{{30 * time.Second, 3}, {31 * time.Second, 4}, {32 * time.Second, 0}},
		},
		{"usual idle time", &zegosim.Server{StartDelay: -1}, createBody, nil, []step{{0, 3}, {899 * time.Second, 3}, {900 * time.Second, 4}}},
		{
			"idle from the end of the last drive", &zegosim.Server{}, withFields(`"MaxIdleTime":30`, createBody), func(ts *testServer) {
				ts.setClock(10 * time.Second)
				ts.mustCall(byAudio, audioBody)
				ts.mustCall(byAudio, audioBody)
			},
			[]step{{49999 * time.Millisecond, 3}, {50 * time.Second, 4}},
		},
		{
			"a drive is not idle", &zegosim.Server{}, withFields(`"MaxIdleTime":30`, createBody), func(ts *testServer) {
				ts.setClock(10 * time.Second)
				ts.mustCall(byRTC, rtcBody)
			},
			[]step{{time.Hour, 3}, {24 * time.Hour, 4}},
		},
		{
			"idle from an interrupt", &zegosim.Server{}, withFields(`"MaxIdleTime":30`, createBody), func(ts *testServer) {
				ts.setClock(10 * time.Second)
				ts.mustCall(byRTC, rtcBody)
				ts.setClock(20 * time.Second)
				ts.mustCall(interrupt, taskBody)
			},
			[]step{{49 * time.Second, 3}, {50 * time.Second, 4}},
		},
		{
			"a gesture is idle", &zegosim.Server{StartDelay: -1}, withFields(`"MaxIdleTime":30`, createBody), func(ts *testServer) {
				ts.setClock(10 * time.Second)
				ts.mustCall(doAction, withFields(`"Action":"idle_action"`, taskBody))
			},
			[]step{{30 * time.Second, 4}},
		},
		{
			"stopped while initializing", &zegosim.Server{}, createBody, func(ts *testServer) { ts.mustCall(stop, taskBody) },
			[]step{{0, 4}, {time.Second, 0}},
		},
		{
			"failed", &zegosim.Server{FailStart: func(room, stream string) string { return room + " and " + stream }}, createBody, nil,
			[]step{{0, 1}, {1500 * time.Millisecond, 2}, {time.Hour, 2}},
		},
		{"starts in spite of FailStart", &zegosim.Server{FailStart: func(string, string) string { return "" }}, createBody, nil, []step{{2 * time.Second, 3}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, tt.sim)
			ts.mustCall(create, tt.body)
			if tt.act != nil {
				tt.act(ts)
			}
			for _, step := range tt.steps {
				ts.setClock(step.at)
				if step.want == 0 {
					ts.wantCode(status, taskBody, zego.CodeStreamStopped)
				} else if got := ts.mustCall(status, taskBody); got.Status != step.want || (got.FailReason == "room and stream") != (step.want == 2) {
					t.Errorf("%v: got %+v, want status %d", step.at, got, step.want)
				}
				if got, want := len(ts.mustCall(query, "").TaskList) == 1, step.want == 1 || step.want == 3; got != want {
					t.Errorf("%v: listed is %t, want %t", step.at, got, want)
				}
			}
		})
	}
}

func withStreamID(stream string) string {
	return strings.Replace(createBody, `"stream"`, `"`+stream+`"`, 1)
}

func TestConcurrentTasks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		max   int
		limit int
	}{{"default", 0, 10}, {"two", 2, 2}, {"no limit", -1, 30}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, &zegosim.Server{MaxTasks: tt.max, FailStart: func(_, stream string) string {
				if stream == "bad" {
					return "bad"
				}
				return ""
			}})
			var id string
			for i := range tt.limit {
				id = ts.mustCall(create, withStreamID(fmt.Sprint("s", i))).TaskID
			}
			if tt.max < 0 {
				return
			}
			ts.wantCode(create, withStreamID("more"), zego.CodeConcurrencyExceeded)
			ts.setClock(5 * time.Second)
			ts.wantCode(create, withStreamID("more"), zego.CodeConcurrencyExceeded)
			ts.mustCall(stop, `{"TaskId":"`+id+`"}`)
			ts.wantCode(create, withStreamID("more"), zego.CodeConcurrencyExceeded) // it is stopping
			ts.setClock(6 * time.Second)
			ts.mustCall(create, withStreamID("bad"))
			ts.wantCode(create, withStreamID("more"), zego.CodeConcurrencyExceeded) // the task that will fail has not failed yet
			ts.setClock(8 * time.Second)
			ts.mustCall(create, withStreamID("more"))
			if got := len(ts.mustCall(query, "").TaskList); got != tt.limit {
				t.Errorf("got %d tasks listed, want %d", got, tt.limit)
			}
		})
	}
}

func TestDuplicateStreamID(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{MaxTasks: 1}) // StreamId is checked first
	ts.createStreaming(createBody)
	ts.wantCode(create, createBody, zego.CodeStreamIDExists)
	ts.mustCall(stop, taskBody)
	ts.wantCode(create, createBody, zego.CodeStreamIDExists) // it is stopping
	ts.setClock(11 * time.Second)
	ts.mustCall(create, createBody)
}

func TestPageOfTasks(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{})
	const text = "stream <code>stream</code> in room <code>room</code>"
	ts.mustCall(create, createBody)
	for _, want := range []bool{true, false} {
		_, raw, err := send(t, http.MethodGet, ts.base+"/", "")
		if err != nil || strings.Contains(string(raw), text) != want {
			t.Errorf("%v; want the task there: %t, in %s", err, want, raw)
		}
		ts.setClock(24 * time.Hour)
	}
}

// TestManyAtOnce creates, drives and stops tasks concurrently, for the race detector.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	base := newTestServer(t, &zegosim.Server{StartDelay: -1, MaxTasks: -1}).base
	for i := range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			ts := &testServer{T: t, base: base}
			id := `{"TaskId":"` + ts.mustCall(create, withStreamID(fmt.Sprint("s", i))).TaskID + `"}`
			for range 5 {
				ts.mustCall(byAudio, withFields(`"AudioUrl":"http://x/"`, id))
			}
			if got := len(ts.mustCall(drives, id).DriveList); got != 5 {
				t.Errorf("got %d drives, want 5", got)
			}
			ts.mustCall(stop, id)
			for _, task := range ts.mustCall(query, "").TaskList {
				if strings.Contains(id, task.TaskID) {
					t.Errorf("%s is listed", id)
				}
			}
		})
	}
}
