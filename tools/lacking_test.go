package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"zego-mcp/tools"
)

// TestRefuseLacking asks what callers lack for requests of all kinds.
func TestRefuseLacking(t *testing.T) {
	t.Parallel()
	assets := tools.Caller{Subject: "oidc:alice", Toolsets: []tools.Toolset{tools.Assets}}
	streaming := tools.Caller{Subject: "oidc:bob", Toolsets: []tools.Toolset{tools.Streaming}}
	everything := tools.Caller{Subject: "oidc:carol", Toolsets: allToolsets}
	watch := func(context.Context, string) (string, error) { return "", nil }
	for _, tt := range []struct {
		name           string
		cfg            tools.Config
		offered        []tools.Toolset
		caller         tools.Caller
		method, params string
		want           string // Name and toolset, or empty.
	}{
		{"a tool", tools.Config{}, allToolsets, assets, "tools/call", `{"name":"create_stream_task","arguments":{}}`, "create_stream_task streaming"},
		{"a tool that the caller may use", tools.Config{}, allToolsets, assets, "tools/call", `{"name":"list_timbres"}`, ""},
		{"a tool of the other toolset", tools.Config{}, allToolsets, streaming, "tools/call", `{"name":"list_timbres"}`, "list_timbres assets"},
		{"a tool that only pages call", tools.Config{}, allToolsets, streaming, "tools/call", `{"name":"get_thumbnails"}`, "get_thumbnails assets"},
		{"a caller with everything", tools.Config{}, allToolsets, everything, "tools/call", `{"name":"create_stream_task"}`, ""},
		{"nobody in particular", tools.Config{}, allToolsets, tools.Caller{}, "tools/call", `{"name":"create_stream_task"}`, ""},
		{"a toolset that is off", tools.Config{}, []tools.Toolset{tools.Assets}, assets, "tools/call", `{"name":"create_stream_task"}`, ""},
		{"a misspelt tool", tools.Config{}, allToolsets, assets, "tools/call", `{"name":"create_stream_tasks"}`, ""},
		{"no tool", tools.Config{}, allToolsets, assets, "tools/call", `{}`, ""},
		{"the tool that answers for others", tools.Config{}, allToolsets, assets, "tools/call", `{"name":"tool_not_offered"}`, ""},
		{"a tool for local agents", tools.Config{}, allToolsets, assets, "tools/call", `{"name":"drive_by_audio_file"}`, ""},
		{"a local agent", tools.Config{Local: true}, allToolsets, assets, "tools/call", `{"name":"drive_by_audio_file"}`, "drive_by_audio_file streaming"},
		{"no pages for watching", tools.Config{}, allToolsets, assets, "tools/call", `{"name":"watch_stream_task"}`, ""},
		{"pages for watching", tools.Config{Watch: watch}, allToolsets, assets, "tools/call", `{"name":"watch_stream_task"}`, "watch_stream_task streaming"},
		{"a prompt", tools.Config{}, allToolsets, assets, "prompts/get", `{"name":"go_live"}`, "go_live streaming"},
		{"no prompt", tools.Config{}, allToolsets, assets, "prompts/get", `{"name":"create_stream_task"}`, ""},
		{"a resource", tools.Config{}, allToolsets, streaming, "resources/read", `{"uri":"zego://stream-tasks/task-1"}`, "stream_task assets"},
		{"no resource", tools.Config{}, allToolsets, streaming, "resources/read", `{"uri":"zego://x"}`, ""},
		{"a list", tools.Config{}, allToolsets, assets, "tools/list", `{"name":"create_stream_task"}`, ""},
		{"a list as params", tools.Config{}, allToolsets, assets, "tools/call", `["create_stream_task"]`, ""},
		{"a number as name", tools.Config{}, allToolsets, assets, "tools/call", `{"name":7}`, ""},
		{"no params", tools.Config{}, allToolsets, assets, "tools/call", ``, ""},
	} {
		var logged bytes.Buffer
		var observed []tools.RequestInfo
		project := tools.OneProject(tools.Project{Toolsets: tt.offered})
		tt.cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		tt.cfg.Observe = func(_ context.Context, info tools.RequestInfo) { observed = append(observed, info) }
		tt.cfg.Project = func(ctx context.Context) *tools.Project { return project(ctx).For(tt.caller) }
		got := ""
		lacking := tools.RefuseLacking(t.Context(), tt.cfg, tt.method, json.RawMessage(tt.params))
		if lacking != nil {
			got = lacking.Name + " " + string(lacking.Toolset)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			continue
		}
		switch name, set, refused := strings.Cut(tt.want, " "); {
		case !refused && (logged.Len() > 0 || len(observed) > 0):
			t.Errorf("%s: logged %q, observed %v", tt.name, logged.String(), observed)
		case refused && (len(observed) != 1 || observed[0].Name != name || observed[0].Outcome != tools.Failed):
			t.Errorf("%s: observed %v", tt.name, observed)
		case refused && (!strings.Contains(logged.String(), "subject="+tt.caller.Subject) || !strings.Contains(logged.String(), "lacks the toolset "+set)):
			t.Errorf("%s: logged %q", tt.name, logged.String())
		}
	}
}
