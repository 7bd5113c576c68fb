// Checks the second generation of the official TypeScript SDK, with the protocol before
// 2026-07-28, which begins with initialize, and from then on.
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { environment } from './binary.mjs';
import { checkConnection } from './connection.mjs';

/** connect connects a client over one of the SDK's transports, with the protocol that `mode` says. */
export async function connect(transport, mode) {
  const client = new Client({ name: 'interop', version: '1' }, { versionNegotiation: { mode } });
  const connected = { log: '' };
  transport.stderr?.setEncoding('utf8').on('data', (text) => (connected.log += text));
  await client.connect(transport);
  return Object.assign(connected, {
    version: client.getNegotiatedProtocolVersion(),
    listTools: () => client.listTools(),
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  });
}

export async function checkSDK2(binary) {
  const stdio = (env) => new StdioClientTransport({ command: binary, env: environment(env), stderr: 'pipe' });
  for (const [version, mode] of [
    ['2025-11-25', 'legacy'],
    ['2026-07-28', { pin: '2026-07-28' }],
  ]) {
    await checkConnection(`typescript-sdk-2 ${version} stdio`, binary, {
      transport: 'stdio',
      version,
      connect: ({ env }) => connect(stdio(env), mode),
    });
    await checkConnection(`typescript-sdk-2 ${version} http`, binary, {
      transport: 'http',
      version,
      connect: ({ url }) => connect(new StreamableHTTPClientTransport(url), mode),
    });
  }
  // A client that may choose must find the newer protocol.
  await checkConnection('typescript-sdk-2 auto stdio', binary, {
    transport: 'stdio',
    version: '2026-07-28',
    connect: ({ env }) => connect(stdio(env), 'auto'),
  });
  await checkConnection('typescript-sdk-2 auto http', binary, {
    transport: 'http',
    version: '2026-07-28',
    connect: ({ url }) => connect(new StreamableHTTPClientTransport(url), 'auto'),
  });
  // Only the older protocol has SSE. Here it is served beside Streamable HTTP.
  await checkConnection('typescript-sdk-2 2025-11-25 sse', binary, {
    transport: 'http',
    path: '/sse',
    version: '2025-11-25',
    connect: ({ url }) => connect(new SSEClientTransport(url), 'legacy'),
  });
}
