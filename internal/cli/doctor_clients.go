package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
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
	out, err := cmd.Output()
	if err != nil {
		return "", childError(ctx, err)
	}
	fields := strings.Fields(string(bytes.SplitN(out, []byte("\n"), 2)[0]))
	if len(fields) != 2 || fields[0] != "zego-mcp" {
		return "", errors.New("it is no zego-mcp")
	}
	return fields[1], nil
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
	var connection transport.Interface
	if entry.URL != "" {
		http, err := transport.NewStreamableHTTP(entry.URL)
		if err != nil {
			return errors.New("the URL is malformed")
		}
		connection = http
	} else {
		connection = transport.NewStdioWithOptions(entry.Command, environmentOf(entry), entry.Args)
	}
	c := client.NewClient(connection)
	if err := c.Start(ctx); err != nil {
		return childError(ctx, err)
	}
	defer func() { _ = c.Close() }()
	var hello mcp.InitializeRequest
	hello.Params.ProtocolVersion = mcp.LATEST_PROTOCOL_VERSION
	hello.Params.ClientInfo = mcp.Implementation{Name: "zego-mcp doctor", Version: version()}
	if _, err := c.Initialize(ctx, hello); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no answer in %v", clientTimeout)
		}
		return withoutURL(err)
	}
	return nil
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
