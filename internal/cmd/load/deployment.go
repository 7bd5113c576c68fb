package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"zego-mcp/zego/zegosim"
)

// deployment is the simulator, Redis, the servers, and the load balancer before them.
type deployment struct {
	dir, binary  string
	tokens       []string // Of the callers.
	simulatorURL string
	redisURL     string
	upstreamURL  string // Of upstream, through which the servers call the simulator.
	upstream     upstream
	balancer     *balancer
	processes    []*process
	servers      []*server // In the order in which they have started.
	began        time.Time // When the load began; zero before that.
	events       []string  // What happened to the servers, and when.
}

// server is a zego-mcp that serves.
type server struct {
	*process
	backend *backend
}

const (
	// callers is how many tokens there are. The agents share them.
	callers = 10
	// endTimeout is how long a server may take to end: its calls in flight may use their time
	// limit of 30 s, and its streams the stop timeout of 30 s.
	endTimeout = 70 * time.Second
)

// drainDelay is how long a server takes requests after a signal. The balancer asks for the
// readiness several times in that time.
const drainDelay = 2 * time.Second

// start starts everything with two servers, and returns the address of the load balancer.
func (d *deployment) start(ctx context.Context) (balancerURL string, err error) {
	if err := d.startRedis(ctx); err != nil {
		return "", err
	}
	p, url, err := startProcess(ctx, "simulator", d.environment(""), simulatorURL, d.binary, "simulate", "--listen", "127.0.0.1:0", "--qps", fmt.Sprint(zegosim.DefaultQPS), "--log-format", "json")
	if err != nil {
		return "", err
	}
	d.processes, d.simulatorURL = append(d.processes, p), url
	if d.upstreamURL, err = serve(ctx, d.upstream.handler(url)); err != nil {
		return "", err
	}
	for i := range callers {
		token, err := d.newToken(ctx, fmt.Sprintf("caller-%d", i))
		if err != nil {
			return "", err
		}
		d.tokens = append(d.tokens, token)
	}
	for range 2 {
		if err := d.startServer(ctx); err != nil {
			return "", err
		}
	}
	go d.balancer.probe(ctx)
	return serve(ctx, d.balancer)
}

// serve serves handler on a free port of the loopback interface until ctx is done.
func serve(ctx context.Context, handler http.Handler) (url string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: noLog}
	go func() { _ = s.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return "http://" + listener.Addr().String(), nil
}

// startRedis starts a redis-server, which keeps nothing on the disk, on a free port.
func (d *deployment) startRedis(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(address)
	ready := func(line string) string {
		if strings.Contains(line, "Ready to accept connections") {
			return address
		}
		return ""
	}
	p, _, err := startProcess(ctx, "redis", d.environment(""), ready,
		"redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", d.dir)
	if err != nil {
		return err
	}
	d.processes, d.redisURL = append(d.processes, p), "redis://"+address
	return nil
}

// newToken makes a token with all rights.
func (d *deployment) newToken(ctx context.Context, name string) (string, error) {
	cmd := exec.CommandContext(ctx, d.binary, "token", "new", name, "--toolsets", "all", "--file", d.tokenFile(), "--calls-per-minute", "60000")
	cmd.Env = d.environment("")
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("token new: %w", err)
	}
	for word := range strings.FieldsSeq(string(text)) {
		if strings.HasPrefix(word, "zmcp_") {
			return word, nil
		}
	}
	return "", fmt.Errorf("token new printed no token")
}

func (d *deployment) tokenFile() string { return filepath.Join(d.dir, "tokens.json") }

// startServer starts one more server, and lets the balancer know it.
func (d *deployment) startServer(ctx context.Context) error {
	name := fmt.Sprintf("server %d", len(d.servers)+1)
	p, url, err := startProcess(ctx, name, d.environment(d.upstreamURL), servedURL,
		d.binary, "serve", "--transport", "http", "--listen", "127.0.0.1:0", "--redis-url", d.redisURL,
		"--auth-tokens", d.tokenFile(), "--toolsets", "all", "--max-tasks", fmt.Sprint(zegosim.DefaultMaxTasks),
		"--drain-delay", drainDelay.String(), "--log-format", "json")
	if err != nil {
		return err
	}
	b, err := newBackend(url)
	if err != nil {
		return err
	}
	d.processes = append(d.processes, p)
	d.servers = append(d.servers, &server{p, b})
	d.balancer.add(ctx, b)
	if !d.began.IsZero() {
		d.note(name + " serves")
	}
	return nil
}

// note keeps what happened now.
func (d *deployment) note(what string) {
	d.events = append(d.events, fmt.Sprintf("%6.1f s  %s", time.Since(d.began).Seconds(), what))
}

// disturb kills the first server after 3/10 of duration, and starts a third one. After 6/10 it
// drains the second one. It returns when that has ended.
func (d *deployment) disturb(ctx context.Context, duration time.Duration) error {
	if err := sleep(ctx, duration*3/10); err != nil {
		return err
	}
	d.servers[0].kill()
	d.note("server 1 was killed")
	if err := d.startServer(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, duration*6/10-time.Since(d.began)); err != nil {
		return err
	}
	d.note("server 2 is drained")
	err := d.servers[1].terminate(ctx, syscall.SIGTERM, endTimeout)
	d.note("server 2 has ended")
	return err
}

// end ends the last server.
func (d *deployment) end(ctx context.Context) error {
	d.note("the last server is told to end")
	err := d.servers[len(d.servers)-1].terminate(ctx, syscall.SIGTERM, endTimeout)
	d.note("the last server has ended")
	return err
}

// killAll ends all processes.
func (d *deployment) killAll() {
	for _, p := range d.processes {
		p.kill()
	}
}

// printLogs prints the last warnings and errors of each process.
func (d *deployment) printLogs(out io.Writer) {
	for _, p := range d.processes {
		for _, line := range p.log() {
			_, _ = fmt.Fprintf(out, "%s: %s\n", p.name, line)
		}
	}
}

// sleep waits for a time, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
