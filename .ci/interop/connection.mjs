// Checks one client over one transport, with an upstream and a program of their own.
import assert from 'node:assert/strict';
import { credentials, secret, serve } from './binary.mjs';
import { checkClient } from './cases.mjs';
import { check } from './check.mjs';
import { startUpstream } from './upstream.mjs';

/**
 * checkConnection checks a client.
 *
 * The program serves `transport`. `path` is the endpoint, if it serves more than one.
 * `connect({env, url})` gets the environment of a program that it starts itself (stdio)
 * or the URL where the program listens. It resolves to the client: listTools(),
 * call(tool, args), close(), log (what a program that it started wrote to stderr) and
 * version (the protocol's, if the client tells it).
 */
export async function checkConnection(name, binary, { transport, path, version, connect }) {
  const upstream = await startUpstream();
  const env = credentials(upstream);
  let server;
  let client;
  await check(`${name} connects`, async () => {
    if (transport !== 'stdio') server = await serve(binary, transport, env);
    const url = server && new URL(path ?? '', server.url);
    client = await connect({ env, url });
    if (client.version) assert.equal(client.version, version, 'protocol version');
  });
  if (client) {
    await checkClient(name, client, upstream);
    await check(`${name} ends`, async () => {
      await client.close();
      if (server) assert.equal(await server.stop(), 0, 'exit code after SIGTERM');
    });
    await check(`${name} sends only signed requests`, async () => {
      assert.deepEqual(upstream.violations, []);
      return `${upstream.calls.length} requests`;
    });
    await check(`${name} logs no secret`, async () => {
      const log = server?.log ?? client.log;
      assert.match(log, /list_digital_humans/);
      assert.ok(!log.includes(secret) && !/signature/i.test(log), log);
    });
  }
  upstream.stop();
}
