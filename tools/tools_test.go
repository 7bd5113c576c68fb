package tools_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"zego-mcp/schema"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"
)

// TestToolsList keeps what agents see of the tools in golden files: one for the default
// toolsets, one for all. It also checks that every tool fits the limits of common clients.
func TestToolsList(t *testing.T) {
	t.Parallel()
	for name, sets := range map[string][]tools.Toolset{
		"tools-assets.json": nil,
		"tools-all.json":    allToolsets,
	} {
		got := listTools(t, tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: sets}), Local: true, Watch: watchNothing}))
		checkGolden(t, name, got)
		var answer struct {
			Tools []struct {
				Name, Title, Description  string
				InputSchema, OutputSchema json.RawMessage
				Annotations               struct {
					Title                                                        string
					ReadOnlyHint, DestructiveHint, IdempotentHint, OpenWorldHint *bool
				}
			}
		}
		if err := json.Unmarshal(got, &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Tools) == 0 {
			t.Error("no tools")
		}
		for _, tool := range answer.Tools {
			if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(tool.Name) || len("zego-mcp")+len(tool.Name) > 60 {
				t.Errorf("%s: bad name", tool.Name)
			}
			if tool.Title == "" || tool.Title != tool.Annotations.Title || !strings.HasSuffix(tool.Description, ".") || len(tool.Description) > 700 {
				t.Errorf("%s: bad title or description", tool.Name)
			}
			for _, text := range []json.RawMessage{tool.InputSchema, tool.OutputSchema} {
				if text == nil && (tool.Name == "preview_digital_humans" || tool.Name == "get_digital_human") {
					continue // Their results may have a picture: see pictured.
				}
				if err := schema.Check(text); err != nil {
					t.Errorf("%s: %v", tool.Name, err)
				}
			}
			if !bytes.Contains(tool.InputSchema, []byte(`"additionalProperties": false`)) {
				t.Errorf("%s takes arguments that it does not know", tool.Name)
			}
			a := tool.Annotations
			if a.ReadOnlyHint == nil || a.DestructiveHint == nil || a.IdempotentHint == nil || a.OpenWorldHint == nil {
				t.Errorf("%s: a hint is left to the client", tool.Name)
				continue
			}
			if *a.ReadOnlyHint && *a.DestructiveHint || name == "tools-assets.json" && !*a.ReadOnlyHint {
				t.Errorf("%s: hints are wrong", tool.Name)
			}
		}
		// Every agent pays for the list in each conversation: a token is about 4 characters.
		var compact bytes.Buffer
		if err := json.Compact(&compact, got); err != nil {
			t.Fatal(err)
		}
		limit := map[string]int{"tools-assets.json": 13000, "tools-all.json": 27000}[name]
		t.Logf("%s: tools/list has %d of %d characters", name, compact.Len(), limit)
		if compact.Len() > limit {
			t.Errorf("%s: tools/list has %d characters, more than %d", name, compact.Len(), limit)
		}
	}
}

// TestSimulatedIsAnnounced checks that title and instructions say that answers are simulated.
func TestSimulatedIsAnnounced(t *testing.T) {
	t.Parallel()
	for simulated, want := range map[bool]bool{true: true, false: false} {
		s := tools.NewServer(tools.Config{Simulated: simulated})
		answer := s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`))
		text, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(text, []byte(`(simulated)"`)) && bytes.Contains(text, []byte("SIMULATED")); got != want {
			t.Errorf("simulated %t: got %s", simulated, text)
		}
	}
}

// TestUnavailable calls a tool of a project without a client.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Unavailable: errors.New("ZEGO_APP_ID is not set")})})
	result := callTool(t.Context(), t, s, "list_digital_humans", `{}`)
	if got := textOf(t, result); !result.IsError || got != "ZEGO_APP_ID is not set" {
		t.Errorf("got %q", got)
	}
	if got := textOf(t, callTool(t.Context(), t, s, "list_digital_humans", `{"Limit":0}`)); !strings.HasPrefix(got, "Limit must") {
		t.Errorf("got %q, want the arguments checked first", got)
	}
}

// TestOneProject checks that a project keeps track of its streams and of what they speak with what
// it is given, and otherwise by itself.
func TestOneProject(t *testing.T) {
	t.Parallel()
	given := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	own := &testServer{MCPServer: tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: given.client, Toolsets: allToolsets})})}
	for _, s := range []*testServer{given, own} {
		task := s.createTask(t, ``)
		if known := given.streams.Owns(t.Context(), task); known != (s == given) {
			t.Errorf("the given ledger owns the task: %t", known)
		}
		if known := given.speech.Facts(task).DigitalHumanID != ""; known != (s == given) {
			t.Errorf("the given tracker knows the task: %t", known)
		}
		s.mustCall(t, "drive_by_text", speakArguments(task, "x", `,"WaitUntilSpoken":false`))
		s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q,"Now":true}`, task))
	}
}
