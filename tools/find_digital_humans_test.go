package tools_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// findResult is a result of find_digital_humans.
type findResult struct {
	DigitalHumans            []struct{ DigitalHumanID, Name string }
	Matches, Searched, Total int
	NextOffset               *int
	SearchedAll              bool
	Advice                   string
}

// decodeFindResult also returns the names of the digital humans in their order.
func decodeFindResult(t *testing.T, text string) (result findResult, names []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	names = []string{}
	for _, human := range result.DigitalHumans {
		names = append(names, human.Name)
	}
	return result, names
}

func TestFindDigitalHumans(t *testing.T) {
	t.Parallel()
	humans := []zego.DigitalHuman{
		{ID: "id-1", Name: "Joanna Smith", IsPublic: true, Gestures: []zego.Gesture{{Name: "wave_hand"}}},
		{ID: "id-2", Name: "Anna", IsPublic: true},
		{ID: "id-3", Name: "Mary Anna", Gestures: []zego.Gesture{{Name: "Anna_bow"}, {Name: "nod"}}},
		{ID: "id-4", Name: "知小白", IsPublic: true, Gestures: []zego.Gesture{{Name: "nod"}}},
		{ID: "id-5", Name: "Ｓｏｐｈｉａ"},
		{ID: "id-6", Name: "小白"},
		{ID: "anna", Name: "Nobody"},
	}
	for i := range 60 {
		humans = append(humans, zego.DigitalHuman{ID: fmt.Sprint("extra-", i), Name: fmt.Sprint("Extra ", i)})
	}
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: humans}, tools.Config{})
	for _, tt := range []struct {
		arguments string
		matches   int
		names     []string
	}{
		{`{"Query":"anna"}`, 4, []string{"Anna", "Nobody", "Mary Anna", "Joanna Smith"}},
		{`{"Query":"ANNA mary"}`, 1, []string{"Mary Anna"}},
		{`{"Query":"mary anna"}`, 1, []string{"Mary Anna"}},
		{`{"Query":"sophia"}`, 1, []string{"Ｓｏｐｈｉａ"}},
		{`{"Query":"ｓＯＰ"}`, 1, []string{"Ｓｏｐｈｉａ"}},
		{`{"Query":"小白"}`, 2, []string{"小白", "知小白"}},
		{`{"Query":"NOD"}`, 2, []string{"Mary Anna", "知小白"}},
		{`{"Query":"hand wave"}`, 1, []string{"Joanna Smith"}},
		{`{"Query":"id-4"}`, 1, []string{"知小白"}},
		{`{"Query":"anna","FetchMode":2}`, 2, []string{"Anna", "Joanna Smith"}},
		{`{"Query":"anna","HasAction":true}`, 2, []string{"Mary Anna", "Joanna Smith"}},
		{`{"Query":"anna","HasAction":"false"}`, 2, []string{"Anna", "Nobody"}},
		{`{"HasAction":true}`, 3, []string{"Joanna Smith", "Mary Anna", "知小白"}},
		{`{"Query":"anna","Limit":1}`, 4, []string{"Anna"}},
		{`{"Query":"zhixiaobai"}`, 1, []string{"知小白"}},
		{`{"Query":"Zhī XIǍO"}`, 1, []string{"知小白"}},
		{`{"Query":"xb"}`, 2, []string{"知小白", "小白"}},
		{`{"Query":" "}`, 67, []string{"Joanna Smith", "Anna", "Mary Anna", "知小白", "Ｓｏｐｈｉａ", "小白", "Nobody", "Extra 0", "Extra 1", "Extra 2"}},
	} {
		result := callTool(t.Context(), t, s, "find_digital_humans", tt.arguments)
		got, names := decodeFindResult(t, textOf(t, result))
		if diff := cmp.Diff(tt.names, names); diff != "" || got.Matches != tt.matches || !got.SearchedAll || got.Advice != "" {
			t.Errorf("%s: got %+v (-want +got):\n%s", tt.arguments, got, diff)
		}
		if want := map[bool]int{true: 3, false: 67}[strings.Contains(tt.arguments, "FetchMode")]; got.Searched != want || got.Total != want {
			t.Errorf("%s: searched %d of %d, want %d", tt.arguments, got.Searched, got.Total, want)
		}
	}
	for arguments, want := range map[string]string{
		`{"Query":""}`:                 "Query must have 1 to 200 characters, got 0",
		`{"Query":5}`:                  "Query must be a string, got 5",
		`{"Limit":0}`:                  "Limit must be an integer from 1 to 200, got 0",
		`{"Limit":201}`:                "Limit must be an integer from 1 to 200, got 201",
		`{"Limit":51,"Detail":"full"}`: `Limit must be an integer from 1 to 50 with Detail "full", got 51`,
		`{"Detail":"x"}`:               `Detail must be one of "brief", "full", got "x"`,
		`{"Offset":-1}`:                "Offset must be an integer from 0 to 1000000, got -1",
		`{"FetchMode":0}`:              "FetchMode must be an integer from 1 to 3, got 0",
		`{"HasAction":"yes"}`:          `HasAction must be true or false, got "yes"`,
		`{"hasaction":true}`:           `unknown argument "hasaction"; did you mean "HasAction"? (known: Query, FetchMode, HasAction, Detail, Offset, Limit)`,
	} {
		if got := textOf(t, callTool(t.Context(), t, s, "find_digital_humans", arguments)); got != want {
			t.Errorf("%s: got %q, want %q", arguments, got, want)
		}
	}
}

