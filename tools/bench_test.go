package tools_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// BenchmarkCachedPage measures what a tool call costs if its answer comes from the cache:
// decoding the arguments and encoding the result.
func BenchmarkCachedPage(b *testing.B) {
	b.ReportAllocs()
	srv := httptest.NewServer(&zegosim.Server{})
	b.Cleanup(srv.Close)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL, CacheTTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client})})
	request := json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Limit":20}}}`)
	for b.Loop() {
		answer, err := json.Marshal(s.HandleMessage(b.Context(), request))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(answer)))
	}
}

// BenchmarkNewServer makes a server with all tools, which each start of zego-mcp does.
func BenchmarkNewServer(b *testing.B) {
	b.ReportAllocs()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client, Streams: streams.New(client, streams.Options{})})})
	}
}
