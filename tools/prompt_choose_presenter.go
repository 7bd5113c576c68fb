package tools

import (
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

var choosePresenter = prompt{
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
			text += fmt.Sprintf("1. The digital human shall be %s: get its DigitalHumanId with find_digital_humans.\n", quoteForeign(name))
		} else {
			text += "1. Call find_digital_humans (without Query, with Limit=200, it lists all), and see the faces of those that may fit with preview_digital_humans; if you cannot see pictures, go by names and gestures. Pick the one that fits best. Prefer our own (IsPublic false) if one fits.\n"
		}
		return text + "2. Call list_timbres with its DigitalHumanId and pick the voice that fits the role, its language and the face.\n" +
			"3. Answer with both names and ids (DigitalHumanId, TimbreId), why you chose them, and one alternative. Create no stream."
	},
}
