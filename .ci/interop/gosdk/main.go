// Gosdk is an MCP client that uses the official Go SDK. It reads requests from the
// standard input, one a line, and writes each result as a line to the standard output.
// The first line that it writes is the result of initialize.
//
//	{"Tool":"list_digital_humans","Arguments":{"Limit":2}}   calls a tool
//	{"Tool":"create_stream_task","Fails":true}               calls a tool, which must fail with an error of the protocol
//	{}                                                       lists the tools
//
// With -client it logs in at the server's identity provider; the client id "register" stands for a
// client that it registers there. With -token it sends that token, whatever the server answers.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	transport := flag.String("transport", "stdio", "stdio, http or sse")
	version := flag.String("version", "", "protocol version to ask for")
	clientID := flag.String("client", "", "client id of the identity provider, or register")
	token := flag.String("token", "", "bearer token to send")
	flag.Parse()
	target, err := dial(*transport, flag.Arg(0), *clientID, *token)
	if err == nil {
		err = run(context.Background(), target, *version)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gosdk:", err)
		os.Exit(1)
	}
}

// run connects to a server and makes requests until the input ends.
func run(ctx context.Context, transport mcp.Transport, version string) error {
	implementation := &mcp.Implementation{Name: "interop", Version: "1"}
	options := &mcp.ClientSessionOptions{ProtocolVersion: version}
	session, err := mcp.NewClient(implementation, nil).Connect(ctx, transport, options)
	if err != nil {
		return err
	}
	c := &client{session: session, outputs: map[string]*jsonschema.Resolved{}}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(session.InitializeResult()); err != nil {
		return err
	}
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var request struct {
			Tool      string
			Arguments json.RawMessage
			Fails     bool
		}
		if err := in.Decode(&request); err == io.EOF {
			return session.Close()
		} else if err != nil {
			return err
		}
		var result any
		if request.Tool == "" {
			result, err = c.list(ctx)
		} else {
			result, err = c.call(ctx, request.Tool, request.Arguments)
		}
		if request.Fails {
			result, err = map[string]string{"error": fmt.Sprint(err)}, nil
		}
		if err != nil {
			return err
		}
		if err := out.Encode(result); err != nil {
			return err
		}
	}
}

// dial returns a transport to target, a program or a URL.
func dial(transport, target, clientID, token string) (mcp.Transport, error) {
	switch transport {
	case "http":
		t := &mcp.StreamableClientTransport{Endpoint: target}
		if token != "" {
			t.HTTPClient = &http.Client{Transport: bearer(token)}
		}
		if clientID == "" {
			return t, nil
		}
		handler, err := newLogin(clientID)
		t.OAuthHandler = handler
		return t, err
	case "sse":
		return &mcp.SSEClientTransport{Endpoint: target}, nil
	default:
		command := exec.Command(target)
		command.Stderr = os.Stderr
		return &mcp.CommandTransport{Command: command}, nil
	}
}

type client struct {
	session *mcp.ClientSession
	outputs map[string]*jsonschema.Resolved // Output schemas by tool.
}

// list lists the tools and keeps their output schemas.
func (c *client) list(ctx context.Context) (*mcp.ListToolsResult, error) {
	result, err := c.session.ListTools(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, tool := range result.Tools {
		if _, err := resolve(tool.InputSchema); err != nil {
			return nil, fmt.Errorf("%s: input schema: %w", tool.Name, err)
		}
		if tool.OutputSchema == nil {
			continue
		}
		if c.outputs[tool.Name], err = resolve(tool.OutputSchema); err != nil {
			return nil, fmt.Errorf("%s: output schema: %w", tool.Name, err)
		}
	}
	return result, nil
}

// call calls a tool. It checks the result against the tool's output schema, because the
// SDK does not.
func (c *client) call(ctx context.Context, tool string, args json.RawMessage) (*mcp.CallToolResult, error) {
	params := &mcp.CallToolParams{Name: tool}
	if args != nil {
		params.Arguments = args
	}
	result, err := c.session.CallTool(ctx, params)
	if err != nil {
		return nil, err
	}
	if output := c.outputs[tool]; output != nil && !result.IsError {
		if err := output.Validate(result.StructuredContent); err != nil {
			return nil, fmt.Errorf("%s: result against its schema: %w", tool, err)
		}
	}
	return result, nil
}

// resolve makes a schema usable that the SDK's client gives as plain JSON.
func resolve(schema any) (*jsonschema.Resolved, error) {
	text, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	var parsed jsonschema.Schema
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, err
	}
	return parsed.Resolve(nil)
}
