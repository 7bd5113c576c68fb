// Package clients knows the MCP clients that zego-mcp can be added to: where their
// configuration files are, what an entry looks like in each, and how to add, change and
// remove it.
package clients

import (
	"slices"
	"zego-mcp/internal/configfile"
)

// Client is an MCP client and how it keeps its servers. What follows Title describes its
// configuration file.
type Client struct {
	Name  string // As on the command line, such as claude-desktop.
	Title string // As its maker writes it, such as Claude Desktop.

	format     configfile.Format
	places     []place  // Where the user's own file may be, the best first.
	everyPlace bool     // All places where the client is found count, and not only the best.
	project    []string // The file of a project, below its directory: the first that exists, or the last. Empty: there is none.
	keys       []string // Path of the object, or of the list, that holds the servers.
	list       bool     // It is a list, whose items have a member name.
	newerKeys  []string // Path that counts instead if the file has an object there that is no server itself.
	newFile    string   // What a file must begin with besides the servers.

	local     string   // An entry that starts a program: see template.
	newer     string   // The same at newerKeys.
	remote    string   // An entry with a URL. Empty: the file cannot hold one.
	remedy    string   // What to do instead, if remote is empty.
	reference string   // How env refers to a variable of the client's own environment; %s is its name. Empty: it cannot.
	asks      bool     // The client asks its user for secrets that stand under inputs.
	noSpaces  bool     // The client cannot start a program whose path has a space.
	notes     []string // What the user must do after a change.
}

// Link reports whether the client keeps its servers where only itself can write, so that it is
// given a link instead.
func (c *Client) Link() bool { return len(c.places) == 0 }

