package zegosim

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
	"zego-mcp/zego"

	"github.com/coder/websocket"
)

const (
	// tokenLifetime is how long an address of DriveByWsStream can be used.
	//
	// Assumed: ZEGO documents none; a token in one of its examples held this long.
	tokenLifetime = 10 * time.Minute

	// Assumed: ZEGO documents no limit of a frame's size.
	maxFrame = 1 << 20

	// handover is how long a connection waits for the one before it, which may be
	// closing still.
	handover = time.Second
)

// VoiceInfo is what arrived for a drive over WebSocket.
type VoiceInfo struct {
	Bytes        int64
	SHA256       [sha256.Size]byte // of all bytes, in their order
	SampleRate   int
	Channels     int
	VoiceChannel int
	Started      bool // a Start came
	Stopped      bool // a Stop came
}

// VoiceFault is something that goes wrong with one WebSocket connection. Its zero
// value changes nothing.
type VoiceFault struct {
	RefuseStatus int  // answer the handshake with this HTTP status
	DropAfter    int  // break the TCP connection once so many bytes of audio have come; 0: never
	Flood        bool // keep sending text frames
	Stall        bool // accept, then never read
}

// Voice returns what arrived for a drive of DriveByWsStream; false for any other.
func (s *Server) Voice(driveID string) (VoiceInfo, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		for _, d := range t.drives {
			if d.id == driveID && d.voice != nil {
				info := d.voice.info
				d.voice.sum.Sum(info.SHA256[:0])
				return info, true
			}
		}
	}
	return VoiceInfo{}, false
}

// Close ends the port and the connections that DriveByWsStream opened. It may be
// called more than once; the API goes on to answer.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	v := s.voice
	s.mu.Unlock()
	if v == nil {
		return nil
	}
	v.end()
	err := v.http.Close()
	v.running.Wait()
	return err
}

// voice is the part of a drive that comes over WebSocket. Server.mu guards it.
type voice struct {
	token   string
	expires time.Time
	info    VoiceInfo
	sum     hash.Hash
	began   time.Time
}

func newVoice(now time.Time) *voice {
	return &voice{token: rand.Text(), expires: now.Add(tokenLifetime), sum: sha256.New()}
}

// voiceServer is where callers of DriveByWsStream connect.
type voiceServer struct {
	sim     *Server
	http    *http.Server
	host    string
	end     context.CancelFunc // ends the connections
	running sync.WaitGroup     // of http and the connections
}

// rawConn is the key of a request's TCP connection.
type rawConn struct{}

// openVoice returns the host and port to connect to, and listens there if nobody
// does yet. The caller holds s.mu.
func (s *Server) openVoice() (host string, err error) {
	if s.closed {
		return "", errors.New("it is closed")
	}
	if s.voice != nil {
		return s.voice.host, nil
	}
	certificate, err := newCertificate()
	if err != nil {
		return "", err
	}
	ctx, end := context.WithCancel(context.Background())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmp.Or(s.VoiceListen, "127.0.0.1:0"))
	if err != nil {
		end()
		return "", err
	}
	v := &voiceServer{sim: s, host: listener.Addr().String(), end: end}
	if a, ok := listener.Addr().(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		v.host = (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.Port}).String()
	}
	v.http = &http.Server{
		Handler:           v,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // Callers that trust no such certificate are told by their own TLS.
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, rawConn{}, c.(*tls.Conn).NetConn())
		},
	}
	v.running.Go(func() {
		_ = v.http.Serve(tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"http/1.1"}, // WebSocket here is HTTP/1.1.
		}))
	})
	s.voice = v
	return v.host, nil
}

// newCertificate makes a certificate that does not verify, as ZEGO's does not: it
// is self-signed and names no address.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: serverName},
		NotBefore:    time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2125, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// ServeHTTP takes one connection.
//
// Assumed: the statuses of refusals; that a token opens connections as long as it
// lives, even if its drive was interrupted.
func (v *voiceServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/ws" {
		http.NotFound(w, r)
		return
	}
	t, d := v.sim.admitVoice(r.URL.Query().Get("Token"))
	if t == nil {
		http.Error(w, "zego-simulator: this Token is unknown or has expired", http.StatusUnauthorized)
		return
	}
	var fault VoiceFault
	if v.sim.VoiceFault != nil {
		if f := v.sim.VoiceFault(d.id); f != nil {
			fault = *f
		}
	}
	if fault.RefuseStatus != 0 {
		http.Error(w, "zego-simulator: simulated failure", fault.RefuseStatus)
		return
	}
	leave, status := v.enter(r.Context(), t)
	if leave == nil {
		http.Error(w, "zego-simulator: another connection sends to this stream task", status)
		return
	}
	defer leave()

	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // Of Origin: the token decides.
	if err != nil {
		return // Accept has answered.
	}
	raw, _ := r.Context().Value(rawConn{}).(net.Conn)
	defer func() { _ = c.CloseNow() }()
	defer context.AfterFunc(r.Context(), func() { breakOff(raw) })() // c itself may be waiting for the other side.
	c.SetReadLimit(maxFrame)
	if fault.Flood {
		var flood sync.WaitGroup
		ctx, cancel := context.WithCancel(r.Context())
		defer flood.Wait()
		defer cancel()
		flood.Go(func() {
			for c.Write(ctx, websocket.MessageText, []byte(`{"Action":"Flood"}`)) == nil {
			}
		})
	}
	if fault.Stall {
		<-r.Context().Done()
		return
	}
	l := &listening{sim: v.sim, t: t, dropAfter: fault.DropAfter}
	defer l.end(false)
	l.run(r.Context(), c, raw)
}

