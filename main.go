// Command zego-mcp lets AI agents use ZEGOCLOUD's Digital Human API over MCP.
package main

import (
	"os"
	"zego-mcp/internal/cli"
)

func main() { os.Exit(cli.Main()) }
