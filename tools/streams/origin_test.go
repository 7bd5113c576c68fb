package streams_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

// nextProcess is the mark of a process that starts after the process "dead" has died.
var nextProcess = streams.Mark{Installation: "here", Process: "next", IsDead: func(process string) bool { return process == "dead" }}

const leftBehind = "zego-mcp-here-dead-1" // A StreamId that the process "dead" has generated.

// TestCloseWhileRecovering calls Close while Recover waits for ZEGO's list.
func TestCloseWhileRecovering(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		_, _ = m.create("room", leftBehind, time.Hour, false)
		transport := &interceptor{to: m}
		l, log := modelLedger(t, transport, streams.Options{Mark: nextProcess})
		transport.after = func(action string, _ *http.Response) {
			if action == listAction {
				l.Close(t.Context())
			}
		}
		l.Recover(t.Context())
		time.Sleep(time.Minute)
		if len(m.running()) != 1 || log.String() != "" {
			t.Errorf("the log promises what nobody does any more:\n%s", log)
		}
	})
}

// TestRecoverLooksAgain starts a process right after another one of its installation has died.
func TestRecoverLooksAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		listLag time.Duration
		created time.Duration // After the start of the process.
		down    time.Duration // For how long ZEGO's list does not answer.
		refuses time.Duration // For how long ZEGO stops nothing.
	}{
		{name: "the list lags behind", listLag: 20 * time.Second},
		{name: "a late create", created: 25 * time.Second},
		{name: "a late create, and the list lags behind", created: 25 * time.Second, listLag: 25 * time.Second},
		{name: "ZEGO does not answer", down: 3 * time.Minute},
		{name: "ZEGO does not stop it at once", refuses: 3 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{born: time.Now(), listLag: tt.listLag, outages: []outage{
				{Action: listAction, Fault: gatewayBefore, To: tt.down}, {Action: stopAction, Fault: gatewayBefore, To: tt.refuses},
			}}
			l, log := modelLedger(t, m, streams.Options{Mark: nextProcess})
			go func() {
				time.Sleep(tt.created)
				_, _ = m.create("room", leftBehind, time.Hour, false)
			}()
			l.Recover(t.Context())
			time.Sleep(5 * time.Minute)
			if n := len(m.running()); n != 0 {
				t.Errorf("%s: %d tasks run; log:\n%s", tt.name, n, log)
			}
			l.Close(t.Context())
		})
	}
}

// TestNoClient checks what a ledger without a client does, as a server without credentials has.
func TestNoClient(t *testing.T) {
	t.Parallel()
	l := streams.New(nil, streams.Options{Store: replicaStore{newSharedStore(), "a", &gate{}}})
	l.Recover(t.Context())
	if got := l.StartedBy(zego.StreamTask{ID: "1", StreamID: leftBehind}); got != streams.Orphan {
		t.Errorf("got %s", got)
	}
	l.Close(t.Context())
}

// TestRecoverWarnsOnce checks that the tasks of others are logged once, however often Recover
// looks, and that Recover looks for about a minute.
func TestRecoverWarnsOnce(t *testing.T) {
	t.Parallel()
	for _, down := range []time.Duration{0, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{born: time.Now(), outages: []outage{{Action: listAction, Fault: gatewayBefore, To: down}}}
			_, _ = m.create("room", "zego-mcp-there-1-1", time.Hour, false)
			var lists atomic.Int32
			transport := &interceptor{to: m, after: func(string, *http.Response) { lists.Add(1) }}
			l, log := modelLedger(t, transport, streams.Options{Mark: nextProcess})
			l.Recover(t.Context())
			if failed := strings.Contains(log.String(), "could not look"); failed != (down > 0) {
				t.Errorf("got the log %s", log)
			}
			time.Sleep(50 * time.Second)
			if n := lists.Load(); down == 0 && n != 4 {
				t.Errorf("it looked %d times in 50 s", n)
			}
			time.Sleep(time.Hour / 2)
			if n := lists.Load(); down == 0 && n != 5 {
				t.Errorf("it looked %d times", n)
			}
			if n := strings.Count(log.String(), "a stream task of another zego-mcp is running"); n != 1 {
				t.Errorf("got %d warnings: %s", n, log)
			}
			l.Close(t.Context())
		})
	}
}

// TestRecoverEnds checks that Recover looks for a minute and no longer, if ZEGO always answers at
// once.
func TestRecoverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var looks times
		l, _ := modelLedger(t, answers(func(string) string {
			looks.noteNow()
			return `{"Code":0,"Data":{"TaskList":[]}}`
		}), streams.Options{Mark: nextProcess})
		begin := time.Now()
		l.Recover(t.Context())
		time.Sleep(time.Hour)
		all := looks.take()
		if last := all[len(all)-1]; last.Sub(begin) != time.Minute {
			t.Errorf("it looked %d times, for the last time after %v", len(all), last.Sub(begin))
		}
		l.Close(t.Context())
	})
}
