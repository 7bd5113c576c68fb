package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// startTimeout is how long a process may take until it serves.
const startTimeout = 20 * time.Second

// process is a program that runs.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // Closed when it has ended.

	mu      sync.Mutex // guards what follows
	lines   []string   // Its last warnings and errors.
	waitErr error      // What Wait returned.
}

// maxLines is how many lines of each process are kept.
const maxLines = 20

// startProcess starts a program and returns the first value that address finds in a line of its
// output, which says where it listens.
func startProcess(ctx context.Context, name string, env []string, address func(line string) string, command ...string) (*process, string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = env
	output, input, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	cmd.Stdout, cmd.Stderr = input, input
	err = cmd.Start()
	_ = input.Close()
	if err != nil {
		_ = output.Close()
		return nil, "", fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	found := make(chan string, 1)
	go func() {
		p.read(output, address, found)
		_ = output.Close()
		err := cmd.Wait()
		p.mu.Lock()
		p.waitErr = err
		p.mu.Unlock()
		close(p.done)
	}()
	select {
	case value := <-found:
		return p, value, nil
	case <-p.done:
		err = fmt.Errorf("%s ended at once: %w", name, p.result())
	case <-time.After(startTimeout):
		err = fmt.Errorf("%s does not say where it listens", name)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.kill()
	return p, "", err
}

// read reads the output until it ends. It sends the first address that it finds to found.
func (p *process) read(output io.Reader, address func(line string) string, found chan<- string) {
	scanner := bufio.NewScanner(output)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		if value := address(line); value != "" {
			select {
			case found <- value:
			default:
			}
		}
		if !strings.Contains(line, `"level":"WARN"`) && !strings.Contains(line, `"level":"ERROR"`) {
			continue
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.lines = p.lines[max(0, len(p.lines)-maxLines):]
		p.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, output) // After a line that is too long, the process must still be able to write.
}

func (p *process) result() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waitErr
}

func (p *process) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// kill ends the process at once, and returns when it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// terminate sends the process a signal to end. Within limit it must do so with success.
func (p *process) terminate(ctx context.Context, stopSignal os.Signal, limit time.Duration) error {
	if err := p.cmd.Process.Signal(stopSignal); err != nil {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(limit):
		return fmt.Errorf("%s still runs %v after the signal", p.name, limit)
	}
	if err := p.result(); err != nil {
		return errors.New(p.name + " did not end well: " + err.Error())
	}
	return nil
}

// servedURL returns the address in the log line with which a server begins, or "".
func servedURL(line string) string {
	var record struct {
		Msg string `json:"msg"`
		URL string `json:"url"`
	}
	if json.Unmarshal([]byte(line), &record) != nil || record.Msg != "serving MCP" {
		return ""
	}
	return strings.TrimSuffix(record.URL, "/mcp")
}

// simulatorURL returns the address in the line in which the simulator says it, or "".
func simulatorURL(line string) string {
	value, found := strings.CutPrefix(line, "export ZEGO_ENDPOINT=")
	if !found {
		return ""
	}
	return value
}
