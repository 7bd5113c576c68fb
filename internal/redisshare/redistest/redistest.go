// Package redistest starts a real redis-server for tests.
package redistest

import (
	"net"
	"os/exec"
	"testing"
)

// Server is a redis-server on a free port of 127.0.0.1.
type Server struct {
	Address string // HOST:PORT; the same after Restart.

	t    testing.TB
	args []string
	cmd  *exec.Cmd // Nil after Stop.
}

// Start starts a redis-server with args added to its command line, and stops it when the
// test ends. It skips the test if redis-server is not installed.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("SKIPPED: redis-server is not installed (Debian package redis-server)")
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: listener.Addr().String(), t: t, args: args}
	_ = listener.Close()
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

// Restart starts the server again after Stop, on the same port and without its data.
func (s *Server) Restart() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Address)
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.t.TempDir()}, s.args...)
	s.cmd = exec.Command("redis-server", args...) //nolint:gosec,noctx // A test's own arguments; Stop ends it.
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for { // Until it accepts connections.
		conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.Address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if s.t.Context().Err() != nil {
			s.t.Fatal("redis-server does not start")
		}
	}
}

// Stop kills the server. It does nothing if the server does not run.
func (s *Server) Stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}
