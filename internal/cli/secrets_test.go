package cli_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"zego-mcp/internal/cli"
	"zego-mcp/internal/leaktest"
	"zego-mcp/zego/zegosim"
)

// request asks a server over stdio for one tool call.
const request = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}
{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list_digital_humans","arguments":{}}}
`

// TestValuesNeverShow puts a secret where it does not belong. What the commands print, log
// and answer must say what is wrong, and must not hold the secret.
func TestValuesNeverShow(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		name     string
		env      map[string]string // In addition to valid credentials.
		flags    []string
		want     string // In the output of every command.
		exitCode int    // Of every command, if it is not 0; otherwise each command may decide.
	}{
		{
			"swapped",
			map[string]string{"ZEGO_APP_ID": secret, "ZEGO_SERVER_SECRET": "1234567"},
			nil,
			"ZEGO_APP_ID must be a number from 1 to 4294967295, got 32 characters that are not a number; are ZEGO_APP_ID and ZEGO_SERVER_SECRET swapped?", 0,
		},
		{
			"AppID as secret",
			map[string]string{"ZEGO_SERVER_SECRET": "123456789"},
			nil,
			"ZEGO_SERVER_SECRET must have 32 characters, got 9, all digits; are ZEGO_APP_ID and ZEGO_SERVER_SECRET swapped?", 0,
		},
		{"AppID too large", map[string]string{"ZEGO_APP_ID": "98765432109876"}, nil, "got a number outside of that", 0},
		{"AppID by a flag", nil, []string{"--app-id", "hunter2"}, "got 7 characters that are not a number", 0},
		{
			"secret as file name",
			map[string]string{"ZEGO_SERVER_SECRET": "", "ZEGO_SERVER_SECRET_FILE": secret},
			nil,
			"the file of ZEGO_SERVER_SECRET_FILE cannot be read: no such file or directory; its name has 32 characters: if it is the secret itself, set ZEGO_SERVER_SECRET instead", 0,
		},
		{
			"file name with NUL",
			map[string]string{"ZEGO_SERVER_SECRET": "", "ZEGO_SERVER_SECRET_FILE": "hunter2\x00x"},
			nil,
			"the file of ZEGO_SERVER_SECRET_FILE cannot be read: invalid argument", 0,
		},
		{"brackets", map[string]string{"ZEGO_SERVER_SECRET": "<" + secret + ">"}, nil, "ZEGO_SERVER_SECRET still holds a placeholder in <…>", 0},
		{"braces", map[string]string{"ZEGO_SERVER_SECRET": "${" + secret + "}"}, nil, "ZEGO_SERVER_SECRET still holds a placeholder in ${…}", 0},
		{"brackets around the AppID", map[string]string{"ZEGO_APP_ID": "<98765>"}, nil, "ZEGO_APP_ID still holds a placeholder in <…>", 0},
		{"brackets around the file", map[string]string{"ZEGO_SERVER_SECRET": "", "ZEGO_SERVER_SECRET_FILE": "<" + secret + ">"}, nil, "ZEGO_SERVER_SECRET_FILE still holds a placeholder in <…>", 0},
		{"callback secret", map[string]string{"ZEGO_APP_ID": "x", "ZEGO_CALLBACK_SECRET": secret}, nil, "ZEGO_APP_ID must be", 0},
		{"endpoint with a path", map[string]string{"ZEGO_ENDPOINT": "https://127.0.0.1:1/" + secret}, nil, "endpoint must have no path", 0},
		{"endpoint with a user", map[string]string{"ZEGO_ENDPOINT": "https://me:" + secret + "@127.0.0.1:1"}, nil, "endpoint must look like", 0},
		{"endpoint with a query", nil, []string{"--endpoint", "https://127.0.0.1:1?token=" + secret}, "endpoint must look like", 0},
		{"secret as endpoint", map[string]string{"ZEGO_ENDPOINT": secret}, nil, "endpoint must look like", 0},
		{"secret as scheme", map[string]string{"ZEGO_ENDPOINT": "hunter2://127.0.0.1:1"}, nil, "endpoint must use https", 0},
		{"endpoint that is no URL", map[string]string{"ZEGO_ENDPOINT": "https://127.0.0.1:1/%zz" + secret}, nil, "endpoint is not a URL", 0},
		{"Redis URL", map[string]string{"ZEGO_REDIS_URL": "https://:hunter2@127.0.0.1:1"}, nil, "--redis-url must look like redis://", 2},
		{"secret as Redis URL", map[string]string{"ZEGO_REDIS_URL": secret}, nil, "--redis-url must look like redis://", 2},
		{"Redis URL with a number sign", nil, []string{"--redis-url", "redis://:98765#hunter2@127.0.0.1:1"}, "--redis-url must look like redis://", 2},
		{"Redis that does not answer", map[string]string{"ZEGO_REDIS_URL": "redis://me:hunter2@127.0.0.1:1/5"}, nil, "", 0},
		{"flag without value: AppID", nil, []string{"--app-id", "-" + secret}, "--app-id: a value must follow", 2},
		{"flag without value: endpoint", nil, []string{"--endpoint", "--redis-url=redis://:hunter2@127.0.0.1"}, "--endpoint: a value must follow", 2},
		{"flag without value: Redis", nil, []string{"--redis-url", "-redis://:hunter2@127.0.0.1"}, "--redis-url: a value must follow", 2},
		{"secret as another flag's value", nil, []string{"--simulate=" + secret}, "--simulate: bool value must be", 2},
		{"secret as another variable", map[string]string{"ZEGO_TOOLSETS": secret}, nil, "unknown toolset", 2},
		{"secret as a flag", nil, []string{"--" + secret}, "unknown flag", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{
				"ZEGO_APP_ID": "1", "ZEGO_SERVER_SECRET": zegosim.DefaultSecret, "ZEGO_ENDPOINT": "http://127.0.0.1:1",
				"ZEGO_TIMEOUT": "300ms",
			}
			maps.Copy(env, tt.env)
			for _, command := range [][]string{{"call", "list_digital_humans"}, {"doctor"}, {"serve", "--log-level", "debug"}, {"serve", "--log-format", "json"}} {
				var out bytes.Buffer
				code := cli.Run(t.Context(), append(command, tt.flags...), func(name string) string { return env[name] }, strings.NewReader(request), &out, &out)
				text := out.String()
				leaktest.See("the output of "+strings.Join(command, " "), text)
				if tt.exitCode != 0 && code != tt.exitCode {
					t.Errorf("%v: exit code %d", command, code)
				}
				// JSON writes < and > as \u003c and \u003e.
				if plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(text); !strings.Contains(plain, tt.want) {
					t.Errorf("%v: got %s, want %q", command, text, tt.want)
				}
				for _, value := range []string{secret, "hunter2", zegosim.DefaultSecret, "98765", "1234567"} {
					if strings.Contains(text, value) {
						t.Errorf("%v: shows %s: %s", command, value, text)
					}
				}
			}
		})
	}
}

// TestSecretAsArgument gives a secret to commands that take no such argument.
func TestSecretAsArgument(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	for _, args := range [][]string{{"serve", secret}, {"doctor", secret}, {"version", secret}} {
		var out bytes.Buffer
		code := cli.Run(t.Context(), args, func(string) string { return "" }, strings.NewReader(""), &out, &out)
		if code != 2 || strings.Contains(out.String(), secret) || !strings.Contains(out.String(), "unexpected argument [32 characters") {
			t.Errorf("%v: exit code %d, %s", args[0], code, out.String())
		}
	}
}

// TestBadCredentialsAndEndpoint checks that a user reads of all that is wrong at once.
func TestBadCredentialsAndEndpoint(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	cli.Run(t.Context(), []string{"call", "list_digital_humans", "--endpoint", "http://example.com"}, func(string) string { return "" }, strings.NewReader(""), &out, &out)
	for _, want := range []string{"ZEGO_APP_ID is not set; ZEGO_SERVER_SECRET is not set; endpoint must use https", "console.zegocloud.com", "Check ZEGO_ENDPOINT."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want %q", out.String(), want)
		}
	}
}
