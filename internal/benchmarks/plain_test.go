package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// This file is the plain server that zego-mcp is compared with: list_digital_humans as
// one writes it after reading only mcp-go's README. Built from this file alone, it serves
// stdio, or HTTP on the address that is its first argument.

func main() {
	s := newPlain(os.Getenv("ZEGO_ENDPOINT"), os.Getenv("ZEGO_APP_ID"), os.Getenv("ZEGO_SERVER_SECRET"))
	var err error
	if len(os.Args) > 1 {
		err = server.NewStreamableHTTPServer(s).Start(os.Args[1])
	} else {
		err = server.ServeStdio(s)
	}
	if err != nil {
		log.Fatal(err)
	}
}

type plainInput struct {
	FetchMode int `json:"FetchMode,omitempty" jsonschema:"1 all, 2 public, 3 private"`
	Offset    int `json:"Offset,omitempty" jsonschema:"Entries to skip"`
	Limit     int `json:"Limit,omitempty" jsonschema:"Entries to return, 1 to 20"`
}

type plainOutput struct {
	Total         int          `json:"Total"`
	DigitalHumans []plainHuman `json:"DigitalHumans"`
}

type plainHuman struct {
	DigitalHumanID string        `json:"DigitalHumanId"`
	Name           string        `json:"Name"`
	AvatarURL      string        `json:"AvatarUrl"`
	IsPublic       bool          `json:"IsPublic"`
	Actions        []plainAction `json:"Actions"`
}

type plainAction struct {
	Action     string `json:"Action"`
	PreviewURL string `json:"PreviewUrl"`
}

func newPlain(endpoint, appID, secret string) *server.MCPServer {
	s := server.NewMCPServer("plain", "1.0.0", server.WithToolCapabilities(false))
	tool := mcp.NewTool("list_digital_humans",
		mcp.WithDescription("List digital humans"),
		mcp.WithInputSchema[plainInput](),
		mcp.WithOutputSchema[plainOutput](),
	)
	s.AddTool(tool, mcp.NewStructuredToolHandler(
		func(ctx context.Context, _ mcp.CallToolRequest, in plainInput) (plainOutput, error) {
			body, err := json.Marshal(in)
			if err != nil {
				return plainOutput{}, err
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost,
				endpoint+"/?"+plainQuery("GetDigitalHumanList", appID, secret).Encode(), bytes.NewReader(body))
			if err != nil {
				return plainOutput{}, err
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return plainOutput{}, err
			}
			defer func() { _ = resp.Body.Close() }()
			var answer struct {
				Code    int
				Message string
				Data    plainOutput
			}
			if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
				return plainOutput{}, err
			}
			if answer.Code != 0 {
				return plainOutput{}, fmt.Errorf("code %d: %s", answer.Code, answer.Message)
			}
			return answer.Data, nil
		}))
	return s
}

func plainQuery(action, appID, secret string) url.Values {
	var random [8]byte
	_, _ = rand.Read(random[:])
	nonce := hex.EncodeToString(random[:])
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	sum := md5.Sum([]byte(appID + nonce + secret + timestamp))
	return url.Values{
		"Action":           {action},
		"AppId":            {appID},
		"SignatureNonce":   {nonce},
		"Timestamp":        {timestamp},
		"Signature":        {hex.EncodeToString(sum[:])},
		"SignatureVersion": {"2.0"},
	}
}
