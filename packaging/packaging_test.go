// Package packaging holds what a release is made of. Its tests check what the registries of
// packages and clients demand.
package packaging

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// server is server.json, or the part of it that the tests look at.
type server struct {
	Name, Version string
	Packages      []struct {
		RegistryType, Identifier, Version, FileSha256 string
		EnvironmentVariables                          []variable
	}
	Remotes []struct {
		URL       string
		Variables map[string]any
	}
}

// variable is an environment variable of a package.
type variable struct {
	Name     string
	IsSecret bool
}

// serverFile returns the path of the server.json to test: the one of a release, filled in by
// mcpb/build, if the variable SERVER_JSON names it, and otherwise the one in this folder.
func serverFile() string {
	if file := os.Getenv("SERVER_JSON"); file != "" {
		return file
	}
	return "server.json"
}

// TestServerSchema checks server.json against the JSON Schema of the MCP registry.
func TestServerSchema(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile("testdata/registry/server.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, serverFile())))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(document); err != nil {
		t.Error(err)
	}
	declared := document.(map[string]any)["$schema"]
	vendored, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, "testdata/registry/server.schema.json")))
	if err != nil {
		t.Fatal(err)
	}
	if id := vendored.(map[string]any)["$id"]; id != declared {
		t.Errorf("server.json declares the schema %v, the one here is %v", declared, id)
	}
	document.(map[string]any)["description"] = strings.Repeat("x", 101)
	if schema.Validate(document) == nil {
		t.Error("the schema allows a description of 101 characters: it checks nothing")
	}
}

// TestServer checks what the registry demands besides its schema.
func TestServer(t *testing.T) {
	t.Parallel()
	s := decode[server](t, serverFile())
	for _, p := range s.Packages {
		if !strings.Contains(p.Identifier, s.Version) {
			t.Errorf("%s does not hold the version %s", p.Identifier, s.Version)
		}
		asset := regexp.MustCompile(`^https://github\.com/[^/]+/zego-mcp/releases/download/v[^/]+/zego-mcp\.mcpb$`)
		switch {
		case p.RegistryType == "mcpb" && !asset.MatchString(p.Identifier):
			t.Errorf("%s is not the address of a file of a GitHub release", p.Identifier)
		case p.RegistryType == "mcpb" && s.Version != "0.0.0" && p.FileSha256 == "":
			t.Error("the bundle has no fileSha256")
		case p.RegistryType == "oci" && (p.Version != "" || !strings.HasSuffix(p.Identifier, ":"+s.Version)):
			t.Errorf("%s must end with the version, and the package must have no version of its own", p.Identifier)
		}
		if i := slices.IndexFunc(p.EnvironmentVariables, func(v variable) bool { return v.IsSecret }); i < 0 || p.EnvironmentVariables[i].Name != "ZEGO_SERVER_SECRET" {
			t.Errorf("%s: ZEGO_SERVER_SECRET is not the first secret", p.RegistryType)
		}
	}
	for _, remote := range s.Remotes {
		for _, name := range regexp.MustCompile(`\{(.+?)\}`).FindAllStringSubmatch(remote.URL, -1) {
			if remote.Variables[name[1]] == nil {
				t.Errorf("%s: the variable %s is not described", remote.URL, name[1])
			}
		}
	}
}

// TestNames checks that server.json, the label of the image and the manifest name the same
// server, and only variables that docs/reference.md knows.
func TestNames(t *testing.T) {
	t.Parallel()
	s := decode[server](t, "server.json")
	config := string(read(t, "../.goreleaser.yaml"))
	if label := "io.modelcontextprotocol.server.name: " + s.Name + "\n"; !strings.Contains(config, label) {
		t.Errorf("the image in .goreleaser.yaml has no label %q", label)
	}
	manifest := decode[struct {
		Name   string
		Server struct {
			Config struct{ Env map[string]string } `json:"mcp_config"`
		}
		UserConfig map[string]struct{ Sensitive bool } `json:"user_config"`
	}](t, "mcpb/manifest.json")
	if _, name, _ := strings.Cut(s.Name, "/"); name != manifest.Name {
		t.Errorf("the names %s and %s differ", name, manifest.Name)
	}
	var variables []string
	for _, p := range s.Packages {
		for _, v := range p.EnvironmentVariables {
			variables = append(variables, v.Name)
		}
	}
	var used []string
	for name, value := range manifest.Server.Config.Env {
		variables = append(variables, name)
		used = append(used, strings.TrimSuffix(strings.TrimPrefix(value, "${user_config."), "}"))
	}
	reference := string(read(t, "../docs/reference.md"))
	for _, name := range variables {
		if !strings.Contains(reference, "`"+name+"`") {
			t.Errorf("docs/reference.md does not know the variable %s", name)
		}
	}
	var asked []string
	for name, field := range manifest.UserConfig {
		asked = append(asked, name)
		if secret := strings.Contains(name, "secret"); secret != field.Sensitive {
			t.Errorf("user_config.%s: sensitive is %v", name, field.Sensitive)
		}
	}
	slices.Sort(asked)
	slices.Sort(used)
	if diff := cmp.Diff(asked, used); diff != "" {
		t.Errorf("the manifest asks for other values than it uses (-asked +used):\n%s", diff)
	}
}

// TestTranslation checks that the Chinese texts of the bundle name the tools that
// docs/reference.md names.
func TestTranslation(t *testing.T) {
	t.Parallel()
	texts := decode[struct {
		Tools []struct{ Name, Description string }
	}](t, "mcpb/zh-CN.json")
	var translated []string
	for _, tool := range texts.Tools {
		translated = append(translated, tool.Name)
		if !strings.HasSuffix(tool.Description, "。") {
			t.Errorf("the text of %s is no sentence: %q", tool.Name, tool.Description)
		}
	}
	var tools []string
	for _, row := range regexp.MustCompile("(?m)^### `([a-z_]+)`$").FindAllStringSubmatch(string(read(t, "../docs/reference.md")), -1) {
		tools = append(tools, row[1])
	}
	slices.Sort(tools)
	slices.Sort(translated)
	if diff := cmp.Diff(tools, translated); diff != "" {
		t.Errorf("zh-CN.json (-reference.md +zh-CN.json):\n%s", diff)
	}
}

func decode[T any](t *testing.T, file string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(read(t, file), &value); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return value
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
