package speech_test

import (
	"os"
	"testing"
	"zego-mcp/internal/leaktest"
	"zego-mcp/zego/zegosim"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Tests{M: m, Secrets: []string{zegosim.DefaultSecret}}.Run())
}
