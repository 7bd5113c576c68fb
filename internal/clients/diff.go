package clients

import (
	"bytes"
	"regexp"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff returns the change as a unified diff, in which secrets are masked. Line ends, which
// never change, are shown as those of Unix.
func (c *Change) Diff() string {
	before, after := c.file.Path, c.file.Path
	if !c.file.Exists {
		before = "/dev/null"
	}
	if c.Delete {
		after = "/dev/null"
	}
	var afterData []byte
	if !c.Delete {
		afterData = c.After
	}
	return string(diff.Diff(before, masked(c.file.Data), after, masked(afterData)))
}

// secretName matches names of what may be a secret.
const secretName = `[\w.-]*(?:secret|token|key|passw|pwd|auth|credential|cookie|private)[\w.-]*` //nolint:gosec // A pattern, no secret.

// quoted matches a text in quotes, of which those of TOML may span lines.
const quoted = `"""(?s:.*?)"""|'''(?s:.*?)'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'`

// Patterns of what may be a secret in a configuration file.
var (
	// A name and a value, as in "API_KEY": "…", api_key = "…", api_key: … and "Authorization: Bearer …".
	namedSecret = atFirstUse(`(?i)(` + secretName + `["']?\s*[:=]\s*(?:/\*[^\n]*?\*/\s*)?)(` + quoted +
		`|[^\s"'{}\[\],#|>](?:[^\s,}"'#]#|[^\s,}"'#]|[ \t]+[^\s,}"'#])*)`)
	// A flag and its value, as in "--api-key", "…" and, on two lines, - --api-key and - ….
	flagSecret  = atFirstUse(`(?i)(["']?-` + secretName + `["']?\s*(?:,|\n\s*-)\s*)(` + quoted + `|[^\s"'\[\],]+)`)
	blockSecret = atFirstUse(`(?i)^([ \t-]*)["']?` + secretName + `["']?\s*:\s*[|>][-+0-9]*\s*(?:#.*)?$`) // In YAML, above the lines that hold the value.
	longSecret  = atFirstUse(`[0-9A-Za-z_-]{32,}`)
	urlSecret   = atFirstUse(`(://)[^/\s"'@]+@`)
)

// reference matches a value that only says where the secret is.
var reference = atFirstUse(`^(?:\$\{[^}]*\}|\$\{\{[^}]*\}\}|\$[A-Z_][A-Z0-9_]*|\{(?:env|file):[^}]*\})$`)

// mask stands in place of a secret.
const mask = "********"

// masked returns a text without what may be a secret. References to secrets stay.
func masked(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	text = maskValues(namedSecret(), maskBlocks(text))
	text = maskValues(flagSecret(), text)
	text = longSecret().ReplaceAllFunc(text, func(match []byte) []byte {
		if bytes.ContainsAny(match, "0123456789") {
			return []byte(mask)
		}
		return match
	})
	return urlSecret().ReplaceAll(text, []byte("${1}"+mask+"@"))
}

// maskValues masks what the second group of a pattern matches, unless that is no secret.
func maskValues(pattern *regexp.Regexp, text []byte) []byte {
	return pattern.ReplaceAllFunc(text, func(match []byte) []byte {
		parts := pattern.FindSubmatch(match)
		name, value := strings.ToLower(string(parts[1])), string(parts[2])
		if strings.Contains(name, "_file") || strings.Contains(name, "env_var") || strings.Contains(name, "env_keys") || isHarmless(value) {
			return match
		}
		quote := ""
		if value[0] == '"' || value[0] == '\'' {
			quote = value[:1]
		}
		return append(bytes.Clone(parts[1]), quote+mask+quote...)
	})
}

// maskBlocks masks the values of secrets that stand on lines of their own in YAML.
func maskBlocks(text []byte) []byte {
	lines := bytes.Split(text, []byte("\n"))
	indent := -1 // Of the name of the secret; -1 outside its value.
	for i, line := range lines {
		deeper := len(line) - len(bytes.TrimLeft(line, " \t"))
		switch {
		case indent >= 0 && deeper > indent && deeper < len(line):
			lines[i] = append(bytes.Clone(line[:deeper]), mask...)
			continue
		case deeper < len(line):
			indent = -1
		}
		if m := blockSecret().FindSubmatch(line); m != nil {
			indent = len(m[1])
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// isHarmless reports whether a value is a reference, or too simple to be a secret.
func isHarmless(value string) bool {
	value = strings.Trim(value, `"'`)
	return value == "" || value == "true" || value == "false" || value == "null" || reference().MatchString(value)
}

// atFirstUse returns a function that compiles an expression when it is called first: the start of
// a server, which needs none of these, would take longer otherwise.
func atFirstUse(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
