module zego-mcp

go 1.26
