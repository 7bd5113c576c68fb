// Checks the first generation of the official TypeScript SDK.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { environment } from './binary.mjs';
import { checkConnection } from './connection.mjs';

/** stdio returns a transport that starts the program, as desktop clients do. */
export function stdio({ command, args, env }) {
  return new StdioClientTransport({ command, args, env: environment(env), stderr: 'pipe' });
}

/** connect connects a client over one of the SDK's transports. */
export async function connect(transport) {
  const client = new Client({ name: 'interop', version: '1' });
  const connected = { log: '' };
  transport.stderr?.setEncoding('utf8').on('data', (text) => (connected.log += text));
  await client.connect(transport);
  return Object.assign(connected, {
    version: transport.protocolVersion,
    listTools: () => client.listTools(),
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  });
}

export async function checkSDK1(binary) {
  const version = '2025-11-25';
  await checkConnection('typescript-sdk-1 stdio', binary, {
    transport: 'stdio',
    version,
    connect: ({ env }) => connect(stdio({ command: binary, args: [], env })),
  });
  await checkConnection('typescript-sdk-1 http', binary, {
    transport: 'http',
    version,
    connect: ({ url }) => connect(new StreamableHTTPClientTransport(url)),
  });
  await checkConnection('typescript-sdk-1 sse', binary, {
    transport: 'sse',
    version,
    connect: ({ url }) => connect(new SSEClientTransport(url)),
  });
}
