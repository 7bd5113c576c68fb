// Checks the official Go SDK, which the small program in gosdk/ uses.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { environment, start } from './binary.mjs';
import { checkConnection } from './connection.mjs';

/** connect starts the program in gosdk/; `flags` are further flags of it. */
export async function connect(gosdk, { binary, env, url, transport, version, flags = [] }) {
  const args = ['-transport', transport, '-version', version, ...flags, url?.href ?? binary];
  const child = start(gosdk, args, { env: environment(env) });
  const connected = { log: '' };
  child.stderr.setEncoding('utf8').on('data', (text) => (connected.log += text));
  const lines = createInterface(child.stdout);
  const ended = child.ended.then((code) => Promise.reject(new Error(`ended with ${code}: ${connected.log}`)));
  ended.catch(() => {}); // The end is an error only for those who wait for a line.
  const line = async () => JSON.parse((await Promise.race([once(lines, 'line'), ended]))[0]);
  const request = (value) => {
    child.stdin.write(`${JSON.stringify(value)}\n`);
    return line();
  };
  return Object.assign(connected, {
    version: (await line()).protocolVersion,
    listTools: () => request({}),
    call: (Tool, Arguments) => request({ Tool, Arguments }),
    callRefused: async (Tool, Arguments) => (await request({ Tool, Arguments, Fails: true })).error,
    async close() {
      child.stdin.end();
      assert.equal(await child.ended, 0, 'exit code');
    },
  });
}

export async function checkGoSDK(binary, gosdk) {
  for (const [version, transport] of [
    ['2025-11-25', 'stdio'],
    ['2025-11-25', 'http'],
    ['2025-11-25', 'sse'],
    ['2026-07-28', 'stdio'],
    ['2026-07-28', 'http'],
  ]) {
    await checkConnection(`go-sdk ${version} ${transport}`, binary, {
      transport,
      version,
      connect: ({ env, url }) => connect(gosdk, { binary, env, url, transport, version }),
    });
  }
}
