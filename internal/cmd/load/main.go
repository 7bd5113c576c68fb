// Command load runs a deployment under load: servers that share one Redis, behind a load
// balancer, with the simulator in ZEGO's place. Many agents call at once while one server is
// killed, another one is drained, and a new one takes their place. It fails if a call fails
// twice in a row, a stream task outlives the servers, or ZEGO is called more often than it allows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// options are the flags.
type options struct {
	duration time.Duration // How long agents begin calls.
	agents   int           // How many agents there are, each with a session of its own.
	streams  int           // How many stream tasks of the agents run at once.
	binary   string        // The zego-mcp to run; empty: build it.
}

func main() {
	var opts options
	flag.DurationVar(&opts.duration, "duration", 10*time.Second, "how long to call")
	flag.IntVar(&opts.agents, "agents", 40, "agents that call at the same time, 1 to 900")
	flag.IntVar(&opts.streams, "streams", 5, "stream tasks that run at the same time, 1 to 5; the simulator allows 10, and a create that is repeated may leave a second one for a while")
	flag.StringVar(&opts.binary, "binary", "", "the zego-mcp to run (default: build it from the working directory)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := opts.check()
	if err == nil {
		err = load(ctx, os.Stdout, opts)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load failed:", err)
		os.Exit(1)
	}
}

// check returns an error if a flag has a value with which the run cannot work.
func (o options) check() error {
	const maxAgents = 900 // A server keeps 1000 sessions, and one server serves all agents for a while.
	switch {
	case o.duration <= 0:
		return fmt.Errorf("--duration must be more than 0, got %v", o.duration)
	case o.agents < 1 || o.agents > maxAgents:
		return fmt.Errorf("--agents must be from 1 to %d, got %d", maxAgents, o.agents)
	case o.streams < 1 || o.streams > zegosim.DefaultMaxTasks/2:
		return fmt.Errorf("--streams must be from 1 to %d, got %d", zegosim.DefaultMaxTasks/2, o.streams)
	}
	return nil
}

// load runs everything, prints the figures to out, and returns what is wrong with them.
func load(ctx context.Context, out io.Writer, opts options) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "zego-mcp-load-")
	if err != nil {
		return err
	}
	d := &deployment{dir: dir, binary: opts.binary, balancer: newBalancer()}
	defer func() {
		d.killAll()
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if d.binary == "" {
		if d.binary, err = build(ctx, dir); err != nil {
			return err
		}
	}
	balancerURL, err := d.start(ctx)
	if err != nil {
		return err
	}
	agents := &agents{url: balancerURL + "/mcp", tokens: d.tokens, slots: make(chan struct{}, opts.streams)}
	d.began = time.Now()
	d.note("servers 1 and 2 serve")
	called := make(chan struct{})
	go func() {
		defer close(called)
		agents.run(ctx, opts.agents, opts.duration)
	}()
	err = d.disturb(ctx, opts.duration)
	<-called
	if err == nil {
		err = d.end(ctx)
	}
	f := figures{agents: agents, upstream: &d.upstream, events: d.events, opts: opts}
	tasks, listErr := d.runningTasks(ctx)
	f.running = tasks
	f.print(out)
	err = errors.Join(err, listErr, f.verdict())
	if err != nil {
		d.printLogs(out)
	}
	return err
}

// build builds zego-mcp of the working directory into dir.
func build(ctx context.Context, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "zego-mcp")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return binary, nil
}

// runningTasks asks the simulator itself how many stream tasks run.
func (d *deployment) runningTasks(ctx context.Context) (int, error) {
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint: d.simulatorURL, HTTPClient: &http.Client{},
	})
	if err != nil {
		return 0, err
	}
	list, err := client.ListStreamTasks(ctx)
	return len(list.Tasks), err
}

// environment is what a process of ours gets: nothing of the user's settings.
func (d *deployment) environment(endpoint string) []string {
	return []string{
		"HOME=" + d.dir, "PATH=" + os.Getenv("PATH"), "ZEGO_ENDPOINT=" + endpoint,
		"ZEGO_APP_ID=" + strconv.Itoa(int(zegosim.DefaultAppID)), "ZEGO_SERVER_SECRET=" + zegosim.DefaultSecret,
	}
}
