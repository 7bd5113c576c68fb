package tools_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"zego-mcp/tools"
)

// TestPublicClient asks for a page of this machine, which an agent must not be able to see.
func TestPublicClient(t *testing.T) {
	t.Parallel()
	asked := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer srv.Close()
	resp, err := tools.PublicClient().Get(srv.URL)
	if err == nil {
		_ = resp.Body.Close()
		t.Error("the page was read")
	}
	if asked {
		t.Error("the request was sent")
	}
}
