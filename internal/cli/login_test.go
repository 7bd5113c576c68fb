package cli_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"zego-mcp/internal/cli"
	"zego-mcp/internal/leaktest"
	"zego-mcp/zego/zegosim"

	"github.com/zalando/go-keyring"
)

// TestKeyringLogin keeps a secret in a keyring in memory, uses it, and deletes it.
func TestKeyringLogin(t *testing.T) {
	t.Parallel()
	keyring.MockInit()
	sim := httptest.NewServer(leaktest.Handler(&zegosim.Server{QPS: -1}))
	t.Cleanup(sim.Close)
	env := map[string]string{"HOME": t.TempDir(), "AppData": t.TempDir()}
	for _, step := range []struct {
		args     []string
		exitCode int
		want     string
	}{
		{[]string{"login", "--keyring", "--endpoint", sim.URL}, 0, "The secret is in the system's keyring."},
		{[]string{"call", "list_digital_humans", "Limit=1"}, 0, `"Total":64`},
		{[]string{"doctor"}, 0, "AppId 1234567890 from login (keyring), and a secret of 32 characters from login (keyring)"},
		{[]string{"doctor", "--app-id", "7"}, 1, "keeps that of AppID 1234567890"},
		{[]string{"logout"}, 0, "Deleted the secret of AppID 1234567890 in the system's keyring."},
		{[]string{"logout"}, 0, "Nothing to delete"},
		{[]string{"call", "list_digital_humans"}, 1, "ZEGO_SERVER_SECRET is not set"},
	} {
		input := strings.NewReader(fmt.Sprintf("%d\n%s\n", zegosim.DefaultAppID, zegosim.DefaultSecret))
		var out bytes.Buffer
		code := cli.Run(t.Context(), step.args, func(name string) string { return env[name] }, input, &out, &out)
		leaktest.See("the output of "+step.args[0], out.String())
		if code != step.exitCode || !strings.Contains(out.String(), step.want) {
			t.Errorf("%v: exit code %d, %s", step.args, code, out.String())
		}
	}
}
