package clients

import (
	"bytes"
	"regexp"
	"strings"

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

// Patterns of what may be a secret in a configuration file.
var (
	// A name and a value, as in "API_KEY": "…", api_key = "…" and api_key: ….
	namedSecret = regexp.MustCompile(`(?i)([\w.-]*(?:secret|token|key|passw|auth|credential)[\w.-]*["']?\s*[:=]\s*)("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'{}\[\],#|>][^\s,}#]*)`)
	longSecret  = regexp.MustCompile(`[0-9A-Za-z_-]{32,}`)
	urlSecret   = regexp.MustCompile(`(://)[^/\s"'@]+@`)
)

// mask stands in place of a secret.
const mask = "********"

// masked returns a text without what may be a secret. References to secrets stay.
func masked(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	text = namedSecret.ReplaceAllFunc(text, func(match []byte) []byte {
		parts := namedSecret.FindSubmatch(match)
		name, value := strings.ToLower(string(parts[1])), string(parts[2])
		if strings.Contains(name, "_file") || strings.Contains(name, "env_var") || isHarmless(value) {
			return match
		}
		quote := ""
		if value[0] == '"' || value[0] == '\'' {
			quote = value[:1]
		}
		return append(bytes.Clone(parts[1]), quote+mask+quote...)
	})
	text = longSecret.ReplaceAllFunc(text, func(match []byte) []byte {
		if bytes.ContainsAny(match, "0123456789") {
			return []byte(mask)
		}
		return match
	})
	return urlSecret.ReplaceAll(text, []byte("${1}"+mask+"@"))
}

// isHarmless reports whether a value is a reference, or too simple to be a secret.
func isHarmless(value string) bool {
	value = strings.Trim(value, `"'`)
	return value == "" || value == "true" || value == "false" || value == "null" ||
		strings.HasPrefix(value, "$") || strings.HasPrefix(value, "{env:") || strings.HasPrefix(value, "{file:")
}