// TestFindPages reads all matches page by page, in both details and with several limits.
func TestFindPages(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
	for _, detail := range []string{"brief", "full"} {
		for _, limit := range []int{1, 7, 32, 50} {
			seen, offset := map[string]bool{}, 0
			for offset < 64 {
				arguments := fmt.Sprintf(`{"Detail":%q,"Limit":%d,"Offset":%d}`, detail, limit, offset)
				got, _ := decodeFindResult(t, textOf(t, callTool(t.Context(), t, s, "find_digital_humans", arguments)))
				for _, human := range got.DigitalHumans {
					seen[human.DigitalHumanID] = true
				}
				if got.Matches != 64 || !got.SearchedAll || got.NextOffset == nil != (offset+limit >= 64) {
					t.Fatalf("%s: got %+v", arguments, got)
				}
				offset += limit
				if got.NextOffset != nil && *got.NextOffset != offset {
					t.Errorf("%s: NextOffset is %d, want %d", arguments, *got.NextOffset, offset)
				}
			}
			if len(seen) != 64 {
				t.Errorf("Detail %s, Limit %d: %d digital humans, want 64", detail, limit, len(seen))
			}
		}
	}
	for _, arguments := range []string{`{"Offset":64}`, `{"Query":"emma","Offset":1}`, `{"Offset":1000000,"Limit":200}`} {
		got, names := decodeFindResult(t, textOf(t, callTool(t.Context(), t, s, "find_digital_humans", arguments)))
		if len(names) > 0 || got.Matches == 0 || got.NextOffset != nil || got.Advice != "" {
			t.Errorf("%s: got %+v", arguments, got)
		}
	}
	if _, names := decodeFindResult(t, textOf(t, callTool(t.Context(), t, s, "find_digital_humans", `{"Limit":200}`))); len(names) != 64 {
		t.Errorf("Limit 200: got %d", len(names))
	}
}

