// Checks that the OAuth clients of the official SDKs find the identity provider of a server by
// themselves, log in there with PKCE for the server as the resource, call, and log in again when a
// call needs another scope. The provider, zitadel's, is the small program in oidc/.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { StreamableHTTPClientTransport as Transport2, UnauthorizedError as Unauthorized2 } from '@modelcontextprotocol/client';
import { UnauthorizedError as Unauthorized1 } from '@modelcontextprotocol/sdk/client/auth.js';
import { SSEClientTransport as SSETransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { environment, serve, start } from './binary.mjs';
import { check } from './check.mjs';
import { connect as connectGo } from './gosdk.mjs';
import { connect as connect1 } from './sdk1.mjs';
import { connect as connect2 } from './sdk2.mjs';

const redirectURL = 'http://127.0.0.1/callback';
const scopes = ['zego:assets', 'zego:streaming'];

/** freePort returns a port that is free now: the resource must be known before the server starts. */
async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** authorize does what a browser and its user do, and returns the parameters of the redirection to the client. */
async function authorize(url) {
  for (let i = 0; i < 10; i++) {
    const response = await fetch(url, { redirect: 'manual' });
    assert.equal(response.status, 302, await response.text());
    url = new URL(response.headers.get('location'), url);
    if (url.origin + url.pathname === redirectURL) return url.searchParams;
  }
  throw new Error('too many redirections');
}

/** memory returns an OAuthClientProvider for both generations of the TypeScript SDK. Without a client id it registers itself. */
function memory(clientId, issuer) {
  const kept = { client: clientId && { client_id: clientId, issuer } };
  return {
    redirectUrl: redirectURL,
    clientMetadata: {
      client_name: 'interop',
      redirect_uris: [redirectURL],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
    clientInformation: () => kept.client,
    saveClientInformation: (client) => (kept.client = client),
    tokens: () => kept.tokens,
    saveTokens: (tokens) => (kept.tokens = tokens),
    saveCodeVerifier: (verifier) => (kept.verifier = verifier),
    codeVerifier: () => kept.verifier,
    discoveryState: () => kept.discovery,
    saveDiscoveryState: (state) => (kept.discovery = state),
    redirectToAuthorization: async (url) => (kept.redirected = await authorize(url)),
    redirected: () => kept.redirected,
  };
}

/** loginTS returns a client of a TypeScript SDK that has logged in, and logs in again if a call needs it. */
async function loginTS({ url, clientId, issuer, Transport, Unauthorized, connect }) {
  const authProvider = memory(clientId, issuer);
  const newTransport = () => new Transport(new URL(url), { authProvider });
  const finish = (transport) => transport.finishAuth(authProvider.redirected().get('code'));
  const first = newTransport();
  await assert.rejects(connect(first), (err) => err instanceof Unauthorized);
  await finish(first);
  const transport = newTransport();
  const client = await connect(transport);
  return Object.assign(client, {
    async callAgain(name, args) {
      await assert.rejects(client.call(name, args), (err) => err instanceof Unauthorized, 'the call leads to a login');
      await finish(transport);
      return client.call(name, args);
    },
  });
}

/** clients lists the SDKs: each logs in and returns a client. */
function clients(gosdk) {
  const typescript1 = { Transport: Transport1, Unauthorized: Unauthorized1, connect: connect1 };
  const typescript2 = (mode) => ({ Transport: Transport2, Unauthorized: Unauthorized2, connect: (transport) => connect2(transport, mode) });
  const go = (version) => async ({ url, clientId }) => {
    const flags = ['-client', clientId ?? 'register'];
    const client = await connectGo(gosdk, { env: {}, url: new URL(url), transport: 'http', version, flags });
    return Object.assign(client, { callAgain: client.call });
  };
  return {
    'typescript-sdk-1': (to) => loginTS({ ...to, ...typescript1 }),
    'typescript-sdk-2 2025-11-25': (to) => loginTS({ ...to, ...typescript2('legacy') }),
    'typescript-sdk-2 2026-07-28': (to) => loginTS({ ...to, ...typescript2({ pin: '2026-07-28' }) }),
    'go-sdk 2025-11-25': go('2025-11-25'),
    'go-sdk 2026-07-28': go('2026-07-28'),
  };
}

/** sees reports whether a client is offered the tool that creates streams. */
const sees = async (client) => (await client.listTools()).tools.some((tool) => tool.name === 'create_stream_task');

/** checkSDK lets one SDK log in, call, and log in again for a call. */
async function checkSDK(login, to) {
  await fetch(`${to.issuer}/logins`, { method: 'DELETE' });
  const client = await login(to);
  assert.equal(await sees(client), false, 'sees create_stream_task at first');
  const listed = await client.call('list_digital_humans', { Limit: 1 });
  const [human] = listed.structuredContent.DigitalHumans;
  const created = await client.callAgain('create_stream_task', { DigitalHumanId: human.DigitalHumanId, RoomId: 'studio' });
  assert.ok(created.structuredContent?.TaskId, JSON.stringify(created));
  assert.equal(await sees(client), true, 'sees create_stream_task then');
  await client.call('stop_stream_task', { TaskId: created.structuredContent.TaskId });
  await client.close();

  const made = await (await fetch(`${to.issuer}/logins`)).json();
  assert.equal(made.length, 2, 'logins');
  for (const { Resource, PKCE, Asked } of made) {
    assert.equal(Resource, to.resource);
    assert.equal(PKCE, 'S256');
    assert.deepEqual(Asked.toSorted(), scopes);
  }
  assert.deepEqual(made.map(({ Granted }) => Granted.toSorted()), [scopes.slice(0, 1), scopes]);
}

/** checkSSE lets an old client log in, whose stream cannot ask for more scopes. */
async function checkSSE(to) {
  const client = await loginTS({ ...to, Transport: SSETransport, Unauthorized: Unauthorized1, connect: connect1 });
  const listed = await client.call('list_digital_humans', { Limit: 1 });
  assert.equal(listed.structuredContent.DigitalHumans.length, 1);
  await client.close();
}

/** checkNoLogin checks what users of clients read that send a fixed token and cannot log in. The second TypeScript SDK shows the scopes alone. */
async function checkNoLogin(gosdk, url, token) {
  const words = /create_stream_task needs the scope zego:streaming[^]*What to do: Ask the user to log in/;
  const client = await connectGo(gosdk, { env: {}, url: new URL(url), transport: 'http', version: '2026-07-28', flags: ['-token', token] });
  assert.match(await client.callRefused('create_stream_task', { DigitalHumanId: 'x' }), words);
  const listed = await client.call('list_digital_humans', { Limit: 1 }); // The connection lives on.
  assert.equal(listed.structuredContent.DigitalHumans.length, 1);
  await client.close();
  for (const [Transport, connect] of [
    [Transport1, connect1],
    [Transport2, (transport) => connect2(transport, 'legacy')],
  ]) {
    const fixed = await connect(new Transport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
    await assert.rejects(fixed.call('create_stream_task', { DigitalHumanId: 'x' }), /zego:streaming/);
    assert.equal((await fixed.call('list_digital_humans', { Limit: 1 })).structuredContent.DigitalHumans.length, 1);
    await fixed.close();
  }
}

export async function checkLogins(binary, gosdk, oidc) {
  for (const [metadata, providerFlags, register, path] of [
    ['OpenID discovery, known clients', [], false, '/mcp'],
    ['RFC 8414, clients that register', ['-oauth-metadata'], true, '/mcp'],
    ['the whole host as audience', ['-oauth-metadata'], true, ''],
  ]) {
    const port = await freePort();
    const resource = `http://127.0.0.1:${port}${path}`;
    const provider = start(oidc, [...providerFlags, resource], { env: environment() });
    const [issuer] = await once(createInterface(provider.stdout), 'line');
    const flags = ['--simulate', '--toolsets', 'all', '--oidc-issuer', issuer, '--oidc-audience', resource];
    const server = await serve(binary, 'http', {}, flags, port);
    for (const [name, login] of Object.entries(clients(gosdk))) {
      const clientId = register ? undefined : `native-${name.replaceAll(' ', '-')}`;
      await check(`login (${metadata}): ${name}`, () => checkSDK(login, { url: server.url, resource, clientId, issuer }));
    }
    if (path === '') {
      await check(`login (${metadata}): typescript-sdk-1 sse`, () => checkSSE({ url: new URL('/sse', server.url), issuer }));
    }
    await check(`login (${metadata}): clients with a fixed token read what to do`, async () => {
      const response = await fetch(`${issuer}/oauth/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('sid1:verysecret')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'zego:assets' }),
      });
      await checkNoLogin(gosdk, server.url, (await response.json()).access_token);
    });
    await check(`login (${metadata}): the log has no token`, async () => {
      assert.doesNotMatch(server.log, /eyJ/);
      assert.equal(await server.stop(), 0, 'exit code after SIGTERM');
    });
    provider.kill();
  }
}