// Find returns the client of that name, or nil if there is none.
func Find(name string) *Client {
	i := slices.IndexFunc(All, func(c *Client) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return All[i]
}

// Names returns the names of all clients, in the order of All.
func Names() []string {
	names := make([]string, len(All))
	for i, c := range All {
		names[i] = c.Name
	}
	return names
}

// Templates that several clients have in common.
const (
	plainLocal  = `{"command":"$command","args":"$args","env":"$env"}`
	typedLocal  = `{"type":"stdio","command":"$command","args":"$args","env":"$env"}`
	plainRemote = `{"url":"$url"}`
	typedRemote = `{"type":"http","url":"$url"}`
)

// mcpServers is where most clients keep their servers.
var mcpServers = []string{"mcpServers"}

// All are the clients, in the order in which they are listed.
var All = []*Client{
	{
		Name: "claude-desktop", Title: "Claude Desktop",
		// The installer of 2026 for Windows is a package, which reads a directory of its own and
		// ignores %APPDATA%. Nothing tells from outside which directory counts.
		places: []place{
			{os: "windows", file: "{localappdata}/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json", optional: true},
			{os: "windows", file: "{localappdata}/Claude-Data/claude*/claude_desktop_config.json", optional: true},
			{file: "{support}/Claude/claude_desktop_config.json"},
		},
		everyPlace: true,
		keys:       mcpServers, local: plainLocal,
		remedy: "add the URL in Claude Desktop under Settings → Connectors",
		notes:  []string{"Quit Claude Desktop and start it again."},
	},
	{
		Name: "claude-code", Title: "Claude Code",
		places:  []place{{file: "{claude}/.claude.json", signs: []string{"{claude}/.claude.json", "{home}/.claude"}}},
		project: []string{".mcp.json"},
		keys:    mcpServers, local: typedLocal, remote: typedRemote, reference: "${%s}",
		notes: []string{"Sessions that run already do not see it; start a new one."},
	},
	{
		Name: "cursor", Title: "Cursor",
		places:  []place{{file: "{home}/.cursor/mcp.json"}},
		project: []string{".cursor/mcp.json"},
		keys:    mcpServers, local: plainLocal, remote: plainRemote, reference: "${env:%s}",
		notes: []string{"In Cursor, turn it on under Settings → MCP if it is off."},
	},
	{
		Name: "vscode", Title: "VS Code",
		places: []place{
			{file: "{support}/Code/User/mcp.json"},
			{file: "{support}/Code - Insiders/User/mcp.json"},
			{os: "linux", file: "{home}/.vscode-server/data/User/mcp.json"},
		},
		everyPlace: true,
		project:    []string{".vscode/mcp.json"},
		keys:       []string{"servers"}, local: typedLocal, remote: typedRemote, asks: true,
		notes: []string{"In VS Code, run MCP: List Servers and start it."},
	},
	{
		Name: "windsurf", Title: "Windsurf",
		places: []place{{file: "{home}/.codeium/windsurf/mcp_config.json"}},
		keys:   mcpServers, local: plainLocal, remote: `{"serverUrl":"$url"}`, reference: "${env:%s}",
		notes: []string{"In Windsurf, refresh the MCP servers, or start it again."},
	},
	{
		Name: "zed", Title: "Zed", // Versions of 2025 want a source.
		places:  []place{{os: "windows", file: "{appdata}/Zed/settings.json"}, {file: "{zed}/settings.json"}},
		project: []string{".zed/settings.json"},
		keys:    []string{"context_servers"}, local: `{"source":"custom","command":"$command","args":"$args","env":"$env"}`, remote: plainRemote,
	},
	{
		Name: "codex", Title: "Codex", format: configfile.TOML,
		places:  []place{{file: "{codex}/config.toml"}},
		project: []string{".codex/config.toml"},
		keys:    []string{"mcp_servers"}, local: `{"command":"$command","args":"$args","env":"$env","env_vars":"$variables"}`, remote: plainRemote,
	},
	{
		Name: "gemini", Title: "Gemini CLI", // It gives a server no variable with SECRET in its name unless env has it.
		places:  []place{{file: "{home}/.gemini/settings.json"}},
		project: []string{".gemini/settings.json"},
		keys:    mcpServers, local: plainLocal, remote: `{"httpUrl":"$url"}`, reference: "$%s",
	},
	{
		Name: "qwen", Title: "Qwen Code", // As Gemini CLI, from which it comes.
		places:  []place{{file: "{home}/.qwen/settings.json"}},
		project: []string{".qwen/settings.json"},
		keys:    mcpServers, local: plainLocal, remote: `{"httpUrl":"$url"}`, reference: "$%s",
	},
	{
		Name: "opencode", Title: "OpenCode",
		places: []place{
			{file: "{config}/opencode/opencode.jsonc", signs: []string{"{config}/opencode/opencode.jsonc"}, optional: true},
			{file: "{config}/opencode/opencode.json"},
		},
		project: []string{"opencode.jsonc", "opencode.json"},
		keys:    []string{"mcp"}, newerKeys: []string{"mcp", "servers"},
		local:  `{"type":"local","command":"$program","environment":"$env","enabled":true}`,
		newer:  `{"type":"local","command":"$program","environment":"$env"}`,
		remote: `{"type":"remote","url":"$url"}`, reference: "{env:%s}",
	},
	{
		Name: "amp", Title: "Amp",
		places: []place{
			{file: "{home}/.config/amp/settings.jsonc", signs: []string{"{home}/.config/amp/settings.jsonc"}, optional: true},
			{file: "{home}/.config/amp/settings.json"},
		},
		project: []string{".amp/settings.jsonc", ".amp/settings.json"},
		keys:    []string{"amp.mcpServers"}, local: plainLocal, remote: plainRemote,
	},
	{
		Name: "lmstudio", Title: "LM Studio",
		places: []place{{file: "{home}/.lmstudio/mcp.json"}, {file: "{home}/.cache/lm-studio/mcp.json"}},
		keys:   mcpServers, local: plainLocal, remote: plainRemote,
		notes: []string{"In LM Studio, turn it on in the Program tab."},
	},
	{
		Name: "kiro", Title: "Kiro",
		places:  []place{{file: "{home}/.kiro/settings/mcp.json", signs: []string{"{home}/.kiro"}}},
		project: []string{".kiro/settings/mcp.json"},
		keys:    mcpServers, local: plainLocal, remote: plainRemote,
	},
	{
		Name: "cline", Title: "Cline", // Which file counts depends on its version.
		places: []place{
			{file: "{cline}/data/settings/cline_mcp_settings.json"},
			{file: "{support}/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json", signs: []string{"{support}/Code/User/globalStorage/saoudrizwan.claude-dev"}},
			{file: "{cline}/mcp.json", signs: []string{"{cline}/mcp.json"}, optional: true},
		},
		everyPlace: true,
		keys:       mcpServers,
		local:      `{"command":"$command","args":"$args","env":"$env","disabled":false}`,
		remote:     `{"type":"streamableHttp","url":"$url","disabled":false}`,
	},
	trae("trae", "Trae"),
	trae("trae-cn", "Trae CN"),
	{
		Name: "codebuddy", Title: "CodeBuddy",
		places:  []place{{file: "{home}/.codebuddy.json", signs: []string{"{home}/.codebuddy.json", "{home}/.codebuddy"}}},
		project: []string{".mcp.json"},
		keys:    mcpServers, local: typedLocal, remote: typedRemote,
	},
	{
		Name: "junie", Title: "JetBrains Junie",
		places:  []place{{file: "{home}/.junie/mcp/mcp.json", signs: []string{"{home}/.junie"}}},
		project: []string{".junie/mcp/mcp.json"},
		keys:    mcpServers, local: plainLocal,
		remedy: "install zego-mcp on this machine: Junie starts programs only",
	},
	{
		Name: "goose", Title: "Goose", format: configfile.YAML,
		places: []place{{os: "windows", file: "{appdata}/Block/goose/config/config.yaml"}, {file: "{config}/goose/config.yaml"}},
		keys:   []string{"extensions"},
		local: `{"name":"$name","type":"stdio","description":"ZEGOCLOUD digital humans","enabled":true,"cmd":"$command","args":"$args",` +
			`"envs":"$env","env_keys":"$variables","timeout":300}`,
		remote: `{"name":"$name","type":"streamable_http","description":"ZEGOCLOUD digital humans","enabled":true,"uri":"$url","timeout":300}`,
		notes:  []string{"Sessions of Goose that run already do not see it; start a new one."},
	},
	{
		Name: "continue", Title: "Continue", format: configfile.YAML,
		places:  []place{{file: "{home}/.continue/config.yaml"}},
		project: []string{".continue/mcpServers/zego.yaml"},
		keys:    mcpServers, list: true, newFile: "name: Local Assistant\nversion: 1.0.0\nschema: v1\n",
		local:  `{"name":"$name","type":"stdio","command":"$command","args":"$args","env":"$env"}`,
		remote: `{"name":"$name","type":"streamable-http","url":"$url"}`, reference: "${{ secrets.%s }}",
		notes: []string{"In Continue, MCP servers work in agent mode. Without zego-mcp login, it takes ZEGO_SERVER_SECRET from ~/.continue/.env."},
	},
	{
		Name: "cherry-studio", Title: "Cherry Studio",
		keys: mcpServers, local: `{"name":"$name","type":"stdio","command":"$command","args":"$args","env":"$env"}`,
		remote: `{"name":"$name","type":"streamableHttp","baseUrl":"$url"}`,
		notes:  []string{"Cherry Studio shows what it imports; turn it on there."},
	},
}

// trae returns one of the two editions of Trae. Their data directory has the title's name.
func trae(name, title string) *Client {
	return &Client{
		Name: name, Title: title,
		places:  []place{{file: "{support}/" + title + "/User/mcp.json", optional: true}},
		project: []string{".trae/mcp.json"},
		keys:    mcpServers, local: plainLocal, remote: plainRemote, noSpaces: true,
		notes: []string{"In " + title + ", look under Settings → MCP; a project's own file counts if Project MCP is on there."},
	}
}
