package zegosim_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/coder/websocket"
)

// testTimeout is how long a test waits for a connection before it fails.
const testTimeout = 30 * time.Second

func dial(t *testing.T, address string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	c, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err == nil {
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, resp, err
}

// caller is a connection that sends speech for a drive.
type caller struct {
	*testing.T
	*websocket.Conn
	drive, address string
}

// connect calls DriveByWsStream and connects to the address.
func (ts *testServer) connect() *caller {
	ts.Helper()
	d := ts.mustCall(byVoice, taskBody)
	c, _, err := dial(ts.T, d.WSSAddress)
	if err != nil {
		ts.Fatal(err)
	}
	return &caller{ts.T, c, d.DriveID, d.WSSAddress}
}

func (c *caller) write(kind websocket.MessageType, data string) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), testTimeout)
	defer cancel()
	if err := c.Write(ctx, kind, []byte(data)); err != nil {
		c.Fatal(err)
	}
}

func (c *caller) text(format string, args ...any) {
	c.Helper()
	c.write(websocket.MessageText, fmt.Sprintf(format, args...))
}

func (c *caller) start(rest string) {
	c.Helper()
	c.text(`{"Action":"Start","SequenceID":"seq_1","Payload":{"DriveId":%q%s}}`, c.drive, rest)
}

func (c *caller) audio(pcm string) { c.Helper(); c.write(websocket.MessageBinary, pcm) }

func (c *caller) stop() {
	c.Helper()
	c.text(`{"Action":"Stop","Payload":{"DriveId":%q}}`, c.drive)
}

// closeNormally closes the connection. The simulator has then read all that was sent.
func (c *caller) closeNormally() {
	c.Helper()
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		c.Error(err)
	}
}

// waitUntilRead waits until the simulator has read all that was sent. CloseRead must have
// been called before.
func (c *caller) waitUntilRead() {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), testTimeout)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		c.Fatal(err)
	}
}

// waitUntilClosed waits until the simulator has noticed that c is closed. Only then
// another connection is accepted.
func (c *caller) waitUntilClosed() {
	c.Helper()
	if _, _, err := dial(c.T, c.address); err != nil {
		c.Fatal(err)
	}
}

// readFrame reads one frame.
func (c *caller) readFrame() (string, error) {
	ctx, cancel := context.WithTimeout(c.Context(), testTimeout)
	defer cancel()
	_, data, err := c.Read(ctx)
	return string(data), err
}

// TestVoice sends a second of audio, in frames of many sizes.
func TestVoice(t *testing.T) {
	t.Parallel()
	sim := &zegosim.Server{}
	ts := newTestServer(t, sim)
	ts.createStreaming(createBody)
	ts.mustCall(byText, textBody)
	c := ts.connect()
	ts.wantDrives(5, 1)
	if info, ok := sim.Voice(c.drive); !ok || info.Started {
		t.Errorf("got %+v, %t before the start", info, ok)
	}
	c.start(`,"SampleRate":24000,"Channel":2,"VoiceChannel":1`)
	var all strings.Builder
	for n := 0; all.Len() < 96000; n = 3*n + 1 {
		part := strings.Repeat(string(rune(n%128)), min(n, 96000-all.Len()))
		all.WriteString(part)
		c.audio(part)
	}
	c.stop()
	c.closeNormally()
	info, ok := sim.Voice(c.drive)
	want := zegosim.VoiceInfo{
		Bytes: 96000, SHA256: sha256.Sum256([]byte(all.String())),
		SampleRate: 24000, Channels: 2, VoiceChannel: 1, Started: true, Stopped: true,
	}
	if !ok || info != want {
		t.Errorf("got %+v, %t, want %+v", info, ok, want)
	}

	// The drive lasts as long as its audio; then the queued drive has its turn.
	ts.mustCall(byText, textBody)
	ts.setClock(11*time.Second - 1)
	ts.wantDrives(5, 2, 1)
	ts.setClock(11 * time.Second)
	ts.wantDrives(5, 4, 2)

	for _, id := range []string{"nobody", "00000000-0000-4000-8002-000000000001"} {
		if info, ok := sim.Voice(id); ok {
			t.Errorf("%s: got %+v", id, info)
		}
	}
}

