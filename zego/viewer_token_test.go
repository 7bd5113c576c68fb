package zego_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

const tokenSecret = "0123456789abcdef0123456789abcdef"

// TestTokenVector compares a token with one that was made by openssl, and that ZEGO's own
// server library can read.
func TestTokenVector(t *testing.T) {
	t.Parallel()
	const want = "04AAAAAGVT/xAAEDAxMjM0NTY3ODlhYmNkZWYAcNwR7j4AKvPz1yXCdsPGhXpfb+3KfElaWF+U8hboEjs5WQUFeFZKCfoAxXU+6AtQt/wwiR1R6bqxpxVeAHYV8XZ2ZRHBDl4qPIHBI+ErY7HolHze5YPYwEtxIoAfpRtItjQBm+ElUUCIhW3HXb9giJU="
	got, err := zego.EncodeToken(tokenSecret, [16]byte([]byte("0123456789abcdef")), 1234567890, "viewer1", 1700000000, 1700003600, 123456789, "")
	if err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// decodeToken reads a token as ZEGO does. It returns the expiry that stands in the open part,
// and the JSON that was encrypted.
func decodeToken(t *testing.T, token string) (expiresAt int64, fields string) {
	t.Helper()
	encoded, ok := strings.CutPrefix(token, "04")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) < 28 {
		t.Fatalf("malformed token %s: %v", token, err)
	}
	expiresAt = int64(binary.BigEndian.Uint64(raw))
	ivLength := int(binary.BigEndian.Uint16(raw[8:]))
	iv := raw[10 : 10+ivLength]
	length := int(binary.BigEndian.Uint16(raw[10+ivLength:]))
	text := raw[12+ivLength:]
	if ivLength != aes.BlockSize || length != len(text) || length%aes.BlockSize != 0 {
		t.Fatalf("token %s has wrong lengths", token)
	}
	block, err := aes.NewCipher([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	padding := int(text[len(text)-1])
	if padding < 1 || padding > aes.BlockSize {
		t.Fatalf("token %s has a wrong padding", token)
	}
	return expiresAt, string(text[:len(text)-padding])
}

// TestViewerToken reads back what tokens hold, for texts of every length of the padding.
func TestViewerToken(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 999)
	seen := map[string]bool{}
	for length := 1; length <= 64; length++ {
		user, room := strings.Repeat("u", length), strings.Repeat("房\"", length/4+1)
		got, err := zego.NewViewerToken(7, tokenSecret, now, zego.ViewerTokenRequest{RoomID: room, UserID: user, Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if seen[got.Token] {
			t.Error("two tokens are equal")
		}
		seen[got.Token] = true
		expiresAt, text := decodeToken(t, got.Token)
		var fields struct {
			AppID   int64  `json:"app_id"`
			UserID  string `json:"user_id"`
			Ctime   int64
			Expire  int64
			Nonce   *int32
			Payload string
		}
		var payload map[string]any
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(fields.Payload), &payload); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"room_id": room, "privilege": map[string]any{"1": 1.0, "2": 0.0}, "stream_id_list": nil}
		if diff := cmp.Diff(want, payload); diff != "" {
			t.Errorf("payload (-want +got):\n%s", diff)
		}
		if fields.AppID != 7 || fields.UserID != user || fields.Ctime != 1700000000 || fields.Expire != 1700003600 || fields.Nonce == nil {
			t.Errorf("got %s", text)
		}
		if expiresAt != 1700003600 || got.ExpiresAt.Unix() != 1700003600 || got.AppID != 7 {
			t.Errorf("got %+v, which expires at %d", got, expiresAt)
		}
	}
}

func TestViewerTokenRefused(t *testing.T) {
	t.Parallel()
	good := zego.ViewerTokenRequest{RoomID: "room", UserID: "viewer", Lifetime: time.Hour}
	for _, tt := range []struct {
		appID  uint32
		secret string
		change func(*zego.ViewerTokenRequest)
		want   string
	}{
		{0, tokenSecret, func(*zego.ViewerTokenRequest) {}, "AppId"},
		{1, "short", func(*zego.ViewerTokenRequest) {}, "ServerSecret must have 32 characters, got 5"},
		{1, tokenSecret, func(r *zego.ViewerTokenRequest) { r.RoomID = "" }, "RoomID must have 1 to 128 bytes, got 0"},
		{1, tokenSecret, func(r *zego.ViewerTokenRequest) { r.RoomID = strings.Repeat("r", 129) }, "got 129"},
		{1, tokenSecret, func(r *zego.ViewerTokenRequest) { r.UserID = "" }, "UserID"},
		{1, tokenSecret, func(r *zego.ViewerTokenRequest) { r.UserID = strings.Repeat("u", 65) }, "UserID"},
		{1, tokenSecret, func(r *zego.ViewerTokenRequest) { r.UserID = "观众" }, "UserID"},
		{1, tokenSecret, func(r *zego.ViewerTokenRequest) { r.UserID = "a b" }, "UserID"},
		{1, tokenSecret, func(r *zego.ViewerTokenRequest) { r.Lifetime = time.Second - 1 }, "Lifetime must be from 1s to 24h0m0s"},
		{1, tokenSecret, func(r *zego.ViewerTokenRequest) { r.Lifetime = 24*time.Hour + 1 }, "Lifetime"},
	} {
		in := good
		tt.change(&in)
		if got, err := zego.NewViewerToken(tt.appID, tt.secret, time.Now(), in); err == nil || !strings.Contains(err.Error(), tt.want) || got.Token != "" {
			t.Errorf("%+v: got %+v, %v, want %q", in, got, err, tt.want)
		}
	}
	good.RoomID, good.UserID = strings.Repeat("r", 128), strings.Repeat("u", 64)
	for _, lifetime := range []time.Duration{time.Second, 24 * time.Hour} {
		good.Lifetime = lifetime
		if _, err := zego.NewViewerToken(1, tokenSecret, time.Now(), good); err != nil {
			t.Errorf("%v: %v", lifetime, err)
		}
	}
}

// TestClientViewerToken checks that a client makes tokens of its own project, by its clock, and
// that printing the client does not show the secret.
func TestClientViewerToken(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	client, err := zego.New(7, tokenSecret, zego.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.NewViewerToken(zego.ViewerTokenRequest{RoomID: "room", UserID: "viewer", Lifetime: time.Minute})
	if err != nil || got.AppID != 7 || got.ExpiresAt.Unix() != 1700000060 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, fields := decodeToken(t, got.Token); !strings.Contains(fields, `"app_id":7,"user_id":"viewer","ctime":1700000000,"expire":1700000060`) {
		t.Errorf("got %s", fields)
	}
	if printed := fmt.Sprintf("%+v %#v", client, client); strings.Contains(printed, tokenSecret) {
		t.Error("the client shows its secret")
	}
}

// This example makes a token with which one viewer may watch one room for an hour. The viewer's
// page passes it to loginRoom of ZEGO's SDK, with the same RoomID and UserID.
func ExampleNewViewerToken() {
	token, err := zego.NewViewerToken(zegosim.DefaultAppID, zegosim.DefaultSecret, time.Unix(1700000000, 0), zego.ViewerTokenRequest{
		RoomID: "studio", UserID: "viewer-1", Lifetime: time.Hour,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Token[:2], token.ExpiresAt.UTC())
	// Output: 04 2023-11-14 23:13:20 +0000 UTC
}
