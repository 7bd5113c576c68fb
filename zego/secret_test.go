package zego_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// TestSetSecret renews the secret of a client that has the wrong one.
func TestSetSecret(t *testing.T) {
	t.Parallel()
	const renewed = "0123456789abcdefghijklmnopqrstuv"
	client := newClient(t, &zegosim.Server{Secret: renewed}, zego.Options{})
	if _, err := client.ListStreamTasks(t.Context()); !errors.Is(err, zego.CodeSignatureWrong) {
		t.Errorf("with the old secret: got %v", err)
	}
	if err := client.SetSecret("short"); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a malformed secret: got %v", err)
	}
	if err := client.SetSecret(renewed); err != nil {
		t.Fatal(err)
	}
	if _, err := client.ListStreamTasks(t.Context()); err != nil {
		t.Errorf("with the new secret: got %v", err)
	}
	if text := fmt.Sprintf("%+v %#v", client, client); strings.Contains(text, renewed) {
		t.Errorf("printing the client shows the secret: %s", text)
	}
}

// TestClose closes a client that has a page in its cache.
func TestClose(t *testing.T) {
	t.Parallel()
	client := newClient(t, &zegosim.Server{}, zego.Options{CacheTTL: 1 << 40})
	if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{}); err != nil {
		t.Fatal(err)
	}
	client.Close()
	_, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{})
	if _, ok := errors.AsType[*zego.TransportError](err); !ok || !errors.Is(err, zego.ErrClosed) {
		t.Errorf("a page that is in the cache: got %v", err)
	}
	if _, err := client.NewViewerToken(zego.ViewerTokenRequest{RoomID: "r", UserID: "u", Lifetime: 1 << 40}); !errors.Is(err, zego.ErrClosed) {
		t.Errorf("a viewer token: got %v", err)
	}
}