// TestVoiceTiming checks when a drive ends. Each caller starts 10 seconds after noon
// and sends 32000 bytes, which last a second.
func TestVoiceTiming(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		act     func(ts *testServer, c *caller)
		stopped bool
		at      time.Duration
		want    int
	}{
		{"still speaking", func(_ *testServer, c *caller) { c.stop() }, true, 11*time.Second - 1, 2},
		{"spoken", func(_ *testServer, c *caller) { c.stop() }, true, 11 * time.Second, 4},
		{"Stop still missing", func(*testServer, *caller) {}, false, time.Minute, 2},
		{"closed without Stop", func(_ *testServer, c *caller) {
			c.closeNormally()
			c.waitUntilClosed()
		}, false, 11 * time.Second, 4},
		{"broken without Stop", func(_ *testServer, c *caller) {
			_ = c.CloseNow()
			c.waitUntilClosed()
		}, false, 11 * time.Second, 4},
		{"interrupted", func(ts *testServer, c *caller) {
			ts.mustCall(interrupt, taskBody)
			c.audio("lost")
			c.stop()
		}, true, 10 * time.Second, 5},
		{"stopped late", func(ts *testServer, c *caller) {
			ts.setClock(15 * time.Second)
			c.stop()
		}, true, 15 * time.Second, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sim := &zegosim.Server{}
			ts := newTestServer(t, sim)
			ts.createStreaming(createBody)
			c := ts.connect()
			c.CloseRead(t.Context())
			c.start("")
			c.audio(strings.Repeat("x", 32000))
			c.waitUntilRead()
			tt.act(ts, c)
			_ = c.Ping(t.Context()) // like waitUntilRead, if it is still connected
			ts.setClock(tt.at)
			if got := ts.driveStatuses()[0]; got != tt.want {
				t.Errorf("got drive status %d, want %d", got, tt.want)
			}
			if info, ok := sim.Voice(c.drive); !ok || info.Bytes != 32000 || info.Stopped != tt.stopped {
				t.Errorf("got %+v, %t, want 32000 bytes, stopped %t", info, ok, tt.stopped)
			}
		})
	}
}

// TestVoiceRefuses sends frames of which the last is refused.
func TestVoiceRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		act  func(ts *testServer, c *caller)
		want string
	}{
		{"no JSON", func(_ *testServer, c *caller) { c.text("hello") }, "must be a JSON object"},
		{"no Action", func(_ *testServer, c *caller) { c.text(`{"Payload":{"DriveId":"x"}}`) }, "Action is required"},
		{"another Action", func(_ *testServer, c *caller) { c.text(`{"Action":"Pause","Payload":{"DriveId":"x"}}`) }, `Action must be Start or Stop, got \"Pause\"`},
		{"no Payload", func(_ *testServer, c *caller) { c.text(`{"Action":"Start"}`) }, "Payload is required"},
		{"no DriveId", func(_ *testServer, c *caller) { c.text(`{"Action":"Start","Payload":{}}`) }, "Payload.DriveId is required"},
		{"unknown DriveId", func(_ *testServer, c *caller) { c.text(`{"Action":"Start","Payload":{"DriveId":"nobody"}}`) }, `Payload.DriveId \"nobody\" is not a drive that waits`},
		{"SampleRate between", func(_ *testServer, c *caller) { c.start(`,"SampleRate":20000`) }, "Payload.SampleRate must be 16000 or 24000, got 20000"},
		{"SampleRate beyond", func(_ *testServer, c *caller) { c.start(`,"SampleRate":48000`) }, "Payload.SampleRate"},
		{"SampleRate no number", func(_ *testServer, c *caller) { c.start(`,"SampleRate":"16000"`) }, "Payload.SampleRate must be an integer"},
		{"Channel", func(_ *testServer, c *caller) { c.start(`,"Channel":3`) }, "Payload.Channel"},
		{"VoiceChannel", func(_ *testServer, c *caller) { c.start(`,"Channel":2,"VoiceChannel":3`) }, "Payload.VoiceChannel"},
		{"VoiceChannel of mono", func(_ *testServer, c *caller) { c.start(`,"VoiceChannel":1`) }, "Payload.VoiceChannel needs Channel 2"},
		{"audio before Start", func(_ *testServer, c *caller) { c.audio("x") }, "audio came before Start"},
		{"Stop before Start", func(_ *testServer, c *caller) { c.stop() }, "has not been started"},
		{"Start twice", func(_ *testServer, c *caller) {
			c.start("")
			c.start("")
		}, "cannot start before"},
		{"Stop of another", func(_ *testServer, c *caller) {
			c.start("")
			c.text(`{"Action":"Stop","Payload":{"DriveId":"nobody"}}`)
		}, `Payload.DriveId \"nobody\" has not been started`},
		{"audio after Stop", func(_ *testServer, c *caller) {
			c.start("")
			c.stop()
			c.audio("x")
		}, "audio came before Start"},
		{"Start of what was interrupted", func(ts *testServer, c *caller) {
			ts.mustCall(interrupt, taskBody)
			c.start("")
		}, "is not a drive that waits"},
		{"Start too late", func(ts *testServer, c *caller) {
			ts.setClock(10*time.Second + 10*time.Minute)
			c.start("")
		}, "is not a drive that waits"},
		{"Start after the end", func(ts *testServer, c *caller) {
			ts.mustCall(stop, taskBody)
			c.start("")
		}, "has stopped"},
		{"audio after the end", func(ts *testServer, c *caller) {
			c.start("")
			ts.mustCall(stop, taskBody)
			c.audio("x")
		}, "has stopped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, &zegosim.Server{})
			ts.createStreaming(createBody)
			c := ts.connect()
			tt.act(ts, c)
			if got, err := c.readFrame(); err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
			if got, err := c.readFrame(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Errorf("got %s, %v, want the end with 1008", got, err)
			}
		})
	}
}

