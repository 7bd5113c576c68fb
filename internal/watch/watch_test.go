package watch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/internal/watch"
)

// fakeTools stands for the tools of this program.
type fakeTools struct {
	mu     sync.Mutex // guards what follows
	status string     // StatusName of every task; "" means that no tool answers, "gone" that there is no task.
	calls  []string
}

func (f *fakeTools) call(_ context.Context, tool string, arguments map[string]any) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprint(tool, arguments))
	switch {
	case f.status == "":
		return "", errors.New("no such task")
	case f.status == "gone" && tool == "list_stream_tasks":
		return `{"StreamTasks":[{"TaskId":"another"}]}`, nil
	case f.status == "gone":
		return "", errors.New("task not found")
	case tool == "get_stream_task":
		if arguments["TaskId"] == "foreign" {
			return `{"TaskId":"foreign","StatusName":"streaming"}`, nil
		}
		return `{"TaskId":"t","DigitalHumanId":"h","Name":"<b>Ann</b>","StatusName":"` + f.status + `","Speaking":true,"Waiting":2}`, nil
	case tool == "get_digital_human":
		return fmt.Sprintf(`{"Name":"human %s","Actions":[{"Action":"nod"}]}`, arguments["DigitalHumanId"]), nil
	}
	return `{"Tool":"` + tool + `"}`, nil
}

func (f *fakeTools) setStatus(status string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = status
}

// open returns a server with a page, and the URL of the page.
func open(t *testing.T) (*watch.Server, *fakeTools, string) {
	t.Helper()
	fake := &fakeTools{status: "streaming"}
	s := watch.New(watch.Options{Call: fake.call})
	t.Cleanup(s.Close)
	page, err := s.Open(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	return s, fake, page
}

// ask sends a request as a browser does, and returns the status and the body.
func ask(t *testing.T, method, address, body string, header map[string]string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func TestPage(t *testing.T) {
	t.Parallel()
	s, fake, page := open(t)
	if again, err := s.Open(t.Context(), "t"); err != nil || again != page {
		t.Errorf("opened again: %s, %v", again, err)
	}
	other, err := s.Open(t.Context(), "other")
	if err != nil || other == page || len(strings.Split(other, "/")[3]) != 32 {
		t.Errorf("another task: %s, %v", other, err)
	}
	status, html, header := ask(t, "GET", page, "", nil)
	policy := header.Get("Content-Security-Policy")
	if status != 200 || !strings.Contains(html, "<script type=\"module\" nonce=\"") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe-inline") {
		t.Errorf("got %d, policy %s", status, policy)
	}
	if files := regexp.MustCompile(`https://\S+`).FindAllString(policy, -1); len(files) != 5 || slices.ContainsFunc(files, func(file string) bool { return !strings.HasSuffix(file, ".js") || !strings.Contains(html, file) }) {
		t.Errorf("the policy allows scripts from %q", files)
	}
	if header.Get("Cache-Control") != "no-store" || header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("got %v", header)
	}
	if _, text, _ := ask(t, "GET", page+"state", "", nil); !strings.Contains(text, `"Running":true,"Simulated":false,"Gestures":["nod"]`) || !strings.Contains(text, `"Waiting":2`) {
		t.Errorf("got %s", text)
	}
	for path, want := range map[string]string{"viewer": "create_viewer_link", "stop": "stop_stream_task", "action": "do_action"} {
		if status, text, _ := ask(t, "POST", page+path, `{"Action":"nod"}`, nil); status != 200 || text != `{"Tool":"`+want+`"}` {
			t.Errorf("%s: got %d %s", path, status, text)
		}
	}
	fake.mu.Lock()
	calls := strings.Join(fake.calls, "\n")
	fake.mu.Unlock()
	for _, want := range []string{"stop_stream_taskmap[Confirm:true Now:true TaskId:t]", "do_actionmap[Action:nod TaskId:t]", "create_viewer_linkmap[TaskId:t]"} {
		if !strings.Contains(calls, want) {
			t.Errorf("no call %s in\n%s", want, calls)
		}
	}
	_, _, _ = ask(t, "POST", page+"viewer", `{"UserId":"viewer-1"}`, nil)
	fake.mu.Lock()
	renewed := fake.calls[len(fake.calls)-1]
	fake.mu.Unlock()
	if renewed != "create_viewer_linkmap[TaskId:t UserId:viewer-1]" {
		t.Errorf("a token was renewed by %s", renewed)
	}
	if status, _, _ := ask(t, "POST", page+"action", `{"Action":"`+strings.Repeat("x", 5000)+`"}`, nil); status != http.StatusBadRequest {
		t.Errorf("a long body: got %d", status)
	}
	if status, _, _ := ask(t, "POST", page+"action", `{}`, nil); status != http.StatusBadRequest {
		t.Errorf("without Action: got %d", status)
	}
}