// TestFindDetail checks what the entries of both details have.
func TestFindDetail(t *testing.T) {
	t.Parallel()
	humans := []zego.DigitalHuman{
		{ID: "a", Name: "A", AvatarURL: "https://x.test/a.png", Gestures: []zego.Gesture{{Name: "nod", PreviewURL: "https://x.test/nod.mp4"}}},
		{ID: "b", Name: "B", AvatarURL: "https://x.test/b.png", IsPublic: true},
	}
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: humans}, tools.Config{})
	const counts = `"Matches":2,"Searched":2,"Total":2,"SearchedAll":true`
	for detail, want := range map[string]string{
		`{}`:                 `{"DigitalHumans":[{"DigitalHumanId":"a","Name":"A","IsPublic":false,"Gestures":["nod"]},{"DigitalHumanId":"b","Name":"B","IsPublic":true}],` + counts + `}`,
		`{"Detail":"brief"}`: `{"DigitalHumans":[{"DigitalHumanId":"a","Name":"A","IsPublic":false,"Gestures":["nod"]},{"DigitalHumanId":"b","Name":"B","IsPublic":true}],` + counts + `}`,
		`{"Detail":"full"}`: `{"DigitalHumans":[{"DigitalHumanId":"a","Name":"A","AvatarUrl":"https://x.test/a.png","IsPublic":false,"Actions":[{"Action":"nod","PreviewUrl":"https://x.test/nod.mp4"}]},` +
			`{"DigitalHumanId":"b","Name":"B","AvatarUrl":"https://x.test/b.png","IsPublic":true,"Actions":[]}],` + counts + `,"AvatarUrlsExpireAt":"2026-11-24T12:00:00Z"}`,
	} {
		if diff := cmp.Diff(want, textOf(t, callTool(t.Context(), t, s, "find_digital_humans", detail))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", detail, diff)
		}
	}
}

// TestFindNothing checks what is said when nothing matches, also for queries that are no
// names.
func TestFindNothing(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
	const looks = " ZEGO tells only names, gestures and ids, and describes no looks (clothes, gender, mood): to choose by looks, see their faces with preview_digital_humans."
	for query, want := range map[string]string{
		"ema":                        `No match. Did you mean "Emma"?` + looks,
		"Olivia Heart":               `No match. Did you mean "Olivia Hart"?` + looks,
		"linxiaoyo":                  `No match. Did you mean "林晓雨"?` + looks,
		"wavehnd":                    `No match. Did you mean "wave_hand"?` + looks,
		"Emma in a red suit":         `No match. Did you mean "Emma"?` + looks,
		"a friendly woman in a suit": "No match." + looks,
		"E.*a":                       "No match." + looks,
		"<b>Emma</b>":                "No match." + looks,
		"'; DROP TABLE":              "No match." + looks,
		"مرحبا":                      "No match." + looks,
		strings.Repeat("长", 200):     "No match." + looks,
		strings.Repeat("xq ", 66):    "No match." + looks,
	} {
		arguments, err := json.Marshal(map[string]string{"Query": query})
		if err != nil {
			t.Fatal(err)
		}
		got, names := decodeFindResult(t, textOf(t, callTool(t.Context(), t, s, "find_digital_humans", string(arguments))))
		if len(names) > 0 || !got.SearchedAll || got.Matches != 0 || got.Advice != want {
			t.Errorf("%q: got %+v, want %q", query, got, want)
		}
	}
	for query, want := range map[string]string{"\u202eemma": "Emma", "Em\u200bma": "Emma", " SUQING ": "品牌主播 苏晴"} {
		if _, names := decodeFindResult(t, textOf(t, callTool(t.Context(), t, s, "find_digital_humans", fmt.Sprintf(`{"Query":%q}`, query)))); len(names) != 1 || names[0] != want {
			t.Errorf("%q: got %q", query, names)
		}
	}
}

