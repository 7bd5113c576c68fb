package tools_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// literalAgent does what the prompt go_live says, step by step, and nothing else. Above all it
// never waits by itself.
type literalAgent struct {
	*testServer
	script string
	task   string         // The TaskId, once there is one.
	last   map[string]any // The result of the last call.
}

// literalSteps are the sentences of the prompt that the agent understands, in their order.
// Every step of the prompt must match the one with its number.
var literalSteps = []struct {
	sentence *regexp.Regexp
	do       func(a *literalAgent, t *testing.T, words []string)
}{
	{regexp.MustCompile(`^Say what you are about to do`), func(*literalAgent, *testing.T, []string) {}},
	{regexp.MustCompile(`^Call create_stream_task(?: with TTL=(\d+))?[ ,(].*wait until it streams\. If somebody is to watch, call (\w+) once for each, and give the user what it answers\.$`), (*literalAgent).create},
	{regexp.MustCompile(`^Call drive_by_text with the whole script`), (*literalAgent).speak},
	{regexp.MustCompile(`^As long as (\w+) is false, call (\w+) with (\w+)=true, until (\w+) is false\.$`), (*literalAgent).wait},
	{regexp.MustCompile(`call stop_stream_task; again if it says that the stream is still speaking\.`), (*literalAgent).stop},
}

// goLive carries out the prompt.
func (a *literalAgent) goLive(t *testing.T) {
	t.Helper()
	arguments, err := json.Marshal(map[string]any{"name": "go_live", "arguments": map[string]string{"Script": a.script, "RoomId": "room"}})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := a.rpc(t, "prompts/get", string(arguments))
	text := got["messages"].([]any)[0].(map[string]any)["content"].(map[string]any)["text"].(string)
	steps := regexp.MustCompile(`(?m)^\d\. (.*)$`).FindAllStringSubmatch(strings.TrimSuffix(text, a.script), -1)
	if len(steps) != len(literalSteps) {
		t.Fatalf("the prompt has %d steps, want %d: %s", len(steps), len(literalSteps), text)
	}
	for i, step := range literalSteps {
		words := step.sentence.FindStringSubmatch(steps[i][1])
		if words == nil {
			t.Fatalf("step %d cannot be followed: %s", i+1, steps[i][1])
		}
		step.do(a, t, words)
	}
}

func (a *literalAgent) create(t *testing.T, words []string) {
	t.Helper()
	more := ""
	if words[1] != "" {
		more = `,"TTL":` + words[1]
	}
	a.task = a.createTask(t, more)
	if got := a.mustCall(t, words[2], fmt.Sprintf(`{"TaskId":%q}`, a.task)); got["Snippet"] == nil {
		t.Errorf("%s gave nothing to pass on: %v", words[2], got)
	}
}

func (a *literalAgent) speak(t *testing.T, _ []string) {
	t.Helper()
	a.last = a.mustCall(t, "drive_by_text", speakArguments(a.task, a.script, ``))
}

func (a *literalAgent) wait(t *testing.T, words []string) {
	t.Helper()
	if a.last[words[1]] != false {
		return
	}
	for range 1000 {
		a.last = a.mustCall(t, words[2], fmt.Sprintf(`{"TaskId":%q,%q:true}`, a.task, words[3]))
		if a.last[words[4]] == false {
			return
		}
	}
	t.Fatalf("%s never became false: %v", words[4], a.last)
}

func (a *literalAgent) stop(t *testing.T, _ []string) {
	t.Helper()
	for range 1000 {
		result := callTool(t.Context(), t, a.MCPServer, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, a.task))
		if !result.IsError {
			return
		}
		if text := textOf(t, result); !strings.Contains(text, "the stream is still speaking") {
			t.Fatal(text)
		}
	}
	t.Fatal("stop_stream_task never stopped it")
}

