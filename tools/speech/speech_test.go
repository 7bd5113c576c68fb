package speech_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/speech"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// tenSeconds is the estimate of a text that probably takes 10 seconds, and 15 at most.
var tenSeconds = speech.Estimate{Likely: 10 * time.Second, Longest: 15 * time.Second}

// drove records a drive that waits for those before it.
func drove(tracker *speech.Tracker, id string) *speech.Speech {
	return tracker.Drove("task", speech.Drive{Drive: zego.Drive{ID: id}, Estimate: tenSeconds, IsText: true})
}

// event returns an event about a drive of "task", of this moment.
func event(driveID string, status zego.DriveStatus) zego.Event {
	return zego.Event{Type: zego.EventDrive, TaskID: "task", Time: time.Now(), Drive: &zego.DriveEvent{DriveID: driveID, Status: status}}
}

// TestCallbackOrders lets callbacks come late, twice, in a wrong order or not at all.
func TestCallbackOrders(t *testing.T) {
	t.Parallel()
	type step struct {
		at     time.Duration // After the drive.
		drive  string
		status zego.DriveStatus
	}
	for name, tt := range map[string]struct {
		steps   []step
		over    time.Duration // When the speech of drive "d" is over.
		knownBy speech.KnownBy
	}{
		"as documented":      {[]step{{0, "d", 1}, {time.Second, "d", 2}, {9 * time.Second, "d", 4}}, 9 * time.Second, speech.ByCallback},
		"ended only":         {[]step{{9 * time.Second, "d", 4}}, 9 * time.Second, speech.ByCallback},
		"ended before began": {[]step{{9 * time.Second, "d", 4}, {9 * time.Second, "d", 2}, {9 * time.Second, "d", 1}}, 9 * time.Second, speech.ByCallback},
		"ended twice":        {[]step{{time.Second, "d", 2}, {9 * time.Second, "d", 4}, {9 * time.Second, "d", 4}}, 9 * time.Second, speech.ByCallback},
		"never ends":         {[]step{{time.Second, "d", 2}}, 26 * time.Second, speech.ByEstimate},
		"none":               {nil, 25 * time.Second, speech.ByEstimate},
		"of other drives":    {[]step{{time.Second, "x", 4}, {2 * time.Second, "y", 3}}, 25 * time.Second, speech.ByEstimate},
		"the next one began": {[]step{{9 * time.Second, "later", 2}}, 9 * time.Second, speech.ByCallback},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tracker := speech.New(nil, speech.Options{Callbacks: true})
				defer tracker.Close()
				start, s := time.Now(), drove(tracker, "d")
				for _, step := range tt.steps {
					time.AfterFunc(step.at, func() { _ = tracker.Handle(event(step.drive, step.status)) })
				}
				got := tracker.Wait(t.Context(), s, nil)
				took := time.Since(start)
				if !got.Spoken || got.KnownBy != tt.knownBy || took < tt.over || took > tt.over+5*time.Second {
					t.Errorf("after %v: got %+v, want %v by %s", took, got, tt.over, tt.knownBy)
				}
			})
		})
	}
}

// TestForeignEvents checks that events of many tasks that are not ours neither confuse the
// tracker nor make it grow.
func TestForeignEvents(t *testing.T) {
	t.Parallel()
	tracker := speech.New(nil, speech.Options{Callbacks: true})
	defer tracker.Close()
	drove(tracker, "d")
	for i := range 20000 {
		e := event(fmt.Sprint("drive", i), zego.Driving)
		e.TaskID = fmt.Sprint("task", i)
		if err := tracker.Handle(e); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20000 { // Of one task.
		_ = tracker.Handle(event(fmt.Sprint("other", i), zego.DriveQueued))
	}
	if state := tracker.State("task"); !state.Speaking || state.Waiting > 100 {
		t.Errorf("got %+v", state)
	}
	_ = tracker.Handle(zego.Event{Type: 99, TaskID: "task"})
	_ = tracker.Handle(zego.Event{Type: zego.EventTask, TaskID: "task", Task: &zego.TaskEvent{Status: zego.TaskStopped}})
	if state := tracker.State("task"); state.Speaking {
		t.Errorf("the task has ended: got %+v", state)
	}
}

// statusServer answers GetDriveStatus.
type statusServer func() string

func (s statusServer) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	_, _ = w.WriteString(s())
	return w.Result(), nil
}

