package tools_test

import (
	"encoding/json"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

const emmaID = "416dc43c-0d00-40c9-a0ca-efdf234508bf"

// TestNameForID passes a name or a part of an id where an id is wanted, to every tool that
// wants one. The refusal names the id, and ZEGO is asked only for its lists.
func TestNameForID(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	const emma = emmaID + ` ("Emma")`
	for value, want := range map[string]string{
		"Emma":                               `DigitalHumanId must be an id, got "Emma": pass ` + emma,
		" emma ":                             `DigitalHumanId must be an id, got " emma ": pass ` + emma,
		"416dc43c":                           `DigitalHumanId must be an id, got "416dc43c": pass ` + emma,
		"416DC43C-0D00-40c9":                 `DigitalHumanId must be an id, got "416DC43C-0D00-40c9": pass ` + emma,
		"416d":                               `DigitalHumanId must be an id, got "416d": pass one of ` + emma,
		"416":                                "400000003",
		"efdf234508bf":                       `DigitalHumanId must be an id, got "efdf234508bf": pass ` + emma,
		strings.ReplaceAll(emmaID, "-", "_"): "400000003",
		"ema":                                `DigitalHumanId must be an id, got "ema": perhaps ` + emma,
		"linxiaoyu":                          `DigitalHumanId must be an id, got "linxiaoyu": perhaps c4b56d5c-db98-4d91-86d4-5a97b507da97 ("林晓雨")`,
		"林晓雨":                                `DigitalHumanId must be an id, got "林晓雨": pass c4b56d5c-db98-4d91-86d4-5a97b507da97 ("林晓雨")`,
		"aniel":                              `perhaps 077f52b8-1513-49f8-af14-54a57dadda2e ("Daniel Brooks")`,
		"ma":                                 ", or one of ",
		"x":                                  "400000003",
		" ":                                  "400000003",
		"\u202e":                             "400000003",
		"nobody":                             "400000003",
		nobody:                               "400000003",
		".*":                                 "400000003",
		strings.Repeat("重", 128):             "400000003",
	} {
		for tool, more := range map[string]string{"get_digital_human": "", "list_timbres": "", "create_stream_task": `,"RoomId":"r"`} {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			s.mustFail(t, tool, `{"DigitalHumanId":`+string(text)+more+`}`, want)
		}
	}
	if running := s.runningTasks(t); len(running) > 0 {
		t.Errorf("%d stream tasks run", len(running))
	}
	for _, body := range append(s.requestBodies("GetDigitalHumanInfo"), append(s.requestBodies("GetTimbreList"), s.requestBodies("CreateDigitalHumanStreamTask")...)...) {
		if strings.Contains(strings.ToLower(body), "emma") || strings.Contains(body, "416dc43c") && !strings.Contains(body, emmaID) && !strings.Contains(body, "_") {
			t.Errorf("ZEGO got %s", body)
		}
	}
}

// TestNameForTimbreID passes names of timbres to drive_by_text.
func TestNameForTimbreID(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	task := s.createTask(t, "")
	const ava = ` ("Warm Female - Ava")`
	for value, want := range map[string]string{
		"Warm Female - Ava": `TimbreId must be an id, got "Warm Female - Ava": pass ` + "0f50d026-aeed-4af9-9b31-ada92084a41a" + ava,
		"warm ava":          `perhaps 0f50d026-aeed-4af9-9b31-ada92084a41a` + ava,
		"0f50d026":          `pass 0f50d026-aeed-4af9-9b31-ada92084a41a` + ava,
		"chuanmei":          `("四川话 川妹")`,
		nobody:              "400000004",
	} {
		s.mustFail(t, "drive_by_text", `{"TaskId":"`+task+`","Text":"Hello.","TimbreId":"`+value+`"}`, want)
	}
	if bodies := s.requestBodies("DriveByText"); len(bodies) != 1 {
		t.Errorf("ZEGO got %d drives, want the one with an unknown id: %q", len(bodies), bodies)
	}
}

// TestIDLookup checks that ids of any form work, that several digital humans of one name are
// all told, and that a lookup that fails does not stand in the way.
func TestIDLookup(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{Humans: []zego.DigitalHuman{
		{ID: "xiaozhi", Name: "Emma"}, {ID: "emma", Name: "Other"}, {ID: "b", Name: "Anna"}, {ID: "c", Name: "Anna"}, {ID: "d", Name: "Mary Anna"},
	}}, tools.Config{}, streams.Options{})
	for _, id := range []string{"xiaozhi", "emma", "b"} {
		if got := s.mustCall(t, "get_digital_human", `{"DigitalHumanId":"`+id+`"}`); got["DigitalHumanId"] != id {
			t.Errorf("%s: got %v", id, got)
		}
	}
	const both = `DigitalHumanId must be an id, got "anna": pass one of b ("Anna"), c ("Anna")`
	if got := textOf(t, callTool(t.Context(), t, s.MCPServer, "get_digital_human", `{"DigitalHumanId":"anna"}`)); got != both {
		t.Errorf("got %s, want %s", got, both)
	}
	s.sim.Fault = failAction("GetDigitalHumanList", zegosim.Fault{Code: zego.CodeNoPermission})
	s.mustFail(t, "get_digital_human", `{"DigitalHumanId":"other"}`, "400000003")
}
