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

// streamingSet opens a set with the projects shop and news, each at a simulator of its own.
func streamingSet(t *testing.T, sims map[string]*zegosim.Server) (set *projects.Set, path, text string) {
	t.Helper()
	opts, _ := options()
	opts.Toolsets = []tools.Toolset{tools.Assets, tools.Streaming}
	opts.MaxTasks, opts.StopTimeout = 1000, 10*time.Second
	for name, def := range map[string]string{
		"shop": "app_id = 1\nsecret_file = \"shop.secret\"\ntokens = [\"alice\"]\n",
		"news": "app_id = 2\nsecret_env = \"NEWS\"\ntokens = [\"bob\"]\n",
	} {
		upstream := httptest.NewServer(leaktest.Handler(sims[name]))
		t.Cleanup(upstream.Close)
		text += fmt.Sprintf("[[projects]]\nname = %q\nendpoint = %q\n%s", name, upstream.URL, def)
	}
	set, path = open(t, text, opts)
	return set, path, text
}

// TestChurn lets callers create streams while their project leaves the file and comes back, quickly
// and often. At the end each stream that runs is one that a project in force knows, and none is
// left when the set is closed.
func TestChurn(t *testing.T) {
	t.Parallel()
	sims := map[string]*zegosim.Server{
		"shop": {AppID: 1, Secret: shopSecret, QPS: -1, StartDelay: -1, MaxTasks: 1000},
		"news": {AppID: 2, Secret: newsSecret, QPS: -1, StartDelay: -1, MaxTasks: 1000},
	}
	set, path, both := streamingSet(t, sims)
	_, after, _ := strings.Cut(both, "[[projects]]")
	first, second, _ := strings.Cut(after, "[[projects]]")
	ctx, stop := context.WithCancel(t.Context())
	var creating sync.WaitGroup
	var mu sync.Mutex
	created, refused := 0, 0
	for i := range 6 {
		creating.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				err := createStream(set, []string{"alice", "bob"}[i%2])
				mu.Lock()
				if err == nil {
					created++
				} else {
					refused++
				}
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	for range 15 {
		for _, text := range []string{"[[projects]]" + first, "[[projects]]" + second, "projects = []", both} {
			replace(t, set, path, text)
			time.Sleep(10 * time.Millisecond)
		}
	}
	stop()
	creating.Wait()
	replace(t, set, path, "projects = []")
	running := func() (n int) {
		for name, appID := range map[string]uint32{"shop": 1, "news": 2} {
			n += runningAt(t, sims[name], appID)
		}
		return n
	}
	waitFor(t, func() bool { return running() == 0 }, "the end of all streams")
	if created == 0 || refused == 0 {
		t.Errorf("%d streams were created and %d refused", created, refused)
	}
	t.Logf("%d streams were created, %d refused", created, refused)
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
