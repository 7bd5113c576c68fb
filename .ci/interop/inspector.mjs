// Checks MCP Inspector's command line, which is one process for each request. Of the many calls
// with odd arguments, all run in one process: see inspector-worker.mjs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environment, run, start } from './binary.mjs';
import { check } from './check.mjs';
import { checkConnection } from './connection.mjs';

const cli = fileURLToPath(
  new URL('node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);
const worker = fileURLToPath(new URL('inspector-worker.mjs', import.meta.url));
const toolError = 5; // The Inspector's exit code when a tool's result is an error.

/** startWorker starts a process that makes requests; `request` resolves to what run does. */
function startWorker(env) {
  const child = start(process.execPath, [worker], { env });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const lines = createInterface(child.stdout);
  const ended = child.ended.then((code) => Promise.reject(new Error(`ended with ${code}: ${stderr}`)));
  ended.catch(() => {}); // The end is an error only for those who wait for a line.
  return {
    async request(args) {
      stderr = '';
      child.stdin.write(`${JSON.stringify(args)}\n`);
      const [line] = await Promise.race([once(lines, 'line'), ended]);
      return { ...JSON.parse(line), stderr };
    },
    async stop() {
      child.stdin.end();
      await child.ended;
    },
  };
}

function connect({ binary, env, url, era, home }) {
  const variables = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const target = url ? ['--server-url', url.href] : [binary, ...variables];
  // The Inspector keeps settings in its home, so it gets one of its own.
  const options = { env: environment({ HOME: home }) };
  const inWorker = startWorker(options.env);
  const inProcess = (args) => run(process.execPath, [cli, '--cli', ...args], options);
  const client = {
    log: '',
    async request(send, ...args) {
      const { code, stdout, stderr } = await send([...target, '--protocol-era', era, '--format', 'json', ...args]);
      client.log += stderr;
      assert.ok(code === 0 || code === toolError, `exit code ${code}: ${stderr}`);
      const { result } = JSON.parse(stdout);
      assert.equal(result.isError ?? false, code === toolError, 'exit code and isError');
      return result;
    },
    // --strict also fails for schemas that some hosts refuse.
    listTools: () => client.request(inProcess, '--method', 'tools/list', '--strict'),
    call: (name, args = {}, send = inWorker.request) =>
      client.request(send, '--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)),
    inProcess,
    close: () => inWorker.stop(),
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
  await check('inspector as processes', async () => {
    const client = connect({ binary, env: { ZEGO_SIMULATE: '1' }, era: 'legacy', home });
    const args = ['--tool-name', 'list_digital_humans', '--tool-arg', 'Limit=3'];
    const { structuredContent } = await client.request(client.inProcess, '--method', 'tools/call', ...args);
    assert.equal(structuredContent.DigitalHumans.length, 3);
    const refused = await client.call('list_digital_humans', { Limit: 50 }, client.inProcess);
    assert.ok(refused.isError);
    await client.close();
  });
}