// TestPageIsGuarded asks as somebody who must not get in.
func TestPageIsGuarded(t *testing.T) {
	t.Parallel()
	s, fake, page := open(t)
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	root := "http://" + u.Host + "/"
	before := len(fake.calls)
	for _, tt := range []struct {
		method, url string
		header      map[string]string
		want        int
	}{
		{"GET", root, nil, 404},
		{"GET", root + "state", nil, 404},
		{"GET", root + strings.Repeat("0", 32) + "/", nil, 404},
		{"GET", root + strings.Repeat("0", 32) + "/state", nil, 404},
		{"GET", strings.ToUpper(page), nil, 404},
		{"GET", page + "../../etc/passwd", nil, 404},
		{"GET", page + "?x=1", nil, 404},
		{"GET", page + "stop", nil, 404},
		{"POST", page, nil, 404},
		{"DELETE", page, nil, 404},
		{"GET", page, map[string]string{"Host": "evil.example"}, 403},
		{"GET", page, map[string]string{"Host": "127.0.0.1.evil.example:80"}, 403},
		{"GET", page, map[string]string{"Host": "127.0.0.1:1"}, 403},
		{"GET", page, map[string]string{"Host": "localhost:" + u.Port()}, 200},
		{"POST", page + "stop", map[string]string{"Origin": "https://evil.example"}, 403},
		{"POST", page + "stop", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"POST", page + "stop", map[string]string{"Origin": "http://127.0.0.1:1"}, 403},
	} {
		if rest, ok := strings.CutPrefix(tt.url, "HTTP"); ok {
			tt.url = "http" + rest
			if tt.url == page {
				continue // All digits.
			}
		}
		if got, text, _ := ask(t, tt.method, tt.url, "", tt.header); got != tt.want {
			t.Errorf("%s %s with %v: got %d %s, want %d", tt.method, tt.url, tt.header, got, text, tt.want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, page, nil)
	for from, want := range map[string]int{"192.168.1.7:5": 403, "[2001:db8::1]:5": 403, "": 403, "127.0.0.1:5": 200, "[::1]:5": 200, "[::ffff:127.0.0.1]:5": 200} {
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != want {
			t.Errorf("from %q: got %d, want %d", from, w.Code, want)
		}
	}
	fake.mu.Lock()
	defer fake.mu.Unlock()
	if len(fake.calls) != before {
		t.Errorf("tools were called: %v", fake.calls[before:])
	}
}

// TestPageEnds has a stream that ends, and a server that does.
func TestPageEnds(t *testing.T) {
	t.Parallel()
	s, fake, page := open(t)
	fake.setStatus("")
	if status, text, _ := ask(t, "GET", page+"state", "", nil); status != http.StatusBadGateway || text != `{"Problem":"no such task"}`+"\n" {
		t.Errorf("got %d %s", status, text)
	}
	fake.setStatus("streaming")
	ask(t, "GET", page+"state", "", nil)
	fake.setStatus("gone")
	for range 2 {
		if _, text, _ := ask(t, "GET", page+"state", "", nil); !strings.Contains(text, `"Running":false`) || !strings.Contains(text, "Ann") {
			t.Errorf("got %s", text)
		}
	}
	if status, text, _ := ask(t, "POST", page+"viewer", "{}", nil); status != http.StatusGone || !strings.Contains(text, "The stream has ended.") {
		t.Errorf("got %d %s", status, text)
	}
	fake.setStatus("stopped")
	if running, err := s.Running(t.Context(), "t"); running || err != nil {
		t.Errorf("running: got %v, %v", running, err)
	}
	s.Close()
	if _, err := http.Get(page); err == nil {
		t.Error("the page is still there")
	}
	fake.setStatus("streaming")
	if _, err := s.Open(t.Context(), "t"); err == nil {
		t.Error("a page was opened after Close")
	}
}

// TestDigitalHuman has a stream of which only the user knows whose it is.
func TestDigitalHuman(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"": `"Name":"","RoomId"`, "h2": `"Name":"human h2","RoomId"`} {
		s := watch.New(watch.Options{Call: (&fakeTools{status: "streaming"}).call, DigitalHumanID: id})
		t.Cleanup(s.Close)
		page, err := s.Open(t.Context(), "foreign")
		if err != nil {
			t.Fatal(err)
		}
		if _, text, _ := ask(t, "GET", page+"state", "", nil); !strings.Contains(text, want) || strings.Contains(text, "nod") != (id != "") {
			t.Errorf("with %q: got %s", id, text)
		}
	}
}

// TestTaskIsGone has a stream of which ZEGO says nothing any more.
func TestTaskIsGone(t *testing.T) {
	t.Parallel()
	s, fake, page := open(t)
	for status, want := range map[string]bool{"streaming": false, "": false, "stopped": true, "gone": true} {
		fake.setStatus(status)
		if got := s.Ended(t.Context(), "t"); got != want {
			t.Errorf("%q: got %v, want %v", status, got, want)
		}
	}
	fake.setStatus("gone")
	if status, text, _ := ask(t, "GET", page+"state", "", nil); status != http.StatusOK || !strings.Contains(text, `"Running":false`) {
		t.Errorf("got %d %s", status, text)
	}
	if _, err := s.Running(t.Context(), "t"); err == nil {
		t.Error("a task that is not there has no error")
	}
}

// TestManyPages opens more pages than are kept.
func TestManyPages(t *testing.T) {
	t.Parallel()
	fake := &fakeTools{status: "streaming"}
	var clock atomic.Int64 // Seconds.
	clock.Store(1_700_000_000)
	s := watch.New(watch.Options{Call: fake.call, Now: func() time.Time { return time.Unix(clock.Load(), 0) }})
	t.Cleanup(s.Close)
	var pages []string
	for i := range 100 {
		page, err := s.Open(t.Context(), fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	if _, err := s.Open(t.Context(), "more"); err == nil || err.Error() != "100 pages are open" {
		t.Errorf("got %v", err)
	}
	fake.setStatus("stopped")
	_, _, _ = ask(t, "GET", pages[7]+"state", "", nil)
	fake.setStatus("streaming")
	if _, err := s.Open(t.Context(), "instead of the one that has ended"); err != nil {
		t.Error(err)
	}
	clock.Add(120)
	for i, page := range pages {
		if i != 7 && i != 42 {
			_, _, _ = ask(t, "GET", page+"state", "", nil)
		}
	}
	clock.Add(30)
	for range 2 { // Nobody has asked for number 42 and the one that was opened last.
		if _, err := s.Open(t.Context(), fmt.Sprint("instead of an unwatched one, ", len(pages))); err != nil {
			t.Error(err)
		}
		pages = append(pages, "")
	}
	if _, err := s.Open(t.Context(), "too many"); err == nil {
		t.Error("a page that somebody looks at was forgotten")
	}
	for i, want := range map[int]int{7: 404, 42: 404, 41: 200} {
		if status, text, _ := ask(t, "GET", pages[i], "", nil); status != want || want == 404 && !strings.Contains(text, "ask for a new one") {
			t.Errorf("page %d: got %d %s, want %d", i, status, text, want)
		}
	}
}
