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

	publicTimbre  = "d4bc0764-c074-44fd-b43e-46acdf87fcd9"
	firstTask     = "00000000-0000-4000-8001-000000000001"
	unknownID     = "nobody"
	invalid       = zego.CodeInvalidParameter
	creating      = `{"DigitalHumanConfig":{"DigitalHumanId":"` + publicID + `"},"RTCConfig":{"RoomId":"room","StreamId":"stream"}}`
	speaking      = `{"TaskId":"` + firstTask + `","Text":"0123456789abcde","TTSConfig":{"TimbreId":"` + publicTimbre + `"}}` // takes a second
	playing       = `{"TaskId":"` + firstTask + `","AudioUrl":"https://example.test/a.wav"}`                                  // takes five
	playingNow    = `{"InterruptMode":1,"TaskId":"` + firstTask + `","AudioUrl":"https://example.test/a.wav"}`
	following     = `{"TaskId":"` + firstTask + `","RTCConfig":{"RoomId":"other","StreamId":"voice"}}`
	ofTask        = `{"TaskId":"` + firstTask + `"}`
	ofUnknownTask = `{"TaskId":"` + unknownID + `"}`
)

// world is a simulator whose clock a test turns.
type world struct {
	*testing.T
	base    string
	handler http.Handler // without a network, and with real time, in place of base
	since   atomic.Int64 // noon
}

func newWorld(t *testing.T, sim *zegosim.Server) *world {
	w := &world{T: t}
	sim.QPS = -1
	sim.Now = w.now
	w.base = start(t, sim)
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) now() time.Time {
	if w.handler != nil {
		return time.Now()
	}
	return noon.Add(time.Duration(w.since.Load()))
}

// at turns the clock.
func (w *world) at(since time.Duration) { w.since.Store(int64(since)) }