// TestVoiceStartedAgain starts one drive twice on a connection, as ZEGO's server sample does,
// each time with a second of audio. The clock stands at 10 s when the first Start comes.
func TestVoiceStartedAgain(t *testing.T) {
	t.Parallel()
	second := strings.Repeat("x", 32000)
	for _, tt := range []struct {
		name    string
		between func(ts *testServer)
		endsAt  time.Duration // of the second round
	}{
		{"while the first is being spoken", func(ts *testServer) { ts.setClock(10500 * time.Millisecond) }, 12 * time.Second},
		{"after the first was spoken", func(ts *testServer) { ts.setClock(15 * time.Second) }, 16 * time.Second},
		{"after an interruption", func(ts *testServer) { ts.mustCall(interrupt, taskBody) }, 11 * time.Second},
		{"while another speaks", func(ts *testServer) { ts.setClock(15 * time.Second); ts.mustCall(byAudio, audioBody) }, 16 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			sim := &zegosim.Server{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			ts := newTestServer(t, sim)
			ts.createStreaming(createBody)
			c := ts.connect()
			c.CloseRead(t.Context())
			speak := func(rest string) {
				c.start(rest)
				c.audio(second)
				c.stop()
				c.waitUntilRead()
			}
			speak("")
			tt.between(ts)
			speak(`,"SampleRate":16000`)
			ended := func() bool {
				for _, d := range sim.Drives() {
					if d.DriveID == c.drive {
						return d.Status == zego.DriveEnded
					}
				}
				return false
			}
			if ts.setClock(tt.endsAt - time.Millisecond); ended() {
				t.Error("the second round has ended too early")
			}
			if ts.setClock(tt.endsAt); !ended() {
				t.Error("the second round has not ended")
			}
			if info, _ := sim.Voice(c.drive); info.Bytes != 64000 || !info.Stopped {
				t.Errorf("got %+v", info)
			}
			if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "drive_id="+c.drive) {
				t.Errorf("logged %q, want one warning", got)
			}
		})
	}
}

