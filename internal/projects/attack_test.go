package projects_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"zego-mcp/internal/auth"
	"zego-mcp/internal/leaktest"
	"zego-mcp/internal/projects"
	"zego-mcp/internal/redisshare"
	"zego-mcp/internal/redisshare/redistest"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// TestManyProjects opens 1000 projects and closes them. It does not run in parallel, because it
// counts goroutines and measures the heap.
func TestManyProjects(t *testing.T) { //nolint:paralleltest // See above.
	const n = 1000
	var file strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&file, "[[projects]]\nname = \"p%d\"\napp_id = %d\nsecret_file = \"shop.secret\"\ntokens = [\"t%[1]d\"]\n", i, i+1)
	}
	opts, _ := options()
	path := write(t, file.String())
	goroutines, heap := runtime.NumGoroutine(), liveHeap()
	begin := time.Now()
	set, err := projects.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	if got := projectOf(set, auth.Caller{Token: "t999"}); got != "p999" {
		t.Errorf("the last project is %q", got)
	}
	more, each := runtime.NumGoroutine()-goroutines, (int64(liveHeap())-int64(heap))/n
	t.Logf("%d projects were opened in %v, with %d goroutines and %d bytes for each", n, took, more, each)
	if more > n || each > 64<<10 || took > 20*time.Second {
		t.Errorf("too much: %v, %d goroutines, %d bytes for each", took, more, each)
	}
	begin = time.Now()
	set.Reread()
	t.Logf("they were read again in %v", time.Since(begin))
	set.Close(t.Context())
	waitFor(t, func() bool { return runtime.NumGoroutine() <= goroutines }, "the end of all goroutines")
}

// liveHeap returns how many bytes are in use.
func liveHeap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// churn is two projects, each at a simulator of its own, with sets that serve them both.
type churn struct {
	sims  map[string]*zegosim.Server
	sets  []*projects.Set
	path  string
	texts []string // Of the file with the first project, the second, none, and both.
	logs  []*logBuffer

	mu               sync.Mutex // guards what follows
	created, refused int
}

// newChurn opens sets. With a redis they share the streams.
func newChurn(t *testing.T, sets int, redis *redistest.Server) *churn {
	t.Helper()
	slow := func(action string, _ int) *zegosim.Fault {
		if action == "CreateDigitalHumanStreamTask" {
			return &zegosim.Fault{Latency: 5 * time.Millisecond}
		}
		return nil
	}
	c := &churn{sims: map[string]*zegosim.Server{}}
	var both string
	for i, def := range []struct{ name, secret, text string }{
		{"shop", shopSecret, "secret_file = \"shop.secret\"\ntokens = [\"alice\"]\n"},
		{"news", newsSecret, "secret_env = \"NEWS\"\ntokens = [\"bob\"]\n"},
	} {
		sim := &zegosim.Server{AppID: uint32(i + 1), Secret: def.secret, QPS: -1, StartDelay: -1, MaxTasks: 1000, Fault: slow}
		upstream := httptest.NewServer(leaktest.Handler(sim))
		t.Cleanup(upstream.Close)
		c.sims[def.name] = sim
		one := fmt.Sprintf("[[projects]]\nname = %q\napp_id = %d\nendpoint = %q\n%s", def.name, i+1, upstream.URL, def.text)
		c.texts = append(c.texts, one)
		both += one
	}
	c.texts = append(c.texts, "projects = []", both)
	c.path = write(t, both)
	for range sets {
		opts, log := options()
		opts.Toolsets = []tools.Toolset{tools.Assets, tools.Streaming}
		opts.MaxTasks, opts.StopTimeout = 1000, 10*time.Second
		if redis != nil {
			client, err := redisshare.Open("redis://"+redis.Address, redisshare.Options{QPS: 10, Logger: opts.Logger})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			opts.Redis = client
		}
		set, err := projects.Open(c.path, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { set.Close(context.WithoutCancel(t.Context())) })
		c.sets, c.logs = append(c.sets, set), append(c.logs, log)
	}
	return c
}

