package tools_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestGetDigitalHuman checks that get_digital_human and list_digital_humans describe a digital
// human in the same way.
func TestGetDigitalHuman(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
	var page, human map[string]any
	if err := json.Unmarshal([]byte(textOf(t, callTool(t.Context(), t, s, "list_digital_humans", `{"Limit":1}`))), &page); err != nil {
		t.Fatal(err)
	}
	listed := page["DigitalHumans"].([]any)[0].(map[string]any)
	result := callTool(t.Context(), t, s, "get_digital_human", fmt.Sprintf(`{"DigitalHumanId":%q}`, listed["DigitalHumanId"]))
	if err := json.Unmarshal([]byte(textOf(t, result)), &human); err != nil || result.IsError {
		t.Fatal(err, textOf(t, result))
	}
	if human["AvatarUrlExpiresAt"] != "2026-11-24T12:00:00Z" || human["RequestId"] == "" {
		t.Errorf("got %v", human)
	}
	delete(human, "AvatarUrlExpiresAt")
	delete(human, "RequestId")
	if diff := cmp.Diff(listed, human); diff != "" {
		t.Errorf("(-listed +got):\n%s", diff)
	}
}