func TestVoiceAdmission(t *testing.T) {
	t.Parallel()
	change := func(part func(u *url.URL)) func(*testServer, string) string {
		return func(_ *testServer, address string) string {
			u, _ := url.Parse(address)
			part(u)
			return u.String()
		}
	}
	at := func(since time.Duration) func(*testServer, string) string {
		return func(ts *testServer, address string) string { ts.setClock(since); return address }
	}
	after := func(action, body string) func(*testServer, string) string {
		return func(ts *testServer, address string) string { ts.mustCall(action, body); return address }
	}
	for _, tt := range []struct {
		name   string
		change func(ts *testServer, address string) string
		want   int
	}{
		{"in order", after(query, ""), 101},
		{"another path", change(func(u *url.URL) { u.Path = "/" }), 404},
		{"no token", change(func(u *url.URL) { u.RawQuery = "" }), 401},
		{"wrong token", change(func(u *url.URL) { u.RawQuery = "Token=x" }), 401},
		{"last moment", at(10*time.Second + 10*time.Minute - 1), 101},
		{"too late", at(10*time.Second + 10*time.Minute), 401},
		{"after an interrupt", after(interrupt, taskBody), 101},
		{"after the end", after(stop, taskBody), 401},
		{"second connection", func(ts *testServer, address string) string {
			if _, _, err := dial(ts.T, address); err != nil {
				ts.Error(err)
			}
			return address
		}, 409},
		{"second connection of the task", func(ts *testServer, address string) string {
			if _, _, err := dial(ts.T, address); err != nil {
				ts.Error(err)
			}
			return ts.mustCall(byVoice, taskBody).WSSAddress
		}, 409},
		{"connection after another", func(ts *testServer, address string) string {
			c, _, err := dial(ts.T, address)
			if err != nil {
				ts.Fatal(err)
			}
			_ = c.CloseNow()
			return address
		}, 101},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, &zegosim.Server{})
			ts.createStreaming(createBody)
			address := tt.change(ts, ts.mustCall(byVoice, taskBody).WSSAddress)
			_, resp, err := dial(t, address)
			if resp == nil || resp.StatusCode != tt.want {
				t.Errorf("got %v, %v, want status %d", resp, err, tt.want)
			}
		})
	}
}

// TestVoiceDoesNotVerify connects with the usual check of certificates.
func TestVoiceDoesNotVerify(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{})
	ts.createStreaming(createBody)
	address := ts.mustCall(byVoice, taskBody).WSSAddress
	if !strings.HasPrefix(address, "wss://127.0.0.1:") || !strings.Contains(address, "/ws?Token=") {
		t.Errorf("got %s", address)
	}
	if _, _, err := websocket.Dial(t.Context(), address, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want a certificate that does not verify", err)
	}
}

func TestVoiceListen(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{VoiceListen: "0.0.0.0:0"})
	ts.createStreaming(createBody)
	ts.connect().closeNormally()

	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	ts = newTestServer(t, &zegosim.Server{VoiceListen: taken.Addr().String()})
	ts.createStreaming(createBody)
	ts.mustCall(byText, textBody)
	ts.wantCode(byVoice, taskBody, zego.CodeSystemError)
	ts.wantDrives(2)
}