// TestDriveStatus lets GetDriveStatus answer rightly, wrongly, or not at all.
func TestDriveStatus(t *testing.T) {
	t.Parallel()
	list := func(id string, status int) string {
		return fmt.Sprintf(`{"Code":0,"Message":"success","Data":{"DriveList":[{"DriveId":%q,"Status":%d}]}}`, id, status)
	}
	for name, tt := range map[string]struct {
		answer  func(after time.Duration) string
		over    time.Duration
		knownBy speech.KnownBy
		maxAsks int
	}{
		"says when it ends": {func(after time.Duration) string {
			if after < 8*time.Second {
				return list("d", 2)
			}
			return list("d", 4)
		}, 8 * time.Second, speech.ByDriveStatus, 10},
		"of another drive": {func(time.Duration) string { return list("other", 4) }, 15 * time.Second, speech.ByEstimate, 10},
		"never ends":       {func(time.Duration) string { return list("d", 2) }, 60 * time.Second, speech.ByEstimate, 80},
		"unknown action":   {func(time.Duration) string { return `{"Code":100000007,"Message":"no"}` }, 15 * time.Second, speech.ByEstimate, 1},
		"busy":             {func(time.Duration) string { return `{"Code":400010002,"Message":"busy"}` }, 15 * time.Second, speech.ByEstimate, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start, asks := time.Now(), 0
				client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{HTTPClient: &http.Client{Transport: statusServer(func() string {
					asks++
					return tt.answer(time.Since(start))
				})}})
				if err != nil {
					t.Fatal(err)
				}
				tracker := speech.New(client, speech.Options{})
				defer tracker.Close()
				got := tracker.Wait(t.Context(), drove(tracker, "d"), nil)
				if took := time.Since(start); !got.Spoken || got.KnownBy != tt.knownBy || took < tt.over || took > tt.over+6*time.Second || asks > tt.maxAsks {
					t.Errorf("after %v and %d questions: got %+v, want %v by %s", took, asks, got, tt.over, tt.knownBy)
				}
			})
		})
	}
}

// TestPace checks that estimates become longer when speech took longer, and that they stay
// within bounds.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{Callbacks: true})
		defer tracker.Close()
		left := func() time.Duration { return time.Until(tracker.State("task").Until) }
		speak := func(id string, took time.Duration) {
			drove(tracker, id)
			_ = tracker.Handle(event(id, zego.Driving))
			time.Sleep(took)
			_ = tracker.Handle(event(id, zego.DriveEnded))
		}
		speak("1", 14*time.Second)
		drove(tracker, "2")
		if got := left(); got != 21*time.Second { // 15 s times 1.4.
			t.Errorf("got %v", got)
		}
		tracker.Interrupted("task")
		for i := range 50 {
			speak(fmt.Sprint("fast", i), 3*time.Second)
		}
		drove(tracker, "3")
		if got := left(); got < 11*time.Second || got > 13*time.Second { // Not less than 0.8 times.
			t.Errorf("got %v", got)
		}
		tracker.Interrupted("task")
		speak("slow", time.Hour)
		drove(tracker, "4")
		if got := left(); got != 30*time.Second { // Not more than twice.
			t.Errorf("got %v", got)
		}
	})
}

// memory is a Share in memory.
type memory struct {
	mu    sync.Mutex
	notes map[string][][]byte
	down  bool
}

func (m *memory) Append(_ context.Context, taskID string, note []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errors.New("it does not answer")
	}
	m.notes[taskID] = append(m.notes[taskID], note)
	return nil
}

func (m *memory) Notes(_ context.Context, taskID string) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, errors.New("it does not answer")
	}
	return slices.Clone(m.notes[taskID]), nil
}

// TestReplicas checks that one replica knows what another one has sent, what a callback told a
// third one, and that a long text ends which another replica interrupts.
func TestReplicas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		share := &memory{notes: map[string][][]byte{}}
		newReplica := func() *speech.Tracker {
			tracker := speech.New(nil, speech.Options{Callbacks: true, Share: share})
			t.Cleanup(tracker.Close)
			return tracker
		}
		a, b, c := newReplica(), newReplica(), newReplica()
		a.Learn("task", speech.Facts{DigitalHumanID: "human", EndsAt: time.Now().Add(time.Hour)})
		drove(a, "d")
		b.Ask(t.Context(), "task")
		if state := b.State("task"); !state.Speaking || b.Facts("task").DigitalHumanID != "human" {
			t.Errorf("got %+v", state)
		}
		time.AfterFunc(5*time.Second, func() { _ = c.Handle(event("d", zego.DriveEnded)) })
		start := time.Now()
		got := b.WaitForSilence(t.Context(), "task", nil)
		if took := time.Since(start); !got.Spoken || got.KnownBy != speech.ByCallback || took > 10*time.Second {
			t.Errorf("after %v: got %+v", took, got)
		}

		sent := 0
		text := speech.Text{TaskID: "task", Parts: slices.Repeat([]string{strings.Repeat("字", 100)}, 50), Send: func(context.Context, string, speech.Effect) (zego.Drive, error) {
			sent++
			return zego.Drive{ID: fmt.Sprint("part", sent)}, nil
		}}
		s, err := a.Say(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		b.Interrupted("task")
		if got := a.Wait(t.Context(), s, nil); got.Spoken || got.Problem == "" || sent > 10 {
			t.Errorf("%d parts were sent: got %+v", sent, got)
		}

		share.down = true
		if err := a.Handle(event("e", zego.Driving)); err == nil {
			t.Error("ZEGO is not asked to repeat a callback that the other replicas did not get")
		}
		share.down = false
		told := len(share.notes["task"])
		for range 3 { // ZEGO repeats a callback whose confirmation is lost.
			if err := a.Handle(event("e", zego.Driving)); err != nil {
				t.Error(err)
			}
		}
		if got := len(share.notes["task"]) - told; got != 1 {
			t.Errorf("the other replicas were told %d times", got)
		}
		b.Ask(t.Context(), "task")
		if !b.State("task").Speaking {
			t.Error("the repeated callback did not reach the other replica")
		}
	})
}

