// Checks MCP Inspector's command line, which is one process for each request.
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environment, run } from './binary.mjs';
import { check } from './check.mjs';
import { checkConnection } from './connection.mjs';

const cli = fileURLToPath(
  new URL('node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);
const toolError = 5; // The Inspector's exit code when a tool's result is an error.

function connect({ binary, env, url, era, home }) {
  const variables = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const target = url ? ['--server-url', url.href] : [binary, ...variables];
  const client = {
    log: '',
    async request(...args) {
      const command = [cli, '--cli', ...target, '--protocol-era', era, '--format', 'json', ...args];
      // The Inspector keeps settings in its home, so it gets one of its own.
      const { code, stdout, stderr } = await run(process.execPath, command, { env: environment({ HOME: home }) });
      client.log += stderr;
      assert.ok(code === 0 || code === toolError, `exit code ${code}: ${stderr}`);
      const { result } = JSON.parse(stdout);
      assert.equal(result.isError ?? false, code === toolError, 'exit code and isError');
      return result;
    },
    // --strict also fails for schemas that some hosts refuse.
    listTools: () => client.request('--method', 'tools/list', '--strict'),
    call: (name, args = {}) =>
      client.request('--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)),
    close: async () => {},
  };
  return client;
}

export async function checkInspector(binary) {
  const home = await mkdtemp(join(tmpdir(), 'inspector-'));
  for (const [era, transport] of [
    ['legacy', 'stdio'],
    ['legacy', 'http'],
    ['legacy', 'sse'],
    ['modern', 'stdio'],
    ['modern', 'http'],
  ]) {
    await checkConnection(`inspector ${era} ${transport}`, binary, {
      transport,
      connect: async ({ env, url }) => connect({ binary, env, url, era, home }),
    });
  }
  await check('inspector --tool-arg', async () => {
    const client = connect({ binary, env: { ZEGO_SIMULATE: '1' }, era: 'legacy', home });
    const args = ['--tool-name', 'list_digital_humans', '--tool-arg', 'Limit=3'];
    const { structuredContent } = await client.request('--method', 'tools/call', ...args);
    assert.equal(structuredContent.DigitalHumans.length, 3);
  });
}
