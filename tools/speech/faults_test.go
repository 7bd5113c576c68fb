package speech_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/speech"
	"zego-mcp/zego"
)

// TestStatusOfAnotherDrive checks that a drive which ZEGO says is waiting does not count as
// over because the drive of another program is being spoken.
func TestStatusOfAnotherDrive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{HTTPClient: &http.Client{Transport: statusServer(func() string {
			other, own := 2, 1
			switch after := time.Since(start); {
			case after > 30*time.Second:
				other, own = 4, 4
			case after > 20*time.Second:
				other, own = 4, 2
			}
			return fmt.Sprintf(`{"Code":0,"Message":"success","Data":{"DriveList":[{"DriveId":"other","Status":%d},{"DriveId":"d","Status":%d}]}}`, other, own)
		})}})
		if err != nil {
			t.Fatal(err)
		}
		tracker := speech.New(client, speech.Options{})
		defer tracker.Close()
		got := tracker.Wait(t.Context(), drove(tracker, "d"), nil)
		if took := time.Since(start); !got.Spoken || took < 30*time.Second || took > 40*time.Second {
			t.Errorf("after %v: got %+v", took, got)
		}
	})
}

// TestDriveOfAnotherProgram checks that what another program lets a stream speak is waited for.
func TestDriveOfAnotherProgram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{Callbacks: true})
		defer tracker.Close()
		start := time.Now()
		_ = tracker.Handle(event("other", zego.Driving))
		time.AfterFunc(50*time.Second, func() { _ = tracker.Handle(event("other", zego.DriveEnded)) })
		got := tracker.WaitForSilence(t.Context(), "task", nil)
		if took := time.Since(start); !got.Spoken || took != 50*time.Second {
			t.Errorf("after %v: got %+v", took, got)
		}
	})
}

// TestLateNote checks that an interruption of which another replica tells late does not end
// what was sent after it.
func TestLateNote(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		share := &memory{notes: map[string][][]byte{}}
		a, b := speech.New(nil, speech.Options{Share: share}), speech.New(nil, speech.Options{Share: share})
		defer a.Close()
		defer b.Close()
		before := drove(a, "before")
		b.Interrupted("task")
		time.Sleep(time.Second)
		start := time.Now()
		s := a.Drove("task", speech.Drive{Drive: zego.Drive{ID: "d"}, Effect: speech.CutsOff, Estimate: tenSeconds, IsText: true})
		if got := a.Wait(t.Context(), s, nil); !got.Spoken || time.Since(start) < 10*time.Second {
			t.Errorf("got %+v", got)
		}
		if got := a.Wait(t.Context(), before, nil); !got.Cut {
			t.Errorf("got %+v", got)
		}
	})
}

// TestCallbackBeforeAnswer checks that an interrupting drive drops the rest of a long text also
// if ZEGO's callback about it comes before its answer.
func TestCallbackBeforeAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{Callbacks: true})
		defer tracker.Close()
		var sent atomic.Int32
		text := speech.Text{TaskID: "task", Parts: slices.Repeat([]string{strings.Repeat("字", 100)}, 50), Send: func(context.Context, string, speech.Effect) (zego.Drive, error) {
			return zego.Drive{ID: fmt.Sprint("part", sent.Add(1))}, nil
		}}
		s, err := tracker.Say(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		_ = tracker.Handle(event("cutting", zego.DriveQueued))
		before := sent.Load()
		cutting := tracker.Drove("task", speech.Drive{Drive: zego.Drive{ID: "cutting"}, Effect: speech.CutsOff, Estimate: tenSeconds, IsText: true})
		tracker.Wait(t.Context(), cutting, nil)
		if got := tracker.Wait(t.Context(), s, nil); got.Problem == "" || sent.Load() != before {
			t.Errorf("%d parts were sent: got %+v", sent.Load()-before, got)
		}
	})
}

// TestPartsBelongToTheirCall checks that the parts of a long text are sent under the values of
// the call that it came with, also when that call has ended.
func TestPartsBelongToTheirCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{})
		defer tracker.Close()
		type key struct{}
		ctx, end := context.WithCancel(context.WithValue(t.Context(), key{}, "caller"))
		var sent atomic.Int32
		parts := slices.Repeat([]string{strings.Repeat("字", 100)}, 3)
		s, err := tracker.Say(ctx, speech.Text{TaskID: "task", Parts: parts, Send: func(ctx context.Context, _ string, _ speech.Effect) (zego.Drive, error) {
			if sent.Add(1); ctx.Value(key{}) != "caller" || ctx.Err() != nil {
				t.Errorf("part %d: got %v, %v", sent.Load(), ctx.Value(key{}), ctx.Err())
			}
			return zego.Drive{ID: fmt.Sprint("part", sent.Load())}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		end()
		if got := tracker.Wait(t.Context(), s, nil); !got.Spoken || sent.Load() != 3 {
			t.Errorf("%d parts were sent: got %+v", sent.Load(), got)
		}
	})
}

// TestCutByAnotherProgram checks that a long text ends when a callback tells that a part of it
// was cut off.
func TestCutByAnotherProgram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{Callbacks: true})
		defer tracker.Close()
		var sent atomic.Int32
		s, err := tracker.Say(t.Context(), speech.Text{TaskID: "task", Parts: slices.Repeat([]string{strings.Repeat("字", 100)}, 50), Send: func(context.Context, string, speech.Effect) (zego.Drive, error) {
			return zego.Drive{ID: fmt.Sprint("part", sent.Add(1))}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := sent.Load()
		_ = tracker.Handle(event("part1", zego.DriveInterrupted))
		if got := tracker.Wait(t.Context(), s, nil); got.Spoken || got.Problem == "" || sent.Load() != before {
			t.Errorf("%d parts were sent: got %+v", sent.Load()-before, got)
		}
	})
}