// answer is all of ZEGO's answers in one, written down from the documents.
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
func (w *world) raw(action, body string) []byte {
	w.Helper()
	q := signed(action, func(q url.Values) { q.Set("Timestamp", fmt.Sprint(w.now().Unix())) })
	if w.handler != nil {
		answer := httptest.NewRecorder()
		w.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/?"+q.Encode(), strings.NewReader(body)))
		return answer.Body.Bytes()
	}
	_, raw, err := send(w.T, http.MethodPost, w.base+"/?"+q.Encode(), body)
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

func (w *world) ask(action, body string) answer {
	w.Helper()
	var a answer
	raw := w.raw(action, body)
	if err := json.Unmarshal(raw, &a); err != nil {
		w.Fatalf("%s: %v in %s", action, err, raw)
	}
	return a
}

// must calls an action that succeeds.
func (w *world) must(action, body string) answerData {
	w.Helper()
	a := w.ask(action, body)
	if a.Code != 0 {
		w.Fatalf("%s: got %d %q, want success", action, a.Code, a.Message)
	}
	return a.Data
}

// refused calls an action that does not.
func (w *world) refused(action, body string, want zego.Code) {
	w.Helper()
	if a := w.ask(action, body); a.Code != want {
		w.Errorf("%s: got %d %q, want %d", action, a.Code, a.Message, want)
	}
}

// streams makes a task that streams, with the clock 10 seconds after noon.
func (w *world) streams(body string) {
	w.Helper()
	w.must(create, body)
	w.at(10 * time.Second)
}

// driveStatuses returns the status of each drive of the first task.
func (w *world) driveStatuses() []int {
	w.Helper()
	got := []int{}
	for _, d := range w.must(drives, ofTask).DriveList {
		got = append(got, d.Status)
	}
	return got
}

func (w *world) wantDrives(want ...int) {
	w.Helper()
	if got := w.driveStatuses(); !slices.Equal(got, want) {
		w.Errorf("%v: got drive statuses %v, want %v", time.Duration(w.since.Load()), got, want)
	}
}

// with puts fields before others of a body.
func with(fields, body string) string { return "{" + fields + "," + body[1:] }

// TestTaskWire compares each answer with the documents' examples, but for the ids.
func TestTaskWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &zegosim.Server{Timbres: []zegosim.Timbre{{ID: publicTimbre, Name: "知小白", AvatarURL: "https://example.test/a.png"}}})
	for i, tt := range []struct {
		after        time.Duration
		action, body string
		data         string
	}{
		{0, timbres, `{}`, `{"Total":1,"Timbres":[{"TimbreId":"` + publicTimbre + `","Name":"知小白","AvatarUrl":"https://example.test/a.png"}]}`},
		{0, query, `{}`, `{"TaskList":[]}`},
		{0, create, creating, `{"TaskId":"` + firstTask + `"}`},
		{0, query, `{}`, `{"TaskList":[{"TaskId":"` + firstTask + `","RoomId":"room","StreamId":"stream","Status":1,"CreateTime":1795435200}]}`},
		{5 * time.Second, status, ofTask, `{"RoomId":"room","StreamId":"stream","Status":3,"CreateTime":1795435200}`},
		{5 * time.Second, drives, ofTask, `{"DriveList":[]}`},
		{5 * time.Second, byText, speaking, `{"DriveId":"00000000-0000-4000-8002-000000000001"}`},
		{5 * time.Second, byAudio, playing, `{"DriveId":"00000000-0000-4000-8002-000000000002"}`},
		{5 * time.Second, drives, `{"DriveId":"00000000-0000-4000-8002-000000000002"}`, `{"DriveList":[{"DriveId":"00000000-0000-4000-8002-000000000002","Status":1}]}`},
		{5 * time.Second, byRTC, following, `{"DriveId":"00000000-0000-4000-8002-000000000003"}`},
		{5 * time.Second, doAction, with(`"Action":"idle_action"`, ofTask), ``},
		{5 * time.Second, interrupt, ofTask, ``},
		{5 * time.Second, stop, ofTask, ``},
	} {
		w.at(tt.after)
		want := fmt.Sprintf(`{"Code":0,"Message":"success","RequestId":"00000000-0000-4000-8000-%012x"`, i+1)
		if tt.data != "" {
			want += `,"Data":` + tt.data
		}
		if diff := cmp.Diff(want+"}", string(w.raw(tt.action, tt.body))); diff != "" {
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
		{"least", creating, 0, ""},
		{"all", with(`"TTL":10,"MaxIdleTime":30,"ExtraConfig":{"OutputMode":2}`, human(`{"DigitalHumanId":"`+publicID+`","BackgroundColor":"#80fFfFfF"}`)), 0, ""},
		{"longest", with(`"TTL":86400,"MaxIdleTime":86400`, rtc(`"`+long+`"`, `"`+long+`"`)), 0, ""},
		{"null is absent", with(`"TTL":null`, creating), 0, ""},
		{"nothing", `{}`, invalid, "DigitalHumanConfig is required"},
		{"no RTCConfig", `{"DigitalHumanConfig":{"DigitalHumanId":"` + publicID + `"}}`, invalid, "RTCConfig is required"},
		{"RTCConfig no object", `{"DigitalHumanConfig":{"DigitalHumanId":"` + publicID + `"},"RTCConfig":[]}`, invalid, "RTCConfig must be an object"},
		{"fields outside of their object", `{"DigitalHumanId":"` + publicID + `","RoomId":"room","StreamId":"stream"}`, invalid, "DigitalHumanConfig is required"},
		{"no human", human(`{}`), invalid, "DigitalHumanConfig.DigitalHumanId is required"},
		{"human unknown", human(`{"DigitalHumanId":"nobody"}`), zego.CodeDigitalHumanNotFound, `"nobody"`},
		{"human unknown and TTL wrong", with(`"TTL":9`, human(`{"DigitalHumanId":"nobody"}`)), invalid, "TTL"},
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
		{"TTL too small", with(`"TTL":9`, creating), invalid, "TTL must be between 10 and 86400, got 9"},
		{"TTL too big", with(`"TTL":86401`, creating), invalid, "TTL"},
		{"MaxIdleTime too small", with(`"MaxIdleTime":29`, creating), invalid, "MaxIdleTime must be between 30 and 86400, got 29"},
		{"MaxIdleTime too big", with(`"MaxIdleTime":86401`, creating), invalid, "MaxIdleTime"},
		{"MaxIdleTime no number", with(`"MaxIdleTime":"60"`, creating), invalid, "MaxIdleTime must be an integer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, &zegosim.Server{})
			got := w.ask(create, tt.body)
			if got.Code != tt.want || !strings.Contains(got.Message, tt.mentions) {
				t.Errorf("got %d %q, want %d with %q", got.Code, got.Message, tt.want, tt.mentions)
			}
		})
	}
}

func TestCreateByGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &zegosim.Server{})
	for rtc, want := range map[string]zego.Code{`{"RoomId":"room","StreamId":"stream"}`: 0, `room`: invalid} {
		q := signed(create, func(q url.Values) {
			q.Set("DigitalHumanConfig", `{"DigitalHumanId":"`+publicID+`"}`)
			q.Set("RTCConfig", rtc)
		})
		_, raw, err := send(t, http.MethodGet, w.base+"/?"+q.Encode(), "")
		var got answer
		if err != nil || json.Unmarshal(raw, &got) != nil || got.Code != want {
			t.Errorf("%s: got %s, %v, want %d", rtc, raw, err, want)
		}
	}
}

