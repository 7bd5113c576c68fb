package redisshare_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/internal/leaktest"
	"zego-mcp/internal/redisshare"
	"zego-mcp/internal/redisshare/redistest"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// safeBuffer is a buffer that several goroutines may use, for a log.
type safeBuffer struct {
	mu sync.Mutex // guards what follows
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// open returns a Client of the Redis at url that allows 10 calls per second, and its log.
func open(t *testing.T, url string) (*redisshare.Client, *safeBuffer) {
	t.Helper()
	log := &safeBuffer{}
	share, err := redisshare.Open(url, redisshare.Options{AppID: 1, QPS: 10, Logger: slog.New(slog.NewTextHandler(leaktest.Writer("the log of redisshare", log), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = share.Close() })
	return share, log
}

// newClient returns a ZEGO client that limits and caches through share.
func newClient(t *testing.T, endpoint string, share *redisshare.Client, ttl time.Duration) *zego.Client {
	t.Helper()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint: endpoint, Limiter: share, Cache: share, CacheTTL: ttl,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestSharedLimit makes calls with three clients at once, as three processes would. Together
// they keep to the rate limit, although the simulator would let all calls through.
// TestTurnsNeverTooDense checks the moments of the turns.
func TestSharedLimit(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	sim := httptest.NewServer(&zegosim.Server{QPS: -1})
	t.Cleanup(sim.Close)
	begin := time.Now()
	var calls sync.WaitGroup
	for i := range 3 {
		share, _ := open(t, "redis://"+redis.Address)
		client := newClient(t, sim.URL, share, 0)
		for j := range 10 {
			calls.Go(func() {
				if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: new(100*i + j)}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	calls.Wait()
	// ZEGO allows 10 of the 30 calls in each second. A busy machine can only add to the time.
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("all calls were answered in %v; so the clients do not share the limit", took)
	}
}

// TestQueueError acquires with a deadline while more calls wait than fit in that time.
func TestQueueError(t *testing.T) {
	t.Parallel()
	share, _ := open(t, "redis://"+redistest.Start(t).Address)
	for range 30 { // These take the turns of three seconds.
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		go func() {
			_, _ = share.Acquire(ctx, "A")
		}()
		t.Cleanup(cancel)
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		start := time.Now()
		_, err := share.Acquire(ctx, "A")
		cancel()
		if err == nil {
			continue // Not all of the 30 have their turn yet.
		}
		queue := new(zego.QueueError)
		if !errors.As(err, &queue) || queue.Wait < time.Second || queue.Ahead < 5 || time.Since(start) > time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		break
	}
	if _, err := share.Acquire(t.Context(), "B"); err != nil {
		t.Errorf("another action: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := share.Acquire(ctx, "A"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestSharedCache asks for the same page with three clients. Only the first asks ZEGO.
func TestSharedCache(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	var upstream atomic.Int64
	sim := httptest.NewServer(&zegosim.Server{Observe: func(zegosim.Call) { upstream.Add(1) }})
	t.Cleanup(sim.Close)
	var pages []string
	for range 3 {
		share, _ := open(t, "redis://"+redis.Address)
		page, err := newClient(t, sim.URL, share, time.Minute).ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{})
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, fmt.Sprint(page.DigitalHumans, page.RequestID, page.At.UnixNano()))
	}
	if upstream.Load() != 1 || pages[0] != pages[1] || pages[1] != pages[2] {
		t.Errorf("%d calls upstream, want 1; got %v", upstream.Load(), pages)
	}
}

// TestRedisRestarts kills Redis while a client uses it, and starts it again. All calls
// succeed, and the log tells both changes once.
func TestRedisRestarts(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	sim := httptest.NewServer(&zegosim.Server{QPS: -1})
	t.Cleanup(sim.Close)
	share, log := open(t, "redis://"+redis.Address)
	client := newClient(t, sim.URL, share, time.Nanosecond)
	call := func() {
		t.Helper()
		if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{}); err != nil {
			t.Error(err)
		}
	}
	call()
	if log.String() != "" {
		t.Errorf("got %s", log)
	}
	redis.Stop()
	for range 5 {
		call()
	}
	if n := strings.Count(log.String(), "Redis does not answer"); n != 1 {
		t.Errorf("logged %d times that Redis does not answer, want once: %s", n, log)
	}
	redis.Restart()
	for !strings.Contains(log.String(), "Redis is back") {
		call()
		if t.Context().Err() != nil {
			t.Fatal("did not use Redis again")
		}
	}
}

// stallingProxy passes connections on to a Redis. While it is locked, nothing passes.
type stallingProxy struct {
	sync.RWMutex
	url string
}

// newStallingProxy returns a proxy in front of the Redis at an address.
func newStallingProxy(t *testing.T, redis string) *stallingProxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &stallingProxy{url: "redis://" + listener.Addr().String()}
	t.Cleanup(func() { _ = listener.Close() })
	pass := func(from, to net.Conn) {
		defer func() { _, _ = from.Close(), to.Close() }()
		buffer := make([]byte, 4096)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			p.RLock()
			_, err = to.Write(buffer[:n])
			p.RUnlock()
			if err != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", redis)
			if err != nil {
				_ = client.Close()
				continue
			}
			go pass(client, server)
			go pass(server, client)
		}
	}()
	return p
}

// TestStall lets Redis stall for longer than a command may take, and then for good. Only then may
// the client limit its calls alone, because others could call ZEGO at the same time.
func TestStall(t *testing.T) {
	t.Parallel()
	proxy := newStallingProxy(t, redistest.Start(t).Address)
	share, log := open(t, proxy.url)
	if _, err := share.Acquire(t.Context(), "A"); err != nil {
		t.Fatal(err)
	}
	proxy.Lock()
	time.AfterFunc(700*time.Millisecond, proxy.Unlock)
	begin := time.Now()
	if _, err := share.Acquire(t.Context(), "A"); err != nil || time.Since(begin) < 700*time.Millisecond || log.String() != "" {
		t.Errorf("a stall: got %v after %v, logged %s", err, time.Since(begin), log)
	}
	proxy.Lock()
	defer proxy.Unlock()
	begin = time.Now()
	if _, err := share.Acquire(t.Context(), "A"); err != nil || !strings.Contains(log.String(), "Redis does not answer") {
		t.Errorf("for good: got %v after %v, logged %s", err, time.Since(begin), log)
	}
}

// TestUnreachable uses a Redis that is not there. Calls succeed all the same.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	sim := httptest.NewServer(&zegosim.Server{})
	t.Cleanup(sim.Close)
	share, log := open(t, "redis://:hunter2@127.0.0.1:1")
	if share.Ping(t.Context()) == nil || !strings.Contains(log.String(), "Redis does not answer") {
		t.Errorf("got %s", log)
	}
	if _, err := newClient(t, sim.URL, share, time.Minute).ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{}); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the password shows: %s", log)
	}
}

// TestWrongPassword uses Redis with a wrong password, with none, and with the right one.
// Without the right one calls succeed all the same.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--requirepass", "right")
	for _, user := range []string{":hunter2@", ""} {
		share, log := open(t, "redis://"+user+redis.Address)
		if err := share.Ping(t.Context()); err == nil || !strings.Contains(log.String(), "AUTH") && !strings.Contains(log.String(), "WRONGPASS") {
			t.Errorf("got %v, %s", err, log)
		}
		if permit, err := share.Acquire(t.Context(), "A"); err != nil || permit == nil {
			t.Errorf("got %v", err)
		}
		if strings.Contains(log.String(), "hunter2") {
			t.Errorf("the password shows: %s", log)
		}
	}
	share, _ := open(t, "redis://:right@"+redis.Address)
	if err := share.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTLS uses rediss:// with a server whose certificate nobody has signed. It is refused.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	share, _ := open(t, "rediss://:hunter2@"+server.Listener.Addr().String())
	for {
		err := share.Ping(t.Context())
		if err == nil {
			t.Fatal("the certificate was accepted")
		}
		if strings.Contains(err.Error(), "certificate") {
			return
		}
		// A busy machine needs longer than a connection may take.
		if !strings.Contains(err.Error(), "timeout") && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

// TestDatabase checks that the number in the URL chooses the database.
func TestDatabase(t *testing.T) {
	t.Parallel()
	address := "redis://" + redistest.Start(t).Address
	first, _ := open(t, address)
	second, _ := open(t, address+"/1")
	first.Set(t.Context(), "key", []byte("answer"), time.Minute)
	if got, ok := second.Get(t.Context(), "key"); ok {
		t.Errorf("database 1 has %s", got)
	}
	if got, ok := first.Get(t.Context(), "key"); !ok || string(got) != "answer" {
		t.Errorf("database 0: got %q, %v", got, ok)
	}
}

func TestMalformedURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"localhost:6379", "http://:hunter2@x", "redis://:hunter2@host:port", "redis://x/db", "::hunter2", "redis://:hunter2?@x", "unix:///tmp/redis.sock", "redis:hunter2"} {
		_, err := redisshare.Open(url, redisshare.Options{Logger: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "must look like redis://") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
