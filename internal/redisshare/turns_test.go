package redisshare

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
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
		if _, turn, err := c.reserve(t.Context(), "A"); err != nil || turn == 0 {
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
		if wait, turn, err := c.reserve(t.Context(), "A"); err != nil || strconv.FormatInt(int64(turn), 10) != last() || wait < time.Second {
			t.Errorf("got the turn %v in %v, %v; want %v", turn, wait, err, last())
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
		if _, turn, err := c.reserve(t.Context(), "A"); err != nil || strconv.FormatInt(int64(turn), 10) != want {
			t.Errorf("got the turn %v, %v; want %s", turn, err, want)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	c.handBack(t.Context(), "A", redisTime(time.Now().Add(time.Hour).UnixMicro()))
	if wait, turn, err := c.reserve(short, "A"); err != nil || turn != 0 || wait < time.Second {
		t.Errorf("got the turn %v in %v, %v; want none before the deadline", turn, wait, err)
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
		if n := len(held); n > 0 && rand.N(5) < 2 {
			i := rand.N(n)
			c.handBack(t.Context(), "A", held[i])
			held = slices.Delete(held, i, i+1)
			continue
		}
		_, turn, err := c.reserve(t.Context(), "A")
		if err != nil || turn == 0 {
			t.Fatal(turn, err)
		}
		if len(held) > 0 && turn < slices.Max(held) {
			reused++
		}
		held = append(held, turn)
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
