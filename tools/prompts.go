package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// prompt is one prompt: what a user picks from a menu, and what the model then reads.
type prompt struct {
	mcp.Prompt
	toolset Toolset
	write   func(arguments map[string]string) string
}

var prompts = []prompt{
	{
		toolset: Assets,
		Prompt: mcp.NewPrompt("choose_presenter",
			mcp.WithPromptTitle("Choose a presenter"),
			mcp.WithPromptDescription("Find a digital human and a voice for a role."),
			mcp.WithArgument("Role", mcp.RequiredArgument(), mcp.ArgumentDescription("What the presenter is for, such as: a calm news anchor who speaks Chinese")),
			mcp.WithArgument("DigitalHuman", mcp.ArgumentDescription("Name of a digital human, if it is already chosen")),
		),
		write: func(arguments map[string]string) string {
			text := "Choose a presenter from our ZEGOCLOUD digital humans, for this role: " + arguments["Role"] + "\n\n"
			if name := arguments["DigitalHuman"]; name != "" {
				text += fmt.Sprintf("1. The digital human shall be %q: get its DigitalHumanId with find_digital_humans.\n", name)
			} else {
				text += "1. Call find_digital_humans, or list_digital_humans page by page, and pick the one whose name, picture and gestures fit best. Prefer our own (IsPublic false) if one fits.\n"
			}
			return text + "2. Call list_timbres with its DigitalHumanId and pick the voice that fits the role, its language and the face.\n" +
				"3. Answer with both names and ids (DigitalHumanId, TimbreId), why you chose them, and one alternative. Create no stream."
		},
	},
	{
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
				who = fmt.Sprintf("the digital human %q (its id: find_digital_humans)", name)
			}
			if name := arguments["Timbre"]; name != "" {
				voice = fmt.Sprintf("the voice %q (its id: list_timbres with the DigitalHumanId)", name)
			}
			return fmt.Sprintf("Go live in the ZEGO room %q, with %s and %s.\n\n", arguments["RoomId"], who, voice) +
				"1. Say what you are about to do: a stream costs money while it runs.\n" +
				"2. Call create_stream_task and wait until it streams.\n" +
				"3. Call drive_by_text with the script; cut it at its sentences if it has more than 1800 characters. Use do_action for a gesture where it fits, if this digital human has any.\n" +
				"4. When all was spoken, or if anything fails on the way, call stop_stream_task. Never end without it, and say that you did it.\n\n" +
				"The script:\n" + arguments["Script"]
		},
	},
}

func addPrompts(s *server.MCPServer, cfg Config) {
	for _, p := range prompts {
		if !slices.Contains(cfg.Toolsets, p.toolset) {
			continue
		}
		s.AddPrompt(p.Prompt, func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			var problems []string
			for _, argument := range p.Arguments {
				if argument.Required && strings.TrimSpace(req.Params.Arguments[argument.Name]) == "" {
					problems = append(problems, argument.Name+" is required")
				}
			}
			if len(problems) > 0 {
				return nil, fmt.Errorf("%s: %s", p.Name, strings.Join(problems, "; "))
			}
			return mcp.NewGetPromptResult(p.Description, []mcp.PromptMessage{
				mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(p.write(req.Params.Arguments))),
			}), nil
		})
	}
}