func TestVoiceFaults(t *testing.T) {
	t.Parallel()
	faulty := func(t *testing.T, fault zegosim.VoiceFault) (*zegosim.Server, *testServer) {
		sim := &zegosim.Server{VoiceFault: func(driveID string) *zegosim.VoiceFault {
			if driveID != "00000000-0000-4000-8002-000000000001" {
				return nil
			}
			return &fault
		}}
		ts := newTestServer(t, sim)
		ts.createStreaming(createBody)
		return sim, ts
	}
	t.Run("RefuseStatus", func(t *testing.T) {
		t.Parallel()
		_, ts := faulty(t, zegosim.VoiceFault{RefuseStatus: 503})
		if _, resp, err := dial(t, ts.mustCall(byVoice, taskBody).WSSAddress); resp == nil || resp.StatusCode != 503 {
			t.Errorf("got %v, %v, want 503", resp, err)
		}
		ts.connect().closeNormally() // the next drive has no fault
	})
	t.Run("DropAfter", func(t *testing.T) {
		t.Parallel()
		sim, ts := faulty(t, zegosim.VoiceFault{DropAfter: 1000})
		c := ts.connect()
		c.start("")
		c.audio(strings.Repeat("a", 600))
		c.audio(strings.Repeat("b", 600))
		if _, err := c.readFrame(); err == nil || websocket.CloseStatus(err) != -1 {
			t.Errorf("got %v, want a broken connection", err)
		}
		ts.connect().closeNormally() // only accepted once the first connection has ended
		want := zegosim.VoiceInfo{
			Bytes: 1000, SHA256: sha256.Sum256([]byte(strings.Repeat("a", 600) + strings.Repeat("b", 400))),
			SampleRate: 16000, Channels: 1, Started: true,
		}
		if info, _ := sim.Voice(c.drive); info != want {
			t.Errorf("got %+v, want %+v", info, want)
		}
	})
	t.Run("Flood", func(t *testing.T) {
		t.Parallel()
		sim, ts := faulty(t, zegosim.VoiceFault{Flood: true})
		c := ts.connect()
		c.start("")
		for range 100 {
			if got, err := c.readFrame(); err != nil || got != `{"Action":"Flood"}` {
				t.Fatalf("got %s, %v", got, err)
			}
		}
		c.audio("x")
		c.stop()
		c.closeNormally()
		if info, _ := sim.Voice(c.drive); info.Bytes != 1 || !info.Stopped {
			t.Errorf("got %+v, want what was sent", info)
		}
	})
	t.Run("Stall", func(t *testing.T) {
		t.Parallel()
		sim, ts := faulty(t, zegosim.VoiceFault{Stall: true})
		c := ts.connect()
		c.start("")
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.readFrame(); err == nil {
			t.Error("got a frame, want a broken connection")
		}
		if info, ok := sim.Voice(c.drive); !ok || info.Started {
			t.Errorf("got %+v, %t, want nothing read", info, ok)
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	var zero zegosim.Server
	for range 2 {
		if err := zero.Close(); err != nil {
			t.Error(err)
		}
	}

	sim := &zegosim.Server{}
	ts := newTestServer(t, sim)
	ts.createStreaming(createBody)
	c := ts.connect()
	c.CloseRead(t.Context())
	c.start("")
	c.audio("xx")
	c.waitUntilRead()
	for range 2 {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := c.Ping(t.Context()); err == nil {
		t.Error("got an answer, want a broken connection")
	}
	ts.setClock(11 * time.Second)
	ts.wantDrives(4)
	ts.wantCode(byVoice, taskBody, zego.CodeSystemError)
}

// TestCloseEndsGoroutines calls Close with connections in every state. A goroutine
// inherits the pprof label of the one that starts it, which tells these goroutines from
// those of other tests.
func TestCloseEndsGoroutines(t *testing.T) {
	t.Parallel()
	const label = "closes"
	pprof.Do(t.Context(), pprof.Labels("test", label), func(context.Context) {
		stalledDrive := "00000000-0000-4000-8002-000000000002"
		sim := &zegosim.Server{VoiceFault: func(driveID string) *zegosim.VoiceFault {
			return &zegosim.VoiceFault{Stall: driveID == stalledDrive, Flood: driveID == stalledDrive}
		}}
		ts := newTestServer(t, sim)
		ts.mustCall(create, createBody)
		second := ts.mustCall(create, withStreamID("second")).TaskID
		ts.setClock(10 * time.Second)
		c := ts.connect()
		c.CloseRead(t.Context())
		c.start("")
		c.waitUntilRead()
		d := ts.mustCall(byVoice, `{"TaskId":"`+second+`"}`)
		if _, _, err := dial(t, d.WSSAddress); err != nil || d.DriveID != stalledDrive {
			t.Fatalf("got %+v, %v", d, err)
		}
		idle, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.Split(d.WSSAddress, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = idle.Close() }()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	for began := time.Now(); ; runtime.Gosched() { // Close of net/http does not wait for its goroutines
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(strings.Split(profile.String(), "\n\n"), func(stack string) bool {
			return !strings.Contains(stack, `"`+label+`"`) || !strings.Contains(stack, "zegosim/speech.(*Se") && !strings.Contains(stack, "tls.(*Conn).serverHandshake")
		})
		if len(left) == 0 {
			return
		}
		if time.Since(began) > testTimeout {
			t.Fatalf("goroutines left: %s", left)
		}
	}
}
