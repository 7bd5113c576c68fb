package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"

	"github.com/alecthomas/kong"
)

// toolArguments returns what can stand in place of an argument of a tool, of which typed is
// the beginning: its name with =, or after that its values.
func (c *completion) toolArguments(typed string) []candidate {
	properties := c.propertiesOf(c.arguments[0])
	given := map[string]string{}
	for _, argument := range c.arguments[1:] {
		name, value, _ := strings.Cut(argument, "=")
		given[name] = value
	}
	name, value, isValue := strings.Cut(typed, "=")
	var names []candidate
	for _, p := range properties {
		if isValue && p.name == name {
			return withPrefix(name+"=", c.propertyValues(p, value, given))
		}
		if _, isGiven := given[p.name]; !isGiven {
			about := describeType(p.schema)
			if p.required {
				about = "required; " + about
			}
			if description, ok := p.schema.get("description").(string); ok {
				about += "; " + description
			}
			names = append(names, candidate{p.name + "=", about})
		}
	}
	if isValue {
		return nil
	}
	return beginningWith(typed, names)
}

func (c *completion) propertiesOf(toolName string) []property {
	for _, tool := range c.listedTools(tools.AllToolsets) {
		if tool.Name == toolName {
			properties, _ := readProperties(tool.InputSchema)
			return properties
		}
	}
	return nil
}

// propertyValues returns the values of an argument that fit what was typed of it. given holds
// the other arguments.
func (c *completion) propertyValues(p property, typed string, given map[string]string) []candidate {
	if values, ok := p.schema.get("enum").([]any); ok {
		return beginningWith(typed, wordsOf(strings.Join(texts(values), ",")))
	}
	if p.schema.get("type") == "boolean" {
		return beginningWith(typed, wordsOf("true,false"))
	}
	return c.ids(p.name, typed, given)
}

// ids returns the ids of digital humans, timbres or stream tasks, whichever name says, that
// begin with typed, or whose name has it. Without credentials there are none.
func (c *completion) ids(name, typed string, given map[string]string) []candidate {
	query := map[string]any{}
	if typed != "" {
		query["Query"] = typed
	}
	switch name {
	case "DigitalHumanId":
		query["Limit"] = 50
		return idsIn(c.lookUp("find_digital_humans", query))
	case "TimbreId":
		if human := given["DigitalHumanId"]; human != "" {
			query["DigitalHumanId"] = human
		}
		if found := idsIn(c.lookUp("list_timbres", query)); len(found) > 0 || typed == "" {
			return found
		}
		return beginningWith(typed, c.allTimbres(query))
	case "TaskId":
		return beginningWith(typed, idsIn(c.lookUp("list_stream_tasks", nil)))
	}
	return nil
}

// allTimbres returns the timbres whatever their name: a Query finds no ids.
func (c *completion) allTimbres(query map[string]any) []candidate {
	delete(query, "Query")
	var all []candidate
	for {
		query["Offset"] = len(all)
		page := idsIn(c.lookUp("list_timbres", query))
		if len(page) == 0 { // Past the end, or the time is over.
			return all
		}
		all = append(all, page...)
	}
}

// idsIn returns the ids in the result of a tool that lists something, with what they are.
func idsIn(result string) []candidate {
	var list struct {
		DigitalHumans, Timbres, StreamTasks []struct {
			DigitalHumanID string `json:"DigitalHumanId"`
			TimbreID       string `json:"TimbreId"`
			TaskID         string `json:"TaskId"`
			RoomID         string `json:"RoomId"`
			Name           string
		}
	}
	_ = json.Unmarshal([]byte(result), &list) // An empty result has no ids.
	var found []candidate
	for _, human := range list.DigitalHumans {
		found = append(found, candidate{human.DigitalHumanID, human.Name})
	}
	for _, timbre := range list.Timbres {
		found = append(found, candidate{timbre.TimbreID, timbre.Name})
	}
	for _, task := range list.StreamTasks {
		found = append(found, candidate{task.TaskID, strings.TrimSpace(fmt.Sprintf("%s in room %s", task.Name, task.RoomID))})
	}
	return found
}

// lookUp calls a tool and returns its result, or "" if that fails.
func (c *completion) lookUp(tool string, arguments map[string]any) string {
	e := c.withSettings()
	log := slog.New(slog.DiscardHandler)
	b, err := e.connect(log)
	if err != nil {
		return ""
	}
	defer b.close()
	if b.client == nil {
		return ""
	}
	project := e.project(b, streams.Mark{}, true, log)
	defer project.Streams.Close(e.ctx)
	defer project.Speech.Close()
	caller := &toolCaller{ctx: e.ctx, cfg: e.toolsConfig(b, project, log)}
	defer caller.close()
	result, err := caller.call(e.ctx, tool, arguments)
	if err != nil {
		return ""
	}
	return result
}

// withSettings returns the environment with the flags of the command line that is completed.
// If these are wrong, they do not count.
func (c *completion) withSettings() *env {
	var line commandLine
	parser := kong.Must(&line, parserOptions(c.env.getenv)...)
	if _, err := parse(parser, append([]string{"version"}, c.settings...)); err != nil {
		return c.env
	}
	e := *c.env
	e.settings = &line.settings
	return &e
}
