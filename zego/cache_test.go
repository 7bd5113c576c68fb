package zego_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// mapCache is a zego.Cache of one process. It forgets nothing.
type mapCache map[string][]byte

func (c mapCache) Get(_ context.Context, key string) ([]byte, bool) { v, ok := c[key]; return v, ok }

func (c mapCache) Set(_ context.Context, key string, answer []byte, _ time.Duration) { c[key] = answer }

// TestCacheKeys shares a cache between clients of one AppId. Only those that have the same
// secret and endpoint read each other's answers, and no key tells the secret.
func TestCacheKeys(t *testing.T) {
	t.Parallel()
	cache := mapCache{}
	in := zego.ListDigitalHumansRequest{FetchMode: new(zego.FetchPrivate)}
	list := func(endpoint, secret string) (zego.CallInfo, error) {
		t.Helper()
		client, err := zego.New(zegosim.DefaultAppID, secret, zego.Options{Endpoint: endpoint, Cache: cache, CacheTTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		ctx, info := traced(t)
		_, err = client.ListDigitalHumans(ctx, in)
		return *info, err
	}
	first, second := httptest.NewServer(&zegosim.Server{}), httptest.NewServer(&zegosim.Server{})
	defer first.Close()
	defer second.Close()
	for _, tt := range []struct {
		name, endpoint, secret string
		cached                 bool
		want                   error
	}{
		{"first", first.URL, secret, false, nil},
		{"the same", first.URL + "/", secret, true, nil},
		{"another endpoint", second.URL, secret, false, nil},
		{"another secret", first.URL, strings.Repeat("x", 32), false, zego.CodeSignatureWrong},
	} {
		info, err := list(tt.endpoint, tt.secret)
		if !errors.Is(err, tt.want) || info.Cached != tt.cached {
			t.Errorf("%s: got %v, cached %t", tt.name, err, info.Cached)
		}
	}
	for key := range cache {
		if strings.Contains(key, secret) || !strings.HasPrefix(key, fmt.Sprintf("zego-mcp:%d:", zegosim.DefaultAppID)) {
			t.Errorf("got the key %s", key)
		}
	}
}

// TestCacheNeedsTTL checks that a shared cache is left alone if answers are not to be kept.
func TestCacheNeedsTTL(t *testing.T) {
	t.Parallel()
	cache := mapCache{}
	client := newClient(t, &zegosim.Server{}, zego.Options{Cache: cache})
	if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{}); err != nil || len(cache) > 0 {
		t.Errorf("got %v, and %d answers in the cache", err, len(cache))
	}
}
