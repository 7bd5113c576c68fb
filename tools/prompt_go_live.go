package tools

import (
	"fmt"
	"time"
	"zego-mcp/tools/speech"

	"github.com/mark3labs/mcp-go/mcp"
)

var goLive = prompt{
	toolset: Streaming,
	Prompt: mcp.NewPrompt("go_live",
		mcp.WithPromptTitle("Go live"),
		mcp.WithPromptDescription("Put a digital human on a live stream, let it speak, and always stop."),
		mcp.WithArgument("Script", mcp.RequiredArgument(), mcp.ArgumentDescription("What it shall say")),
		mcp.WithArgument("RoomId", mcp.RequiredArgument(), mcp.ArgumentDescription("ZEGO room to stream into")),
		mcp.WithArgument("DigitalHuman", mcp.ArgumentDescription("Name of the digital human; left out: choose one")),
		mcp.WithArgument("Timbre", mcp.ArgumentDescription("Name of the voice; left out: choose one")),
	),
	write: func(arguments map[string]string) string {
		who, voice := "a digital human that fits the script (find_digital_humans)", "a voice that fits (list_timbres with its DigitalHumanId)"
		if name := arguments["DigitalHuman"]; name != "" {
			who = fmt.Sprintf("the digital human %s (its id: find_digital_humans)", quoteForeign(name))
		}
		if name := arguments["Timbre"]; name != "" {
			voice = fmt.Sprintf("the voice %s (its id: list_timbres with the DigitalHumanId)", quoteForeign(name))
		}
		return fmt.Sprintf("Go live in the ZEGO room %s, with %s and %s.\n\n", quoteForeign(arguments["RoomId"]), who, voice) +
			"1. Say what you are about to do: a stream costs money while it runs.\n" +
			"2. Call create_stream_task" + ttlFor(arguments["Script"]) + " and wait until it streams. If somebody is to watch, call create_viewer_link once for each, and give the user what it answers.\n" +
			"3. Call drive_by_text with the whole script, which may have up to 18000 characters. Before or after it, use do_action for a gesture where it fits, if this digital human has any.\n" +
			"4. As long as Spoken is false, call get_stream_task with WaitUntilSpoken=true, until Speaking is false.\n" +
			"5. Then, or if anything fails on the way, call stop_stream_task; again if it says that the stream is still speaking. Never end without it, and say that you did it.\n\n" +
			"The script:\n" + arguments["Script"]
	},
}

// ttlFor returns what to tell create_stream_task for a script that takes longer than a stream
// lives by default.
func ttlFor(script string) string {
	needed := int((speech.EstimateParts(speech.Split(script, 0), 0).Longest + ttlReserve) / time.Second)
	if needed <= defaultTTL {
		return ""
	}
	return fmt.Sprintf(" with TTL=%d (if that is refused, ask the user for a shorter script)", needed)
}
