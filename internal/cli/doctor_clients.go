package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"zego-mcp/internal/clients"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// clientTimeout is how long the server of a client's entry may take to start and to answer.
const clientTimeout = 10 * time.Second

// checkClients checks the entries of the clients on this machine: whether the program is
// there, of this version, starts and answers as the client would start it.
func checkClients(ctx context.Context, e *env) []finding {
	entries, _, err := (&clientFlags{Name: defaultEntryName}).entries(e)
	if err != nil {
		return nil // Without a home directory there are no clients.
	}
	var findings []finding
	for _, entry := range entries {
		if entry.State == clients.Absent {
			continue
		}
		result, advice := checkEntry(ctx, entry)
		findings = append(findings, finding{"client", entry.Client.Title + ": " + result, advice})
	}
	return findings
}

// checkEntry checks one entry. advice is empty if all is well.
func checkEntry(ctx context.Context, entry clients.Entry) (result, advice string) {
	install := "Run zego-mcp install " + entry.Client.Name
	switch entry.State {
	case clients.Unreadable:
		return entry.File + " cannot be read: " + entry.Detail, "Correct the file"
	case clients.Foreign:
		return fmt.Sprintf("its entry %s starts no zego-mcp (%s)", defaultEntryName, entry.File), ""
	case clients.Broken:
		return entry.Detail, install
	case clients.Remote:
		if err := initialize(ctx, entry); err != nil {
			return "the server at its URL does not answer: " + err.Error(), "Check the URL in " + entry.File + ", and whether the server runs"
		}
		return "the server at its URL answers", ""
	}
	if entry.State == clients.Outdated {
		other, err := versionOf(ctx, entry.Command)
		if err != nil {
			return entry.Command + " does not start: " + err.Error(), install
		}
		if other != version() {
			return fmt.Sprintf("%s is version %s, and this is %s", entry.Command, other, version()), install
		}
	}
	if err := initialize(ctx, entry); err != nil {
		return entry.Command + " does not answer as the client starts it: " + err.Error(), "Look at the entry in " + entry.File + ", or run zego-mcp install " + entry.Client.Name
	}
	return entry.Command + " starts and answers", ""
}

// versionOf returns the version of another zego-mcp.
func versionOf(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, "version")
	cmd.WaitDelay = time.Second
	killRest := ownGroup(cmd)
	var out limitedBuffer
	cmd.Stdout = &out
	err := cmd.Run()
	if cmd.Process != nil {
		killRest()
	}
	switch {
	case out.full: // Then the program has ended with an error of its own.
		return "", errTooMuch
	case err != nil:
		return "", childError(ctx, err)
	}
	fields := strings.Fields(string(bytes.SplitN(out.data, []byte("\n"), 2)[0]))
	if len(fields) != 2 || fields[0] != "zego-mcp" {
		return "", errors.New("it is no zego-mcp")
	}
	return fields[1], nil
}

// maxOutput is how many bytes doctor reads of what a program writes.
const maxOutput = 1 << 18

var errTooMuch = errors.New("it writes too much")

// limitedBuffer keeps what is written to it, and refuses more than maxOutput bytes.
type limitedBuffer struct {
	data []byte
	full bool // It has refused something.
}

// Write keeps p, or returns errTooMuch.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > maxOutput {
		b.full = true
		return 0, errTooMuch
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// childError says why a program has failed. The text of an error of os/exec names it again.
func childError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no answer in %v", clientTimeout)
	}
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// initialize connects to the server of an entry as its client does, and says hello.
func initialize(ctx context.Context, entry clients.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	if entry.URL == "" {
		child, err := startServer(ctx, entry)
		if err != nil {
			return childError(ctx, err)
		}
		defer child.stop(cancel)
		err = hello(ctx, transport.NewIO(child.output, child.input, nil))
		if err != nil && child.output.left.Load() <= 0 {
			return errTooMuch
		}
		return err
	}
	connection, err := transport.NewStreamableHTTP(entry.URL)
	if err != nil {
		return errors.New("the URL is malformed")
	}
	return hello(ctx, connection)
}

// hello says hello to a server.
func hello(ctx context.Context, connection transport.Interface) error {
	c := client.NewClient(connection)
	if err := c.Start(ctx); err != nil {
		return childError(ctx, err)
	}
	defer func() { _ = c.Close() }()
	var request mcp.InitializeRequest
	request.Params.ProtocolVersion = mcp.LATEST_PROTOCOL_VERSION
	request.Params.ClientInfo = mcp.Implementation{Name: "zego-mcp doctor", Version: version()}
	_, err := c.Initialize(ctx, request)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("no answer in %v", clientTimeout)
	case errors.Is(err, transport.ErrTransportClosed), errors.Is(err, os.ErrClosed), errors.Is(err, syscall.EPIPE):
		return errors.New("it ended without an answer")
	}
	return withoutURL(err)
}

// childServer is a server that doctor has started.
type childServer struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *limitedReader

	killRest func() // Kills what the server has started, and left running.
}

// limitedReader reads at most left bytes.
type limitedReader struct {
	from io.Reader
	left atomic.Int64
}

// Read reads into p. What is behind the limit does not exist for it.
func (r *limitedReader) Read(p []byte) (int, error) {
	left := r.left.Load()
	if left <= 0 {
		return 0, io.EOF
	}
	n, err := r.from.Read(p[:min(int64(len(p)), left)])
	r.left.Add(-int64(n))
	return n, err
}

// startServer starts the server of an entry. When ctx is done, the server is killed.
func startServer(ctx context.Context, entry clients.Entry) (*childServer, error) {
	cmd := exec.CommandContext(ctx, entry.Command, entry.Args...) //nolint:gosec // The client starts it as well.
	cmd.Env = append(os.Environ(), environmentOf(entry)...)
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	limited := &limitedReader{from: output}
	limited.left.Store(maxOutput)
	killRest := ownGroup(cmd)
	return &childServer{cmd, input, limited, killRest}, cmd.Start()
}

// stop lets the server end by itself, as it should when its input ends, for a second. Then it
// kills it.
func (s *childServer) stop(kill func()) {
	_ = s.input.Close()
	timer := time.AfterFunc(time.Second, kill)
	defer timer.Stop()
	_ = s.cmd.Wait()
	s.killRest()
}

// environmentOf returns what an entry adds to the environment. A reference that the client would
// replace stays as it is, and the server takes it for unset.
func environmentOf(entry clients.Entry) []string {
	var list []string
	for name, value := range entry.Env {
		list = append(list, name+"="+value)
	}
	return list
}

// withoutURL returns an error without the URL that package net/http puts into it: an entry's
// URL may hold a token.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