// TestTaskIDs asks all actions of a task in each state that refuses some.
func TestTaskIDs(t *testing.T) {
	t.Parallel()
	gesture := with(`"Action":"idle_action"`, ofTask)
	bodies := map[string]string{
		status: ofTask, stop: ofTask, byText: speaking, byAudio: playing, byVoice: ofTask, byRTC: following,
		doAction: gesture, interrupt: ofTask, drives: ofTask,
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
		prepare func(w *world)
		want    map[string]zego.Code
	}{
		{"unknown", nil, func(*world) {}, codes(zego.CodeTaskNotFound, nil)},
		{"initializing", nil, func(w *world) {
			w.must(create, creating)
			w.at(1499 * time.Millisecond)
		}, codes(zego.CodeStreamNotStarted, map[string]zego.Code{status: 0, stop: 0, drives: 0})},
		{"failed", fails, func(w *world) { w.streams(creating) }, codes(zego.CodeStreamStopped, map[string]zego.Code{status: 0, drives: 0})},
		{"streaming", nil, func(w *world) {
			w.must(create, creating)
			w.at(1500 * time.Millisecond)
		}, codes(0, nil)},
		{"stopping", nil, func(w *world) {
			w.streams(creating)
			w.must(stop, ofTask)
			w.at(10*time.Second + 999*time.Millisecond)
		}, codes(zego.CodeStreamStopped, map[string]zego.Code{status: 0, drives: 0})},
		{"stopped", nil, func(w *world) {
			w.streams(creating)
			w.must(stop, ofTask)
			w.at(11 * time.Second)
		}, codes(zego.CodeStreamStopped, map[string]zego.Code{drives: 0})},
		{"stopped for almost an hour", nil, func(w *world) {
			w.streams(creating)
			w.must(stop, ofTask)
			w.at(time.Hour + 10*time.Second)
		}, codes(zego.CodeStreamStopped, map[string]zego.Code{drives: 0})},
		{"forgotten", nil, func(w *world) {
			w.streams(creating)
			w.must(stop, ofTask)
			w.at(time.Hour + 11*time.Second)
		}, codes(zego.CodeTaskNotFound, nil)},
	} {
		for action, want := range tt.want {
			t.Run(tt.name+" "+action, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, &zegosim.Server{FailStart: tt.fail})
				tt.prepare(w)
				w.refused(action, bodies[action], want) // or not, where want is 0
				if !strings.Contains(bodies[action], "Text") {
					w.refused(action, `{}`, invalid)
				}
			})
		}
	}
}

func TestTaskLife(t *testing.T) {
	t.Parallel()
	type step struct {
		at   time.Duration
		want int // status; 0: streamStopped
	}
	for _, tt := range []struct {
		name  string
		sim   *zegosim.Server
		body  string
		act   func(w *world)
		steps []step
	}{
		{
			"TTL", &zegosim.Server{}, with(`"TTL":10`, creating), nil,
			[]step{{0, 1}, {1499 * time.Millisecond, 1}, {1500 * time.Millisecond, 3}, {9999 * time.Millisecond, 3}, {10 * time.Second, 4}, {11 * time.Second, 0}},
		},
		{"TTL, asked late", &zegosim.Server{}, with(`"TTL":10`, creating), nil, []step{{time.Hour, 0}}},
		{
			"TTL before the start", &zegosim.Server{StartDelay: time.Minute}, with(`"TTL":10`, creating), nil,
			[]step{{9 * time.Second, 1}, {10 * time.Second, 4}, {11 * time.Second, 0}},
		},
		{
			"idle from the start", &zegosim.Server{StartDelay: time.Second}, with(`"MaxIdleTime":30`, creating), nil,
			[]step{{30 * time.Second, 3}, {31 * time.Second, 4}, {32 * time.Second, 0}},
		},
		{"usual idle time", &zegosim.Server{StartDelay: -1}, creating, nil, []step{{0, 3}, {899 * time.Second, 3}, {900 * time.Second, 4}}},
		{
			"idle from the end of the last drive", &zegosim.Server{}, with(`"MaxIdleTime":30`, creating), func(w *world) {
				w.at(10 * time.Second)
				w.must(byAudio, playing)
				w.must(byAudio, playing)
			},
			[]step{{49999 * time.Millisecond, 3}, {50 * time.Second, 4}},
		},
		{
			"a drive is not idle", &zegosim.Server{}, with(`"MaxIdleTime":30`, creating), func(w *world) {
				w.at(10 * time.Second)
				w.must(byRTC, following)
			},
			[]step{{time.Hour, 3}, {24 * time.Hour, 4}},
		},
		{
			"idle from an interrupt", &zegosim.Server{}, with(`"MaxIdleTime":30`, creating), func(w *world) {
				w.at(10 * time.Second)
				w.must(byRTC, following)
				w.at(20 * time.Second)
				w.must(interrupt, ofTask)
			},
			[]step{{49 * time.Second, 3}, {50 * time.Second, 4}},
		},
		{
			"a gesture is idle", &zegosim.Server{StartDelay: -1}, with(`"MaxIdleTime":30`, creating), func(w *world) {
				w.at(10 * time.Second)
				w.must(doAction, with(`"Action":"idle_action"`, ofTask))
			},
			[]step{{30 * time.Second, 4}},
		},
		{
			"stopped while initializing", &zegosim.Server{}, creating, func(w *world) { w.must(stop, ofTask) },
			[]step{{0, 4}, {time.Second, 0}},
		},
		{
			"failed", &zegosim.Server{FailStart: func(room, stream string) string { return room + " and " + stream }}, creating, nil,
			[]step{{0, 1}, {1500 * time.Millisecond, 2}, {time.Hour, 2}},
		},
		{"starts in spite of FailStart", &zegosim.Server{FailStart: func(string, string) string { return "" }}, creating, nil, []step{{2 * time.Second, 3}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.sim)
			w.must(create, tt.body)
			if tt.act != nil {
				tt.act(w)
			}
			for _, step := range tt.steps {
				w.at(step.at)
				if step.want == 0 {
					w.refused(status, ofTask, zego.CodeStreamStopped)
				} else if got := w.must(status, ofTask); got.Status != step.want || (got.FailReason == "room and stream") != (step.want == 2) {
					t.Errorf("%v: got %+v, want status %d", step.at, got, step.want)
				}
				if got, want := len(w.must(query, "").TaskList) == 1, step.want == 1 || step.want == 3; got != want {
					t.Errorf("%v: listed is %t, want %t", step.at, got, want)
				}
			}
		})
	}
}

