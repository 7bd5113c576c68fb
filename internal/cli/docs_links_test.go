package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// linkedEntry is what the links that add the server to a client put into its configuration.
// The secret is not in it: zego-mcp login keeps it.
type linkedEntry struct {
	Command string   `json:"command"`
	Args    []string `json:"args"`
}

// installLinks returns a line with a link for each client that can be added to by one.
func installLinks(t *testing.T) string {
	t.Helper()
	entry := linkedEntry{"zego-mcp", []string{"--toolsets", "all"}}
	text, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	inBase64 := url.QueryEscape(base64.StdEncoding.EncodeToString(text))
	links := []string{
		"[Cursor](https://cursor.com/en/install-mcp?name=zego&config=" + inBase64 + ")",
		"[VS Code](https://insiders.vscode.dev/redirect/mcp/install?name=zego&config=" + url.QueryEscape(string(text)) + ")",
		"[LM Studio](https://lmstudio.ai/install-mcp?name=zego&config=" + inBase64 + ")",
	}
	goose := url.Values{"cmd": {entry.Command}, "arg": entry.Args, "id": {"zego"}, "name": {"zego"}, "description": {"ZEGOCLOUD digital humans"}}
	links = append(links, "[Goose](goose://extension?"+strings.ReplaceAll(goose.Encode(), "+", "%20")+")")
	return strings.Join(links, " · ") + "\n"
}

// TestInstallLinks decodes the links as the clients do: each must hold a command line of
// zego-mcp, and no secret.
func TestInstallLinks(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join(top, page))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, link := range regexp.MustCompile(`\]\(((?:https|goose)://\S+)\)`).FindAllStringSubmatch(string(text), -1) {
			u, err := url.Parse(link[1])
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if u.Query().Get("name") == "" {
				continue // An ordinary link.
			}
			found[u.Host] = true
			if err := checkInstallLink(u); err != nil {
				t.Errorf("%s: %s: %v", page, link[1], err)
			}
		}
		for _, host := range []string{"cursor.com", "insiders.vscode.dev", "lmstudio.ai", "extension"} {
			if !found[host] {
				t.Errorf("%s has no link for %s", page, host)
			}
		}
	}
}

// checkInstallLink returns an error if the entry in a link starts no zego-mcp.
func checkInstallLink(u *url.URL) error {
	query := u.Query()
	config := []byte(query.Get("config"))
	switch {
	case u.Scheme == "goose":
		return parseCommandLine(query["arg"])
	case u.Host != "insiders.vscode.dev": // VS Code takes JSON as it is.
		var err error
		if config, err = base64.StdEncoding.DecodeString(string(config)); err != nil {
			return err
		}
	}
	var entry linkedEntry
	decoder := json.NewDecoder(strings.NewReader(string(config)))
	decoder.DisallowUnknownFields() // Such as env, which could hold a secret.
	if err := decoder.Decode(&entry); err != nil {
		return err
	}
	return parseCommandLine(entry.Args)
}
