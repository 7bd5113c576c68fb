package redisshare

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	randv2 "math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
	"zego-mcp/internal/redisshare/redistest"

	"github.com/gomodule/redigo/redis"
)

// openTurns returns a Client with 10 calls per second of a Redis that nobody else uses.
func openTurns(t *testing.T) *Client {
	t.Helper()
	c, err := Open("redis://"+redistest.Start(t).Address, Options{AppID: 1, QPS: 10, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestTurnsAreHandedBack cancels calls that wait for their turns. The next calls get these
// turns, the earliest first.
func TestTurnsAreHandedBack(t *testing.T) {
	t.Parallel()
	c := openTurns(t)
	last := func() string {
		turns, err := redis.Strings(c.do(t.Context(), "LRANGE", c.turnsKey("A"), -1, -1))
		if err != nil || len(turns) != 1 {
			t.Fatal(turns, err)
		}
		return turns[0]
	}
	for range 100 { // These take ten seconds' turns.
		if turn, err := c.reserve(t.Context(), "A", rand.Text()); err != nil || turn.at == noTurn {
			t.Fatal(turn, err)
		}
	}
	var given []string
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		before, ended := last(), make(chan error)
		go func() { _, err := c.Acquire(ctx, "A"); ended <- err }()
		for last() == before {
			time.Sleep(time.Millisecond)
		}
		given = append(given, last())
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if n, err := redis.Int(c.do(t.Context(), "ZCARD", c.unusedKey("A"))); err != nil || n != 1 {
			t.Fatalf("%d turns were handed back, want 1", n)
		}
		if turn, err := c.reserve(t.Context(), "A", rand.Text()); err != nil || strconv.FormatInt(int64(turn.at), 10) != last() || turn.wait < time.Second || turn.maySend {
			t.Errorf("got the turn %+v, %v; want %v", turn, err, last())
		}
	}
	for _, i := range []int{2, 0, 1} {
		turn, _ := strconv.ParseInt(given[i], 10, 64)
		c.handBack(t.Context(), "A", redisTime(turn))
	}
	c.handBack(t.Context(), "A", 1) // A turn that is past is of no use.
	milliseconds, err := redis.Int(c.do(t.Context(), "PTTL", c.unusedKey("A")))
	if ttl := time.Duration(milliseconds) * time.Millisecond; err != nil || ttl <= 5*time.Second || ttl > 15*time.Second {
		t.Errorf("the turns that were handed back are kept for %v", ttl)
	}
	for _, want := range given {
		if turn, err := c.reserve(t.Context(), "A", rand.Text()); err != nil || strconv.FormatInt(int64(turn.at), 10) != want {
			t.Errorf("got the turn %+v, %v; want %s", turn, err, want)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	c.handBack(t.Context(), "A", redisTime(time.Now().Add(time.Hour).UnixMicro()))
	if turn, err := c.reserve(short, "A", rand.Text()); err != nil || turn.at != noTurn || turn.wait < time.Second || turn.maySend {
		t.Errorf("got the turn %+v, %v; want none before the deadline", turn, err)
	}
}

// TestTurnsNeverTooDense reserves turns and hands some back, at random. The turns that are
// held never lie more densely than the limit allows.
func TestTurnsNeverTooDense(t *testing.T) {
	t.Parallel()
	c := openTurns(t)
	var held []redisTime
	reused := 0
	for range 600 {
		if n := len(held); n > 0 && randv2.N(5) < 2 {
			i := randv2.N(n)
			c.handBack(t.Context(), "A", held[i])
			held = slices.Delete(held, i, i+1)
			continue
		}
		turn, err := c.reserve(t.Context(), "A", rand.Text())
		if err != nil || turn.at == noTurn {
			t.Fatal(turn, err)
		}
		if len(held) > 0 && turn.at < slices.Max(held) {
			reused++
		}
		held = append(held, turn.at)
	}
	slices.Sort(held)
	for i := range held[:len(held)-10] {
		if apart := time.Duration(held[i+10]-held[i]) * time.Microsecond; apart < window {
			t.Errorf("11 turns lie in %v", apart)
		}
	}
	if reused == 0 {
		t.Error("no turn was used again")
	}
}

// TestBusyProcesses lets three processes make many calls at once, of which they send some later
// than they may. However late these are, no more calls than ZEGO allows are sent in a second.
func TestBusyProcesses(t *testing.T) {
	t.Parallel()
	address := "redis://" + redistest.Start(t).Address
	var mu sync.Mutex
	var sent []time.Time
	var calls sync.WaitGroup
	for range 3 {
		c, err := Open(address, Options{AppID: 1, QPS: 10, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		for i := range 12 {
			calls.Go(func() {
				p, err := c.Acquire(t.Context(), "A")
				if err != nil {
					t.Error(err)
					return
				}
				if i%4 == 0 {
					time.Sleep(400 * time.Millisecond) // The process has no time for the call.
				}
				mu.Lock()
				sent = append(sent, time.Now())
				mu.Unlock()
				p.Sent()
				p.Done(true)
			})
		}
	}
	calls.Wait()
	slices.SortFunc(sent, time.Time.Compare)
	for i := range sent[:len(sent)-10] {
		if apart := sent[i+10].Sub(sent[i]); apart < time.Second {
			t.Errorf("11 calls were sent in %v", apart)
		}
	}
}