func named(stream string) string { return strings.Replace(creating, `"stream"`, `"`+stream+`"`, 1) }

func TestConcurrentTasks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		max   int
		limit int
	}{{"default", 0, 10}, {"two", 2, 2}, {"no limit", -1, 30}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, &zegosim.Server{MaxTasks: tt.max, FailStart: func(_, stream string) string {
				if stream == "bad" {
					return "bad"
				}
				return ""
			}})
			var id string
			for i := range tt.limit {
				id = w.must(create, named(fmt.Sprint("s", i))).TaskID
			}
			if tt.max < 0 {
				return
			}
			w.refused(create, named("more"), zego.CodeConcurrencyExceeded)
			w.at(5 * time.Second)
			w.refused(create, named("more"), zego.CodeConcurrencyExceeded)
			w.must(stop, `{"TaskId":"`+id+`"}`)
			w.refused(create, named("more"), zego.CodeConcurrencyExceeded) // it is stopping
			w.at(6 * time.Second)
			w.must(create, named("bad"))
			w.refused(create, named("more"), zego.CodeConcurrencyExceeded) // nobody knows yet that it fails
			w.at(8 * time.Second)
			w.must(create, named("more"))
			if got := len(w.must(query, "").TaskList); got != tt.limit {
				t.Errorf("got %d tasks listed, want %d", got, tt.limit)
			}
		})
	}
}

func TestDuplicateStreamID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &zegosim.Server{MaxTasks: 1}) // which is told later
	w.streams(creating)
	w.refused(create, creating, zego.CodeStreamIDExists)
	w.must(stop, ofTask)
	w.refused(create, creating, zego.CodeStreamIDExists) // it is stopping
	w.at(11 * time.Second)
	w.must(create, creating)
}

func TestPageOfTasks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &zegosim.Server{})
	const text = "stream <code>stream</code> in room <code>room</code>"
	w.must(create, creating)
	for _, want := range []bool{true, false} {
		_, raw, err := send(t, http.MethodGet, w.base+"/", "")
		if err != nil || strings.Contains(string(raw), text) != want {
			t.Errorf("%v; want the task there: %t, in %s", err, want, raw)
		}
		w.at(24 * time.Hour)
	}
}

// TestManyAtOnce creates, drives and stops from many sides, for the race detector.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	base := newWorld(t, &zegosim.Server{StartDelay: -1, MaxTasks: -1}).base
	for i := range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := &world{T: t, base: base}
			id := `{"TaskId":"` + w.must(create, named(fmt.Sprint("s", i))).TaskID + `"}`
			for range 5 {
				w.must(byAudio, with(`"AudioUrl":"http://x/"`, id))
			}
			if got := len(w.must(drives, id).DriveList); got != 5 {
				t.Errorf("got %d drives, want 5", got)
			}
			w.must(stop, id)
			for _, task := range w.must(query, "").TaskList {
				if strings.Contains(id, task.TaskID) {
					t.Errorf("%s is listed", id)
				}
			}
		})
	}
}
