package cli

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"zego-mcp/tools"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"bash, zsh, fish or powershell."`
}

// The scripts ask the command __complete for the words that may follow.
var (
	//go:embed completion/zego-mcp.bash
	bashCompletion string
	//go:embed completion/zego-mcp.zsh
	zshCompletion string
	//go:embed completion/zego-mcp.fish
	fishCompletion string
	//go:embed completion/zego-mcp.ps1
	powershellCompletion string
)

// Run prints the script that makes a shell complete the command line of zego-mcp.
func (c *completionCommand) Run(e *env) error {
	script := map[string]string{
		"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion, "powershell": powershellCompletion,
	}[c.Shell]
	_, err := io.WriteString(e.stdout, script)
	return err
}

type completeCommand struct {
	Words []string `arg:"" optional:""`
}

// candidate is a word that can stand in place of the one that is being typed.
type candidate struct{ word, about string }

// files is the candidate that makes a script offer the names of files.
const files = ":files"

// Run prints what can stand in place of the last of the words, a candidate in each line: the
// word, a tab, and what it means. The words are those after the program's name. A user who
// types does not want to read errors, so there are none.
func (c *completeCommand) Run(e *env, parsed *kong.Context) error {
	if len(c.Words) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(e.ctx, lookupTimeout)
	defer cancel()
	quiet := *e
	quiet.ctx, quiet.stderr = ctx, io.Discard
	complete := &completion{env: &quiet, app: parsed.Model}
	var out strings.Builder
	for _, found := range complete.candidates(c.Words) {
		about, _, _ := strings.Cut(found.about, ". ")
		fmt.Fprintf(&out, "%s\t%s\n", withoutTabs(found.word), withoutTabs(about))
	}
	_, err := io.WriteString(e.stdout, out.String())
	return err
}

// withoutTabs keeps a text in its column of a line.
func withoutTabs(text string) string { return strings.ReplaceAll(oneLine(text), "\t", " ") }

// lookupTimeout is how long a user who types waits for ids, which ZEGO is asked for.
const lookupTimeout = 2 * time.Second

// completion completes one command line.
type completion struct {
	env *env
	app *kong.Application

	command   *kong.Node // Nil if none is named.
	arguments []string   // Of the command, before the word that is typed.
	flag      *kong.Flag // Whose value is being typed; nil if it is something else.
	settings  []string   // The flags that every command has, with their values.
}

// candidates returns what can stand in place of the last word.
func (c *completion) candidates(words []string) []candidate {
	last := len(words) - 1
	typed := strings.TrimSpace(words[last])
	c.read(words[:last])
	if name, value, ok := strings.Cut(typed, "="); ok && c.flag == nil && strings.HasPrefix(name, "--") {
		if flag := c.findFlag(name); flag != nil {
			return withPrefix(name+"=", c.flagValues(flag, value))
		}
		return nil
	}
	switch {
	case c.flag != nil:
		return c.flagValues(c.flag, typed)
	case strings.HasPrefix(typed, "-"):
		return beginningWith(typed, c.flagNames())
	case c.command == nil && len(c.arguments) == 0:
		return beginningWith(typed, commandNames(c.app.Children))
	case c.command == nil:
		return nil
	}
	return c.argumentValues(typed)
}

// read notes what the words before the one that is typed say.
func (c *completion) read(words []string) {
	for i := 0; i < len(words); i++ {
		name, value, hasValue := strings.Cut(words[i], "=")
		flag := c.findFlag(name)
		switch {
		case flag != nil && !hasValue && !flag.IsBool() && i == len(words)-1:
			c.flag = flag
		case flag != nil:
			if !hasValue && !flag.IsBool() {
				i++
				value, hasValue = words[i], true
			}
			if slices.Contains(c.app.Flags, flag) {
				if hasValue {
					name += "=" + value
				}
				c.settings = append(c.settings, name)
			}
		case strings.HasPrefix(name, "-"): // A flag that does not exist.
		case len(c.arguments) == 0 && c.findCommand(words[i]) != nil:
			c.command = c.findCommand(words[i])
		default:
			c.arguments = append(c.arguments, words[i])
		}
	}
}

// commands returns the commands that the next word may name.
func (c *completion) commands() []*kong.Node {
	if c.command == nil {
		return c.app.Children
	}
	return c.command.Children
}

func (c *completion) findCommand(name string) *kong.Node {
	for _, command := range c.commands() {
		if command.Name == name && !command.Hidden {
			return command
		}
	}
	return nil
}

// flags returns those of the command, or of serve if none is named, and those of all commands.
func (c *completion) flags() []*kong.Flag {
	command := c.command
	if command == nil {
		command = c.findCommand("serve")
	}
	var flags []*kong.Flag
	for ; command != nil; command = command.Parent {
		flags = append(flags, command.Flags...)
	}
	return flags
}

func (c *completion) findFlag(name string) *kong.Flag {
	for _, flag := range c.flags() {
		if "--"+flag.Name == name {
			return flag
		}
	}
	return nil
}

func (c *completion) flagNames() []candidate {
	var names []candidate
	for _, flag := range c.flags() {
		if !flag.Hidden {
			names = append(names, candidate{"--" + flag.Name, flag.Help})
		}
	}
	return names
}

func commandNames(commands []*kong.Node) []candidate {
	var names []candidate
	for _, command := range commands {
		if !command.Hidden {
			names = append(names, candidate{command.Name, command.Help})
		}
	}
	return names
}

// flagValues returns the values of a flag that begin with typed.
func (c *completion) flagValues(flag *kong.Flag, typed string) []candidate {
	switch {
	case flag.IsBool():
		return beginningWith(typed, wordsOf("true,false"))
	case flag.Enum != "":
		return beginningWith(typed, wordsOf(flag.Enum))
	case flag.PlaceHolder == "FILE" || flag.PlaceHolder == "DIR":
		return []candidate{{files, ""}}
	}
	switch flag.Name {
	case "digital-human":
		return c.ids("DigitalHumanId", typed, nil)
	case "log-level":
		return beginningWith(typed, wordsOf("debug,info,warn,error"))
	case "output":
		return beginningWith(typed, wordsOf("table,json"))
	case "toolsets":
		sets := []candidate{{tools.AllToolsets, "all of them"}}
		for _, set := range tools.Toolsets {
			sets = append(sets, candidate{string(set.Name), set.Description})
		}
		return beginningWith(typed, sets)
	}
	return nil
}

// argumentValues returns the arguments of the command that fit what was typed.
func (c *completion) argumentValues(typed string) []candidate {
	first := len(c.arguments) == 0
	switch name := c.command.Name; {
	case name == "call" && first:
		return beginningWith(typed, c.toolNames(c.withSettings().settings.Toolsets))
	case name == "call":
		return c.toolArguments(typed)
	case name == "tools" && first, name == "help" && slices.Equal(c.arguments, []string{"call"}):
		return beginningWith(typed, c.toolNames(tools.AllToolsets))
	case name == "help" && first:
		return beginningWith(typed, commandNames(c.app.Children))
	case len(c.command.Children) > 0 && first:
		return beginningWith(typed, commandNames(c.command.Children))
	case name == "watch" && first:
		return c.ids("TaskId", typed, nil)
	}
	if i := min(len(c.arguments), len(c.command.Positional)-1); i >= 0 {
		return beginningWith(typed, wordsOf(c.command.Positional[i].Enum))
	}
	return nil
}

// wordsOf returns the words of a list with commas.
func wordsOf(list string) []candidate {
	var found []candidate
	for word := range strings.SplitSeq(list, ",") {
		if word != "" {
			found = append(found, candidate{word, ""})
		}
	}
	return found
}

// beginningWith returns the candidates that begin with typed, in upper or lower case.
func beginningWith(typed string, all []candidate) []candidate {
	var found []candidate
	for _, c := range all {
		if len(c.word) >= len(typed) && strings.EqualFold(c.word[:len(typed)], typed) {
			found = append(found, c)
		}
	}
	return found
}

// withPrefix returns the candidates with prefix before the word of each.
func withPrefix(prefix string, all []candidate) []candidate {
	found := slices.Clone(all)
	for i := range found {
		if found[i].word != files {
			found[i].word = prefix + found[i].word
		}
	}
	return found
}

// listedTools returns the tools of the toolsets, as tools/list describes them.
func (c *completion) listedTools(toolsets string) []describedTool {
	sets, err := tools.ParseToolsets(toolsets)
	if err != nil {
		return nil
	}
	text, err := listTools(c.env.ctx, tools.Config{Project: tools.OneProject(tools.Project{Toolsets: sets}), Logger: slog.New(slog.DiscardHandler), Local: true})
	if err != nil {
		return nil
	}
	var list struct{ Tools []describedTool }
	_ = json.NewDecoder(bytes.NewReader(text)).Decode(&list) // What cannot be read is not offered.
	return list.Tools
}

func (c *completion) toolNames(toolsets string) []candidate {
	var names []candidate
	for _, tool := range c.listedTools(toolsets) {
		names = append(names, candidate{tool.Name, tool.Title})
	}
	return names
}