// create creates streams through a set until ctx is done.
func (c *churn) create(ctx context.Context, set *projects.Set, token string) {
	for ctx.Err() == nil {
		err := createStream(set, token)
		c.mu.Lock()
		if err == nil {
			c.created++
		} else {
			c.refused++
		}
		c.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

// TestChurn lets callers create streams while their project leaves the file and comes back, quickly
// and often. None of the streams is left when no project is in the file any more.
func TestChurn(t *testing.T) {
	t.Parallel()
	for name, sets := range map[string]int{"one server": 1, "servers with one Redis": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var redis *redistest.Server
			if sets > 1 {
				redis = redistest.Start(t)
			}
			c := newChurn(t, sets, redis)
			ctx, stop := context.WithCancel(t.Context())
			var creating sync.WaitGroup
			for i := range 6 {
				creating.Go(func() { c.create(ctx, c.sets[i/2%sets], []string{"alice", "bob"}[i%2]) })
			}
			for range 15 {
				for _, text := range c.texts {
					for _, set := range c.sets {
						replace(t, set, c.path, text)
						time.Sleep(7 * time.Millisecond)
					}
				}
			}
			stop()
			creating.Wait()
			for _, set := range c.sets {
				replace(t, set, c.path, "projects = []")
			}
			left := func() int { return runningAt(t, c.sims["shop"], 1) + runningAt(t, c.sims["news"], 2) }
			for deadline := time.Now().Add(40 * time.Second); left() > 0; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d streams run; logged %s", left(), c.logs[0])
				}
			}
			if c.created == 0 || c.refused == 0 {
				t.Errorf("%d streams were created and %d refused", c.created, c.refused)
			}
			t.Logf("%d streams were created, %d refused", c.created, c.refused)
			for _, log := range c.logs {
				for line := range strings.Lines(log.String()) {
					if strings.Contains(line, "level=ERROR") {
						t.Errorf("logged %s", line)
					}
				}
			}
		})
	}
}

// createStream creates a stream as a caller.
func createStream(set *projects.Set, token string) error {
	ctx, end, ok := set.Admit(context.Background(), auth.Caller{Token: token})
	if !ok {
		return errors.New("not admitted")
	}
	defer end()
	_, err := set.Project(ctx).Streams.Start(ctx, streams.StartRequest{
		DigitalHumanID: zegosim.DefaultHumans()[0].ID, RoomID: "room", TTL: time.Minute, MaxIdleTime: time.Minute, Timeout: 5 * time.Second,
	})
	return err
}

// runningAt returns how many streams a simulator runs.
func runningAt(t *testing.T, sim *zegosim.Server, appID uint32) int {
	t.Helper()
	upstream := httptest.NewServer(sim)
	defer upstream.Close()
	client, err := zego.New(appID, sim.Secret, zego.Options{Endpoint: upstream.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	list, err := client.ListStreamTasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Tasks)
}

// TestConfigMap changes the file as Kubernetes does, by one swap of a link to the folder with
// the file and the secrets. The project goes on with its new secret. When the secret is gone for a
// moment, all stays as it is.
func TestConfigMap(t *testing.T) {
	t.Parallel()
	opts, log := options()
	dir := t.TempDir()
	publish := func(version, secret string) {
		t.Helper()
		folder := filepath.Join(dir, version)
		err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "projects"), []byte(shop), 0o600))
		if secret != "" {
			err = errors.Join(err, os.WriteFile(filepath.Join(folder, "shop.secret"), []byte(secret), 0o600))
		}
		for _, name := range []string{"projects", "shop.secret"} { // As of files that were prepared long before.
			_ = os.Chtimes(filepath.Join(folder, name), time.Unix(1, 0), time.Unix(1, 0))
		}
		if err = errors.Join(err, os.Symlink(version, filepath.Join(dir, "new")), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	publish("v1", shopSecret)
	for _, name := range []string{"projects", "shop.secret"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	set, err := projects.Open(filepath.Join(dir, "projects"), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close(t.Context())
	publish("v2", newsSecret)
	waitFor(t, func() bool { return strings.Contains(log.String(), "a project has another secret") }, "the new secret")
	publish("v3", "")
	waitFor(t, func() bool { return strings.Contains(log.String(), "level=ERROR") }, "the missing secret")
	if got := projectOf(set, auth.Caller{Token: "alice"}); got != "shop" {
		t.Errorf("without the secret alice belongs to %q", got)
	}
	publish("v4", shopSecret)
	waitFor(t, func() bool { return strings.Count(log.String(), "a project has another secret") == 2 }, "the secret again")
}