// admitVoice finds whom a token speaks for.
func (s *Server) admitVoice(token string) (*task, *drive) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.settle()
	for _, t := range s.tasks {
		for _, d := range t.drives {
			if t.status == streaming && d.voice != nil && d.voice.token == token && now.Before(d.voice.expires) {
				return t, d
			}
		}
	}
	return nil, nil
}

// enter makes a connection the one of t. A nil leave says that it cannot be, and
// with which status.
func (v *voiceServer) enter(ctx context.Context, t *task) (leave func(), status int) {
	timer := time.NewTimer(handover)
	defer timer.Stop()
	for {
		v.sim.mu.Lock()
		before := t.connected
		if before == nil && !v.sim.closed {
			t.connected = make(chan struct{})
			v.running.Add(1)
			v.sim.mu.Unlock()
			return func() {
				v.sim.mu.Lock()
				defer v.sim.mu.Unlock()
				close(t.connected)
				t.connected = nil
				v.running.Done()
			}, 0
		}
		closed := v.sim.closed
		v.sim.mu.Unlock()
		if closed {
			return nil, http.StatusServiceUnavailable
		}
		select {
		case <-before:
		case <-timer.C:
			return nil, http.StatusConflict
		case <-ctx.Done():
			return nil, http.StatusServiceUnavailable
		}
	}
}

// breakOff ends a TCP connection without a goodbye.
func breakOff(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// listening is a connection that speech comes in by.
type listening struct {
	sim       *Server
	t         *task
	d         *drive // between Start and Stop
	came      int    // bytes of audio
	dropAfter int
}

// run takes frames until the connection ends.
//
// Assumed: what a wrong frame is answered with.
func (l *listening) run(ctx context.Context, c *websocket.Conn, raw net.Conn) {
	for {
		kind, data, err := c.Read(ctx)
		if err != nil {
			return
		}
		var no *refusal
		if kind == websocket.MessageBinary {
			no = l.hear(data)
		} else {
			no = l.obey(data)
		}
		if no != nil {
			text, _ := json.Marshal(struct { // Numbers and text always encode.
				Code    zego.Code
				Message string
			}{no.code, no.message})
			if c.Write(ctx, websocket.MessageText, text) == nil {
				_ = c.Close(websocket.StatusPolicyViolation, "zego-simulator: see the message before")
			}
			return
		}
		if l.dropAfter > 0 && l.came >= l.dropAfter {
			breakOff(raw)
			return
		}
	}
}

// hear takes audio. What comes for a drive that was interrupted meanwhile is lost.
func (l *listening) hear(pcm []byte) *refusal {
	if l.d == nil {
		return refuse(zego.CodeInvalidParameter, "audio came before Start")
	}
	if l.dropAfter > 0 {
		pcm = pcm[:min(len(pcm), l.dropAfter-l.came)]
	}
	l.came += len(pcm)

	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	l.sim.settle()
	if l.t.status != streaming {
		return l.t.gone()
	}
	if l.d.status == driving {
		l.d.voice.info.Bytes += int64(len(pcm))
		_, _ = l.d.voice.sum.Write(pcm)
	}
	return nil
}

// obey carries out a Start or a Stop.
//
// Assumed: VoiceChannel is refused without two channels, and a Start for a drive
// that is over, since ZEGO asks for a new DriveId each time.
func (l *listening) obey(message []byte) *refusal {
	p, no := bodyParams(message)
	if no != nil {
		return no
	}
	action := p.required("Action")
	payload := p.object("Payload")
	driveID := payload.required("DriveId")
	switch action {
	case "Start":
		info := VoiceInfo{
			SampleRate:   payload.number("SampleRate", 16000, 16000, 24000),
			Channels:     payload.number("Channel", 1, 1, 2),
			VoiceChannel: payload.number("VoiceChannel", 0, 0, 2),
			Started:      true,
		}
		if info.SampleRate != 16000 && info.SampleRate != 24000 {
			payload.wrong("SampleRate", "must be 16000 or 24000, got %d", info.SampleRate)
		}
		if info.VoiceChannel != 0 && info.Channels != 2 {
			payload.wrong("VoiceChannel", "needs Channel 2")
		}
		if l.d != nil {
			payload.wrong("DriveId", "cannot start before drive %q is stopped", l.d.id)
		}
		if p.no != nil {
			return p.no
		}
		return l.start(driveID, info)
	case "Stop":
		if l.d == nil || l.d.id != driveID {
			payload.wrong("DriveId", "%q has not been started", driveID)
		}
		if p.no == nil {
			l.end(true)
		}
		return p.no
	}
	p.wrong("Action", "must be Start or Stop, got %q", action)
	return p.no
}

func (l *listening) start(driveID string, info VoiceInfo) *refusal {
	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	now := l.sim.settle()
	if l.t.status != streaming {
		return l.t.gone()
	}
	// A drive of DriveByWsStream that waits is always the first.
	if len(l.t.queue) == 0 || l.t.queue[0].id != driveID || l.t.queue[0].voice == nil || l.t.queue[0].status != queued {
		return refuse(zego.CodeInvalidParameter, "Payload.DriveId %q is not a drive that waits for its Start", driveID)
	}
	l.d = l.t.queue[0]
	l.d.voice.info, l.d.voice.began = info, now
	l.t.speak(l.d, now)
	return nil
}

// end lets the drive end when all that came has been spoken.
func (l *listening) end(stopped bool) {
	if l.d == nil {
		return
	}
	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	now := l.sim.settle()
	v := l.d.voice
	v.info.Stopped = stopped
	if l.d.status == driving {
		second := int64(v.info.SampleRate * v.info.Channels * 2)
		l.d.ends = v.began.Add(time.Duration(v.info.Bytes * int64(time.Second) / second))
		if l.d.ends.Before(now) {
			l.d.ends = now
		}
	}
	l.d = nil
}