// TestFindRunsOutOfTime searches with so little time that the rate limit lets only the first
// pages through.
func TestFindRunsOutOfTime(t *testing.T) {
	t.Parallel()
	humans := make([]zego.DigitalHuman, 400)
	for i := range humans {
		humans[i] = zego.DigitalHuman{ID: fmt.Sprint("id-", i), Name: fmt.Sprint("Human ", i)}
	}
	srv := httptest.NewServer(&zegosim.Server{Humans: humans})
	t.Cleanup(srv.Close)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client}), Timeout: 900 * time.Millisecond})
	got, _ := decodeFindResult(t, textOf(t, callTool(t.Context(), t, s, "find_digital_humans", `{"Query":"human"}`)))
	if got.SearchedAll || got.Searched < 20 || got.Searched > 200 || got.Matches != got.Searched || got.Total != 400 || len(got.DigitalHumans) != 10 {
		t.Errorf("got %+v", got)
	}
	want := fmt.Sprintf("Time ran out after %d of 400. For the rest, page through list_digital_humans with FetchMode=1, from Offset=%[1]d on; or search fewer, with FetchMode 2 or 3.", got.Searched)
	if got.Advice != want {
		t.Errorf("got %q, want %q", got.Advice, want)
	}
	// The rate limit is used up now. If nothing could be searched, the call fails.
	result := callTool(t.Context(), t, s, "find_digital_humans", `{}`)
	if text := textOf(t, result); !result.IsError || !strings.Contains(text, "rate limit is used up") || !regexp.MustCompile(`in about (\d00ms|\d+(\.\d)?s), after`).MatchString(text) {
		t.Errorf("got %s", text)
	}
}

// newChangingListServer returns an MCP server over a list of 64 digital humans that changes
// while its pages are read, for the first changes requests.
func newChangingListServer(t *testing.T, changes int) *server.MCPServer {
	t.Helper()
	sim := &zegosim.Server{QPS: -1}
	calls := make(chan struct{}, changes)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		sim.ServeHTTP(rec, r)
		answer := rec.Body.String()
		if strings.Contains(answer, "Lucas") || !strings.Contains(answer, "知小白") {
			select {
			case calls <- struct{}{}:
				answer = strings.Replace(answer, `"Total":64`, `"Total":65`, 1)
			default:
			}
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client})})
}

// TestFindInChangingList changes the list during the first search only, so that the second
// succeeds, or during every search.
func TestFindInChangingList(t *testing.T) {
	t.Parallel()
	for _, changes := range []int{1, 1000} {
		s := newChangingListServer(t, changes)
		got, _ := decodeFindResult(t, textOf(t, callTool(t.Context(), t, s, "find_digital_humans", `{}`)))
		if complete := changes == 1; got.SearchedAll != complete || complete && got.Searched != 64 || !complete && !strings.Contains(got.Advice, "list changed") {
			t.Errorf("%d changes: got %+v", changes, got)
		}
	}
}

// recordingSession is a client session that keeps the notifications it gets.
type recordingSession struct{ notifications chan mcp.JSONRPCNotification }

func (s *recordingSession) Initialize()       {}
func (s *recordingSession) Initialized() bool { return true }
func (s *recordingSession) NotificationChannel() chan<- mcp.JSONRPCNotification {
	return s.notifications
}
func (s *recordingSession) SessionID() string { return "session" }

func TestFindReportsProgress(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
	session := &recordingSession{notifications: make(chan mcp.JSONRPCNotification, 100)}
	ctx := s.WithContext(t.Context(), session)
	s.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find_digital_humans","arguments":{"Query":"emma"},"_meta":{"progressToken":"p"}}}`))
	close(session.notifications)
	var got []string
	for notification := range session.notifications {
		fields := notification.Params.AdditionalFields
		got = append(got, fmt.Sprint(notification.Method, " ", fields["progressToken"], " ", fields["progress"], " ", fields["total"], " ", fields["message"]))
	}
	want := []string{
		"notifications/progress p 20 64 20 of 64 searched, 1 found",
		"notifications/progress p 40 64 40 of 64 searched, 1 found",
		"notifications/progress p 60 64 60 of 64 searched, 1 found",
		"notifications/progress p 64 64 64 of 64 searched, 1 found",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
