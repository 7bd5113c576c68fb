// Package speech takes speech over WebSocket, at an address such as ZEGO's
// DriveByWsStream hands out. It knows connections and frames; what a token and a frame
// mean, its caller decides.
package speech

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// Assumed: ZEGO documents no limit of a frame's size.
	maxFrame = 1 << 20

	// turnTimeout is how long a connection waits for the previous one of the same
	// stream task, which may still be closing.
	turnTimeout = time.Second
)

// Fault is something that goes wrong with one connection. Its zero value changes
// nothing.
type Fault struct {
	RefuseStatus int  // answer the handshake with this HTTP status
	DropAfter    int  // break the TCP connection after so many bytes of audio; 0: never
	Flood        bool // keep sending text frames
	Stall        bool // accept the connection, then never read from it
}

// Session is what a connection serves. Its functions are called one at a time.
type Session struct {
	Fault Fault

	// Turn has room for one value. Of the sessions that share it, only one is
	// connected at a time.
	Turn chan struct{}

	// Frame takes a frame: text, or else audio. If it returns a refusal, that is
	// sent as text, and the connection is closed with status 1008.
	Frame func(text bool, data []byte) (refusal []byte)

	End func() // called once when the connection has ended
}

// Server takes connections until it is closed.
type Server struct {
	open    func(token string) *Session
	http    *http.Server
	address string
	cancel  context.CancelFunc // ends the connections

	mu      sync.Mutex     // guards closed, and running against Add after Close
	closed  bool           // no more connections are taken
	running sync.WaitGroup // of the HTTP server and the connections
}

// Listen starts a server at a TCP address, such as "127.0.0.1:0". For each connection
// open returns the session that its token stands for, or nil if it stands for none.
func Listen(address string, open func(token string) *Session) (*Server, error) {
	certificate, err := newCertificate()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &Server{open: open, address: listener.Addr().String(), cancel: cancel}
	if a, ok := listener.Addr().(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		s.address = (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.Port}).String()
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // A caller that refuses the certificate learns it from its own TLS.
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, tcpConn{}, c.(*tls.Conn).NetConn())
		},
	}
	s.running.Go(func() {
		_ = s.http.Serve(tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"http/1.1"}, // WebSocket here is HTTP/1.1.
		}))
	})
	return s, nil
}

// URL returns the address to connect to with a token.
func (s *Server) URL(token string) string { return "wss://" + s.address + "/ws?Token=" + token }

// Close ends the port and all connections, and waits until they have ended. It may be
// called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := s.http.Close()
	s.running.Wait()
	return err
}

// tcpConn is the key of a request's TCP connection in its context.
type tcpConn struct{}

// newCertificate makes a certificate that does not verify, as ZEGO's does not: it
// is self-signed and names no address.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "zego-simulator"},
		NotBefore:    time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2125, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// serve takes one connection.
//
// Assumed: the statuses of refusals.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		http.Error(w, "zego-simulator: it is closed", http.StatusServiceUnavailable)
		return
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()

	if r.URL.Path != "/ws" {
		http.NotFound(w, r)
		return
	}
	session := s.open(r.URL.Query().Get("Token"))
	if session == nil {
		http.Error(w, "zego-simulator: this Token is unknown or has expired", http.StatusUnauthorized)
		return
	}
	if session.Fault.RefuseStatus != 0 {
		http.Error(w, "zego-simulator: simulated failure", session.Fault.RefuseStatus)
		return
	}
	select {
	case session.Turn <- struct{}{}:
	case <-time.After(turnTimeout):
		http.Error(w, "zego-simulator: another connection sends to this stream task", http.StatusConflict)
		return
	case <-r.Context().Done():
		return
	}
	defer func() { <-session.Turn }()

	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // Any Origin: the token decides.
	if err != nil {
		return // Accept has answered.
	}
	defer func() { _ = c.CloseNow() }()
	// c itself may be waiting for the other side, so the TCP connection is broken.
	tcp, _ := r.Context().Value(tcpConn{}).(net.Conn)
	defer context.AfterFunc(r.Context(), func() { breakOff(tcp) })()
	c.SetReadLimit(maxFrame)
	session.run(r.Context(), c, tcp)
}

// run reads frames until the connection ends.
func (s *Session) run(ctx context.Context, c *websocket.Conn, tcp net.Conn) {
	defer s.End()
	if s.Fault.Flood {
		var flood sync.WaitGroup
		defer flood.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		flood.Go(func() {
			for c.Write(ctx, websocket.MessageText, []byte(`{"Action":"Flood"}`)) == nil {
			}
		})
	}
	if s.Fault.Stall {
		<-ctx.Done()
		return
	}
	for audio := 0; ; { // bytes so far
		kind, data, err := c.Read(ctx)
		if err != nil {
			return
		}
		if kind == websocket.MessageBinary {
			if s.Fault.DropAfter > 0 {
				data = data[:min(len(data), s.Fault.DropAfter-audio)]
			}
			audio += len(data)
		}
		if refusal := s.Frame(kind == websocket.MessageText, data); refusal != nil {
			if c.Write(ctx, websocket.MessageText, refusal) == nil {
				_ = c.Close(websocket.StatusPolicyViolation, "zego-simulator: see the message before")
			}
			return
		}
		if s.Fault.DropAfter > 0 && audio >= s.Fault.DropAfter {
			breakOff(tcp)
			return
		}
	}
}

// breakOff resets a TCP connection, so that the other side sees no orderly end.
func breakOff(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
