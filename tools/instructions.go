package tools

import (
	"fmt"
	"time"
)

// instructions tells models which tool serves which request, what the operator allows, and
// what is off. Every conversation pays for them, so they have at most 200 tokens. A caller
// whom the server knows gets them for its own project, as instructCallers sets them, and all
// others for the one that Config.Project returns for a background context.
func instructions(cfg Config, project *Project) string {
	var simulated, assets, streaming string
	if cfg.Simulated {
		simulated = "SIMULATED: every answer comes from a built-in simulator, not from ZEGOCLOUD; ids and pictures are made up."
	}
	if project.allows(Assets) {
		assets = "To find or list them: find_digital_humans (all: Limit=200 without Query). To count: list_digital_humans with Limit=1. Voices: list_timbres. What is running: list_stream_tasks. " +
			"AvatarUrl values stop working after 24 hours: keep DigitalHumanId instead."
	}
	if project.allows(Streaming) {
		streaming = "To speak: create_stream_task, then drive_by_text or another drive_by tool; do_action for a gesture, interrupt_drive to cut it off; " +
			"stop_stream_task at the end. ZEGO bills a stream until it is stopped."
		if project.Streams != nil {
			streaming += fmt.Sprintf(" This server's operator allows %d streams at once (--max-tasks), each for at most %d seconds (--max-ttl).",
				project.maxTasks(), int(project.Streams.MaxTTL()/time.Second))
		}
	}
	texts := []string{simulated, "Digital humans (talking avatars) of a ZEGOCLOUD project.", assets, streaming}
	for _, set := range Toolsets {
		if !project.allows(set.Name) {
			texts = append(texts, fmt.Sprintf("The toolset %s (%s) is off. If it is wanted, %s.", set.Name, set.Description, project.howToTurnOn(set.Name)))
		}
	}
	return lines(texts...)
}