// TestLongIDs checks that a callback with an id that cannot be ZEGO's is not remembered.
func TestLongIDs(t *testing.T) {
	t.Parallel()
	share := &memory{notes: map[string][][]byte{}}
	tracker := speech.New(nil, speech.Options{Callbacks: true, Share: share})
	defer tracker.Close()
	long := strings.Repeat("x", 100000)
	e := event(long, zego.Driving)
	other := event("d", zego.Driving)
	other.TaskID = long
	for _, e := range []zego.Event{e, other} {
		if err := tracker.Handle(e); err != nil || len(share.notes) > 0 {
			t.Errorf("got %v, and %d notes", err, len(share.notes))
		}
	}
}

// TestManyDrives checks that a drive is waited for although very many wait behind it, and what
// became of a drive is told although very many came after it.
func TestManyDrives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{})
		defer tracker.Close()
		start := time.Now()
		first := drove(tracker, "first")
		for i := range 300 {
			drove(tracker, fmt.Sprint(i))
		}
		if got := tracker.Wait(t.Context(), first, nil); !got.Spoken || time.Since(start) < 10*time.Second {
			t.Errorf("after %v: got %+v", time.Since(start), got)
		}
	})
}

// TestLostPart checks that a text does not count as spoken before the part is whose answer was
// lost.
func TestLostPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{})
		defer tracker.Close()
		var sent atomic.Int32
		start := time.Now()
		parts := slices.Repeat([]string{strings.Repeat("字", 100)}, 3)
		s, err := tracker.Say(t.Context(), speech.Text{TaskID: "task", Parts: parts, Send: func(context.Context, string, speech.Effect) (zego.Drive, error) {
			part := sent.Add(1)
			if part == 3 {
				return zego.Drive{}, &zego.LostAnswerError{Action: "DriveByText", Err: context.DeadlineExceeded}
			}
			return zego.Drive{ID: fmt.Sprint("part", part)}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		got := tracker.Wait(t.Context(), s, nil)
		if took := time.Since(start); took < speech.EstimateParts(parts, 0).Likely || got.Spoken && got.Problem == "" {
			t.Errorf("after %v: got %+v", took, got)
		}
	})
}

// TestStatusOfEndedStream checks that a call does not go on waiting for a stream that ZEGO says
// has ended.
func TestStatusOfEndedStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{HTTPClient: &http.Client{Transport: statusServer(func() string {
			return fmt.Sprintf(`{"Code":%d,"Message":"ended"}`, int(zego.CodeStreamStopped))
		})}})
		if err != nil {
			t.Fatal(err)
		}
		tracker := speech.New(client, speech.Options{})
		defer tracker.Close()
		if got := tracker.Wait(t.Context(), drove(tracker, "d"), nil); got.Spoken || !got.Cut {
			t.Errorf("got %+v", got)
		}
	})
}

// TestFailureBeforeAnswer checks that a callback counts which tells the failure of a drive
// before ZEGO's answer to the drive.
func TestFailureBeforeAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{Callbacks: true})
		defer tracker.Close()
		_ = tracker.Handle(event("d", zego.DriveFailed))
		if got := tracker.Wait(t.Context(), drove(tracker, "d"), nil); !got.Failed {
			t.Errorf("got %+v", got)
		}
	})
}

// TestCancelDuringPart cancels a long text while a part is being sent. The turn is free when
// that has ended, and the sentences that ZEGO has got are waited for.
func TestCancelDuringPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := speech.New(nil, speech.Options{})
		defer tracker.Close()
		start := time.Now()
		var sent atomic.Int32
		parts := slices.Repeat([]string{strings.Repeat("字", 20)}, 50) // About 5 s each.
		s, err := tracker.Say(t.Context(), speech.Text{TaskID: "task", Parts: parts, Send: func(context.Context, string, speech.Effect) (zego.Drive, error) {
			part := sent.Add(1)
			if part == 2 {
				time.Sleep(3 * time.Second)
			}
			return zego.Drive{ID: fmt.Sprint("part", part)}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		tracker.Cancel(s)
		silent := make(chan time.Duration)
		go func() {
			tracker.WaitForSilence(t.Context(), "task", nil)
			silent <- time.Since(start)
		}()
		end, ok := tracker.TurnWhenSent(t.Context(), "task", nil)
		if took := time.Since(start); !ok || took != 3*time.Second {
			t.Fatalf("got the turn: %v after %v", ok, took)
		}
		end()
		if took := <-silent; took < speech.EstimateParts(parts[:2], 0).Likely || sent.Load() != 2 {
			t.Errorf("silent after %v, %d parts were sent", took, sent.Load())
		}
	})
}

// TestLateNoteAboutText checks that an interruption of which another replica tells late does
// not end a long text that began after it.
func TestLateNoteAboutText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		share := &memory{notes: map[string][][]byte{}}
		a, b := speech.New(nil, speech.Options{Share: share}), speech.New(nil, speech.Options{Share: share})
		defer a.Close()
		defer b.Close()
		b.Interrupted("task")
		time.Sleep(time.Second)
		var sent atomic.Int32
		s, err := a.Say(t.Context(), speech.Text{TaskID: "task", Parts: slices.Repeat([]string{strings.Repeat("字", 20)}, 5), Effect: speech.CutsOff, Send: func(context.Context, string, speech.Effect) (zego.Drive, error) {
			return zego.Drive{ID: fmt.Sprint("part", sent.Add(1))}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Wait(t.Context(), s, nil); !got.Spoken || sent.Load() != 5 {
			t.Errorf("%d parts were sent: got %+v", sent.Load(), got)
		}
	})
}
