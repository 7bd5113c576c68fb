// Checks that the official TypeScript SDK finds the identity provider of a server by itself, logs
// in there and calls; the provider, zitadel's, is the small program in oidc/.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { environment, serve, start } from './binary.mjs';
import { check } from './check.mjs';
import { connect } from './sdk1.mjs';

const audience = 'zego-mcp';

/** login connects with the SDK, which asks the provider for a token when the server wants one. */
function login(url, issuer, scope) {
  const authProvider = new ClientCredentialsProvider({ clientId: 'sid1', clientSecret: 'verysecret', expectedIssuer: issuer, scope });
  return connect(new StreamableHTTPClientTransport(new URL(url), { authProvider }));
}

/** token asks the provider for a token. */
async function token(issuer, scope) {
  const response = await fetch(`${issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('sid1:verysecret')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  });
  return (await response.json()).access_token;
}

/** ping sends a request with a token, and returns the response. */
function ping(url, bearer) {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${bearer}` },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  });
}

export async function checkOIDC(binary, oidc) {
  const provider = start(oidc, [audience], { env: environment() });
  const [issuer] = await once(createInterface(provider.stdout), 'line');
  const flags = ['--simulate', '--toolsets', 'all', '--oidc-issuer', issuer, '--oidc-audience', audience];
  const server = await serve(binary, 'http', {}, flags);

  await check('oidc: 401 leads to the metadata of the resource', async () => {
    const refused = await ping(server.url, 'x');
    assert.equal(refused.status, 401);
    const challenge = refused.headers.get('www-authenticate');
    assert.match(challenge, /error="invalid_token".* scope="zego:assets zego:streaming"/);
    const metadata = await (await fetch(challenge.match(/resource_metadata="([^"]+)"/)[1])).json();
    assert.equal(metadata.resource, server.url);
    assert.deepEqual(metadata.authorization_servers, [issuer]);
  });
  for (const [scope, sees] of [
    ['zego:assets', false],
    ['zego:assets zego:streaming', true],
  ]) {
    await check(`oidc: typescript-sdk-1 logs in for ${scope} and calls`, async () => {
      const client = await login(server.url, issuer, scope);
      const { tools } = await client.listTools();
      assert.equal(tools.some((tool) => tool.name === 'create_stream_task'), sees, 'sees create_stream_task');
      const listed = await client.call('list_digital_humans', { Limit: 1 });
      assert.equal(listed.structuredContent.DigitalHumans.length, 1);
      const stopped = client.call('stop_stream_task', { All: true });
      if (sees) assert.ok((await stopped).content[0].text);
      else await assert.rejects(stopped, /403/); // The SDK asks for a new token, but for the scope that it was given.
      await client.close();
    });
  }
  await check('oidc: typescript-sdk-1 logs in over sse and calls', async () => {
    const authProvider = new ClientCredentialsProvider({ clientId: 'sid1', clientSecret: 'verysecret', expectedIssuer: issuer, scope: 'zego:assets' });
    const client = await connect(new SSEClientTransport(new URL('/sse', server.url), { authProvider }));
    const listed = await client.call('list_digital_humans', { Limit: 1 });
    assert.equal(listed.structuredContent.DigitalHumans.length, 1);
    await client.close();
  });
  await check('oidc: a token without a scope of ours is refused', async () => {
    const refused = await ping(server.url, await token(issuer, 'openid'));
    assert.equal(refused.status, 403);
    assert.match(refused.headers.get('www-authenticate'), /error="insufficient_scope"/);
  });
  await check('oidc: keys are rotated', async () => {
    const before = await token(issuer, 'zego:assets');
    assert.equal((await ping(server.url, before)).status, 200);
    await fetch(`${issuer}/rotate`, { method: 'POST' });
    const after = await token(issuer, 'zego:assets');
    let status;
    for (let i = 0; i < 50 && status !== 200; i++) { // The server asks for new keys every 10 s at most.
      ({ status } = await ping(server.url, after));
      if (status !== 200) await delay(300);
    }
    assert.equal(status, 200, 'with the new key');
    assert.equal((await ping(server.url, before)).status, 401, 'with the key that was withdrawn');
  });
  await check('oidc: the log names the subject and no token', async () => {
    assert.match(server.log, /"subject":"oidc:sid1"/);
    assert.doesNotMatch(server.log, /eyJ/);
    assert.equal(await server.stop(), 0, 'exit code after SIGTERM');
  });
  provider.kill();
}