// literalTexts are sentences in five languages, and texts without any.
var literalTexts = map[string]string{
	"Chinese":  "大家好，欢迎来到今天的直播间！我们的新产品支持 API 接入，价格是 199 元。你觉得怎么样？",
	"Japanese": "皆さん、こんばんは。本日はAIアバターについてお話しします。「本当に便利ですね」と言われました。",
	"English":  "Good evening, and welcome to the show. Dr. Smith paid $3.50 for it! What do you think? ",
	"Arabic":   "مساء الخير، وأهلا بكم في البرنامج. هل أنتم مستعدون؟ لنبدأ الآن! ",
	"emoji":    "👋🎉😀",
	"endless":  "字",
	"Thai":     "สวัสดีค่ะ ยินดีต้อนรับสู่รายการของเรา วันนี้เรามีข่าวดีมาบอก ",
}

// textOfLength returns a text of n characters that repeats sentences.
func textOfLength(sentences string, n int) string {
	runes := []rune(strings.Repeat(sentences, n/len([]rune(sentences))+1))
	return string(runes[:n])
}

// TestLiteralAgent lets the agent go live with texts of many lengths in five languages, as
// ZEGO tells the end of speech in each of its ways. Every sentence must be spoken to its end,
// and nothing may be left running. With the race detector, which takes ten times as long, the
// longest text is in one language only.
func TestLiteralAgent(t *testing.T) {
	t.Parallel()
	for _, told := range []string{"callback", "drive_status", "estimate"} {
		for language, sentences := range literalTexts {
			for _, n := range []int{1, 40, 300, 1800, 1801, 18000} {
				if withRace && n == 18000 && language != "Chinese" {
					continue
				}
				t.Run(fmt.Sprintf("%s %s %d", told, language, n), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { testLiteralAgent(t, told, language, textOfLength(sentences, n)) })
				})
			}
		}
	}
}

func testLiteralAgent(t *testing.T, told, language, script string) {
	t.Helper()
	sim := &zegosim.Server{NoDriveStatus: told != "drive_status", StartDelay: time.Second}
	s := newVirtualServer(t, sim, tools.Config{}, streams.Options{MaxTTL: 24 * time.Hour}, speech.Options{Callbacks: told == "callback"})
	if told == "callback" {
		s.runCallbacks(t)
	}
	start := time.Now()
	agent := &literalAgent{testServer: s, script: script}
	agent.goLive(t)
	if knownBy, ok := agent.last["KnownBy"]; ok && knownBy != told {
		t.Errorf("known by %v, want %s", knownBy, told)
	}
	var spoken strings.Builder
	var lastWord time.Time
	for _, body := range s.requestBodies("DriveByText") {
		var sent struct{ Text string }
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		spoken.WriteString(sent.Text)
	}
	for _, drive := range s.sim.Drives() { // It remembers the last 300.
		lastWord = drive.Ended
		if drive.Status != zego.DriveEnded {
			t.Errorf("%.40q: %v", drive.Text, drive.Status)
		}
	}
	if spoken.String() != script {
		t.Errorf("spoke %d bytes, want the %d of the script", spoken.Len(), len(script))
	}
	if running := s.runningTasks(t); len(running) != 0 {
		t.Errorf("%v still runs", running)
	}
	// Waiting for too long costs money.
	took, waited := lastWord.Sub(start), time.Since(lastWord)
	if limit := map[string]time.Duration{"callback": time.Second, "drive_status": 6 * time.Second, "estimate": took*5/4 + 5*time.Second}[told]; waited > limit && language != "emoji" { // The simulator says emoji fast.
		t.Errorf("stopped %v after the last word; the speech took %v", waited, took)
	}
}

// runCallbacks lets the simulator report to the tracker by callbacks until the test ends.
func (s *testServer) runCallbacks(t *testing.T) {
	t.Helper()
	const secret = "callback-secret-of-the-test"
	s.sim.CallbackURL, s.sim.CallbackSecret = "http://127.0.0.1/callbacks/zego", secret
	s.sim.CallbackClient = &http.Client{Transport: inProcess{zego.CallbackHandler(secret, func(_ context.Context, e zego.Event) error {
		return s.speech.Handle(e)
	})}}
	ctx, cancel := context.WithCancel(context.Background())
	var callbacks sync.WaitGroup
	callbacks.Go(func() { _ = s.sim.RunCallbacks(ctx) })
	t.Cleanup(func() {
		cancel()
		callbacks.Wait()
	})
}
