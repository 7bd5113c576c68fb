package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"zego-mcp/schema"
)

type formatted struct {
	Room  string `json:"Room,omitempty" jsonschema:"pattern=^[0-9A-Za-z_-]+$" format:"name"`
	Color string `json:"Color,omitempty" jsonschema:"pattern=^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$" format:"color"`
	URL   string `json:"Url,omitempty" jsonschema:"pattern=^https?://[^ ]+$" format:"publicURL"`
	Rate  *int   `json:"Rate,omitempty" jsonschema:"minimum=-500,maximum=500" scale:"0 normal, 500 fastest; not a factor"`
}

// TestFormats checks what is said about a string that does not have its format.
func TestFormats(t *testing.T) {
	t.Parallel()
	const name, color, url = "must have only digits, letters, - and _", "must be a color like #ffffff", "must be an http or https URL that the internet reaches"
	input := schema.Input[formatted]()
	for _, tt := range []struct{ argument, value, want string }{
		{"Room", "my studio", name + `, got "my studio"; try "my-studio"`},
		{"Room", " Café №1! ", name + `, got " Café №1! "; try "Cafe-No1"`},
		{"Room", "Müller!", name + `, got "Müller!"; try "Muller"`},
		{"Room", strings.Repeat("x", 60) + "!", name + `, got "` + strings.Repeat("x", 60) + `…"; try "` + strings.Repeat("x", 60) + `"`},
		{"Room", strings.Repeat("x", 61) + "!", name + `, got "` + strings.Repeat("x", 60) + `…"`},
		{"Room", "房间", name + `, got "房间"`},
		{"Room", strings.Repeat("x ", 40), name + `, got "` + strings.Repeat("x ", 30) + `…"`},
		{"Color", "red", color + `, got "red"; try "#ff0000"`},
		{"Color", "Light Grey", color + `, got "Light Grey"; try "#d3d3d3"`},
		{"Color", "#F80", color + `, got "#F80"; try "#ff8800"`},
		{"Color", "FFAA00", color + `, got "FFAA00"; try "#ffaa00"`},
		{"Color", "0a0b0c0d", color + `, got "0a0b0c0d"; try "#0a0b0c0d"`},
		{"Color", "reddish", color + `, got "reddish"`},
		{"Url", "/tmp/a.wav", url + `, got "/tmp/a.wav"`},
		{"Url", "http://localhost/a.wav", url + `, got "http://localhost/a.wav"`},
		{"Url", "http://%zz/", url + `, got "http://%zz/"`},
		{"Url", "http:///a.wav", url + `, got "http:///a.wav"`},
	} {
		_, err := input.Decode(map[string]any{tt.argument: tt.value})
		if want := tt.argument + " " + tt.want; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	accepted := map[string]any{"Room": "a_B-9", "Color": "#a0B1c2", "Url": "https://example.com/a.wav", "Rate": -500}
	if _, err := input.Decode(accepted); err != nil {
		t.Error(err)
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	input := schema.Input[formatted]()
	for host, public := range map[string]bool{
		"example.com": true, "example.com:8080": true, "8.8.8.8": true, "[2606:4700::1111]": true, "local.example.com": true, "user@example.com": true,
		"localhost": false, "LOCALHOST:80": false, "localhost.": false, "a.localhost": false, "nas.local": false, "host.docker.internal": false,
		"127.0.0.1": false, "127.9.9.9:1": false, "[::1]": false, "0.0.0.0": false, "[::]": false, "[::ffff:10.0.0.1]": false, "[::ffff:100.64.0.1]": false,
		"10.1.2.3": false, "172.16.0.1": false, "192.168.1.5:9000": false, "169.254.169.254": false, "100.64.0.1": false,
		"100.100.100.200": false, "192.0.0.192": false, "198.18.0.1": false, "240.0.0.1": false, "0.1.2.3": false, "255.255.255.255": false,
		"[fd00::1]": false, "[fd00:ec2::254]": false, "[fec0::1]": false, "[::7f00:1]": false,
		"[64:ff9b::7f00:1]": false, "[64:ff9b::a9fe:a9fe]": false, "[64:ff9b::808:808]": true, "[64:ff9b:1::808:808]": false,
		"[2002:a00:1::1]": false, "[2002:808:808::1]": true, "[2001::1]": false, "[2001:4860:4860::8888]": true,
		"[fe80::1]": false, "224.0.0.1": false, "user@127.0.0.1": false,
	} {
		if _, err := input.Decode(map[string]any{"Url": "http://" + host + "/a.wav"}); (err == nil) != public {
			t.Errorf("%s: got %v, want public %t", host, err, public)
		}
	}
}

// TestScale passes fractions, with which callers mean a factor.
func TestScale(t *testing.T) {
	t.Parallel()
	input := schema.Input[formatted]()
	for written, accepted := range map[string]bool{
		`0`: true, `0.0`: true, `2`: true, `"2"`: true, `-500`: true, `500.0`: true, `-1.0`: true, `2e0`: true,
		`2.0`: false, `1.0`: false, `1.5`: false, `"1.5"`: false, `"2.0"`: false, `3.0`: false, `501`: false, `"x"`: false,
	} {
		_, err := input.Decode(json.RawMessage(`{"Rate":` + written + `}`))
		want := "Rate must be an integer from -500 to 500 (0 normal, 500 fastest; not a factor), got " + written
		if accepted && err != nil || !accepted && (err == nil || err.Error() != want) {
			t.Errorf("%s: got %v, want accepted %t", written, err, accepted)
		}
	}
}

func TestUnknownFormatPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, `field A has the unknown format "colour"`) {
			t.Errorf("got %s", got)
		}
	}()
	schema.Input[struct {
		A string `format:"colour"`
	}]()
}

func TestJSONWithMaxima(t *testing.T) {
	t.Parallel()
	input := schema.Input[struct {
		TTL  *int `json:"TTL,omitempty" jsonschema:"minimum=10,maximum=86400,default=600"`
		Idle *int `json:"Idle,omitempty" jsonschema:"minimum=30,maximum=86400"`
	}]()
	for maximum, want := range map[int]string{
		3600: `{"properties":{"TTL":{"type":"integer","maximum":3600,"minimum":10,"default":600},"Idle":{"type":"integer","maximum":86400,"minimum":30}},"additionalProperties":false,"type":"object"}`,
		300:  `{"properties":{"TTL":{"type":"integer","maximum":300,"minimum":10,"default":300},"Idle":{"type":"integer","maximum":86400,"minimum":30}},"additionalProperties":false,"type":"object"}`,
		5:    `{"properties":{"TTL":{"type":"integer","maximum":10,"minimum":10,"default":10},"Idle":{"type":"integer","maximum":86400,"minimum":30}},"additionalProperties":false,"type":"object"}`,
	} {
		if got := input.JSONWithMaxima(map[string]int{"TTL": maximum}); string(got) != want {
			t.Errorf("%d: got %s", maximum, got)
		}
	}
	if _, err := input.Decode(json.RawMessage(`{"TTL":86400}`)); err != nil {
		t.Errorf("Decode has another maximum: %v", err)
	}
}

// TestKnownArgumentsOnce passes several unknown arguments: the known ones are listed once.
func TestKnownArgumentsOnce(t *testing.T) {
	t.Parallel()
	_, err := schema.Input[struct {
		Limit int `json:"Limit,omitempty"`
	}]().Decode(json.RawMessage(`{"limit":1,"colour":2}`))
	const want = "unknown argument \"colour\" (known: Limit)\nunknown argument \"limit\"; did you mean \"Limit\"?"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