// TestPaceOfLongTexts checks that the parts of a long text follow each other at the likely pace
// when nothing tells their ends: at the pace of the longest estimates there would be pauses,
// and the stream could end for being idle.
func TestPaceOfLongTexts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{})
		defer tracker.Close()
		parts := speech.Split(strings.Repeat("一二三四五六七八九。", 500), 0)
		var lastSent time.Time
		sent := 0
		start := time.Now()
		s, err := tracker.Say(t.Context(), speech.Text{TaskID: "task", Parts: parts, Send: func(context.Context, string, speech.Effect) (zego.Drive, error) {
			sent++
			lastSent = time.Now()
			return zego.Drive{ID: fmt.Sprint("part", sent)}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		estimate := speech.EstimateParts(parts, 0)
		got := tracker.Wait(t.Context(), s, nil)
		// The last part is sent when the one before probably begins.
		if took := lastSent.Sub(start); took > estimate.Likely || took < estimate.Likely*9/10 {
			t.Errorf("the last part was sent after %v of %v", took, estimate.Likely)
		}
		if took := time.Since(start); !got.Spoken || took < estimate.Likely {
			t.Errorf("after %v: got %+v", took, got)
		}
	})
}

// TestLongTexts checks how the parts of a long text are sent: in order, a few ahead, without
// pauses between them, and not after Close or a refusal.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := &zegosim.Server{QPS: -1, StartDelay: -1}
		client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{HTTPClient: &http.Client{Transport: inProcess{sim}}})
		if err != nil {
			t.Fatal(err)
		}
		task, err := client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
			DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: zegosim.DefaultHumans()[0].ID}, RTCConfig: zego.RTCConfig{RoomID: "r", StreamID: "s"},
		})
		if err != nil {
			t.Fatal(err)
		}
		refuse := false
		say := func(tracker *speech.Tracker, sentences int) *speech.Speech {
			s, err := tracker.Say(t.Context(), speech.Text{
				TaskID: task.TaskID, Parts: speech.Split(strings.Repeat("一二三四五六七八九。", sentences), 0),
				Send: func(ctx context.Context, part string, _ speech.Effect) (zego.Drive, error) {
					if refuse {
						return zego.Drive{}, &zego.Error{Action: "DriveByText", Code: zego.CodeTimbreNotFound}
					}
					return client.DriveByText(ctx, zego.DriveByTextRequest{TaskID: task.TaskID, Text: part, TTSConfig: zego.TTSConfig{TimbreID: zegosim.DefaultTimbres()[0].ID}})
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		tracker := speech.New(client, speech.Options{})
		start := time.Now()
		s := say(tracker, 500)
		time.Sleep(time.Minute)
		waiting := 0
		for _, drive := range sim.Drives() {
			if drive.Status == zego.DriveQueued {
				waiting++
			}
		}
		if waiting > 2 {
			t.Errorf("%d drives wait at ZEGO", waiting)
		}
		got := tracker.Wait(t.Context(), s, nil)
		last := sim.Drives()[len(sim.Drives())-1].Ended
		// 4500 characters at 5 a second, and 500 others at 15.
		if ideal := 934 * time.Second; !got.Spoken || last.Sub(start) > ideal+10*time.Second {
			t.Errorf("it took %v, %v would do; %+v", last.Sub(start), ideal, got)
		}

		s = say(tracker, 500)
		refuse = true
		if got := tracker.Wait(t.Context(), s, nil); got.Spoken || !strings.Contains(got.Problem, "ZEGO refused the next one: timbre not found") {
			t.Errorf("refused: got %+v", got)
		}
		refuse = false
		s = say(tracker, 500)
		time.AfterFunc(time.Second, tracker.Close)
		if got := tracker.Wait(t.Context(), s, nil); got.Spoken {
			t.Errorf("closed: got %+v", got)
		}
		sent := len(sim.Drives())
		time.Sleep(time.Hour)
		if got := len(sim.Drives()); got > sent {
			t.Errorf("%d parts were sent after Close", got-sent)
		}
	})
}

// inProcess lets a handler answer requests without a network.
type inProcess struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}
