// Unpacks the bundles in the folder of GoReleaser, checks what they hold, and starts the one
// for this machine as its manifest says.
//
//	node packaging/mcpb/check.mjs DIST
import { getMcpConfigForManifest, unpackExtension, validateManifest } from '@anthropic-ai/mcpb';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const dist = process.argv[2];

/** fileTypes return what kind of program a file is, from its first bytes. */
const fileTypes = {
  linux: (bytes) => bytes.readUInt32BE(0) === 0x7f454c46 && { 62: 'amd64', 183: 'arm64' }[bytes.readUInt16LE(18)],
  win32: (bytes) => {
    const header = bytes.readUInt32LE(0x3c);
    return bytes.toString('latin1', header, header + 4) === 'PE\0\0' && { 0x8664: 'amd64' }[bytes.readUInt16LE(header + 4)];
  },
  darwin: (bytes) => {
    if (bytes.readUInt32BE(0) !== 0xcafebabe) return 'not universal';
    const names = { 0x01000007: 'amd64', 0x0100000c: 'arm64' };
    return Array.from({ length: bytes.readUInt32BE(4) }, (_, i) => names[bytes.readUInt32BE(8 + 20 * i)]).sort().join(' ');
  },
};

/** unpack unpacks a bundle, checks its files, and returns its folder and its manifest. */
async function unpack(name, binaries) {
  const folder = mkdtempSync(join(tmpdir(), 'bundle '));
  assert.ok(await unpackExtension({ mcpbPath: join(dist, name), outputDir: folder, silent: true }), `${name} unpacks`);
  assert.ok(validateManifest(join(folder, 'manifest.json')), `${name} has a valid manifest`);
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  assert.deepEqual(manifest.compatibility.platforms, Object.keys(binaries));
  assert.deepEqual(Object.keys(manifest.server.mcp_config.platform_overrides), Object.keys(binaries));
  assert.ok(statSync(join(folder, manifest.server.entry_point)).isFile());
  assert.ok(statSync(join(folder, manifest.icon)).isFile());
  for (const [platform, { command }] of Object.entries(manifest.server.mcp_config.platform_overrides)) {
    const file = command.replace('${__dirname}', folder);
    assert.equal(fileTypes[platform](readFileSync(file)), binaries[platform], `${name}: the binary for ${platform}`);
    assert.ok(statSync(file).mode & 0o100, `${command} may be run`);
  }
  const localized = JSON.parse(readFileSync(join(folder, manifest.localization.resources.replace('${locale}', 'zh-CN')), 'utf8'));
  assert.deepEqual(localized.tools.map(({ name }) => name), manifest.tools.map(({ name }) => name), 'translated tools');
  return { folder, manifest };
}

/** start starts the server as Claude Desktop does, with what the user has filled in. */
async function start({ folder, manifest }, userConfig) {
  const config = await getMcpConfigForManifest({
    manifest,
    extensionPath: folder,
    systemDirs: {},
    userConfig,
    pathSeparator: '/',
  });
  // A home without a login, and no variable of this machine.
  const child = spawn(config.command, config.args, { env: { HOME: folder, ...config.env }, stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = new Map();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, ...answer } = JSON.parse(line);
    waiting.get(id)?.(answer);
  });
  const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  let last = 0;
  const request = (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, ({ result, error }) => (error ? reject(new Error(error.message)) : resolve(result)));
      child.once('exit', (code) => reject(new Error(`the server ended with code ${code}`)));
      send({ id, method, params });
    });
  const { serverInfo } = await request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'check', version: '1' },
  });
  send({ method: 'notifications/initialized' });
  return {
    serverInfo,
    tools: async () => (await request('tools/list', {})).tools.map(({ name }) => name),
    call: (name, args) => request('tools/call', { name, arguments: args }),
    stop: () => new Promise((resolve) => child.once('exit', resolve) && child.stdin.end()),
  };
}

/** checkUnanswered starts the server of somebody who has filled in nothing. */
async function checkUnanswered(bundle) {
  const server = await start(bundle, {});
  const tools = await server.tools();
  assert.ok(tools.includes('list_digital_humans') && !tools.includes('create_stream_task'), `${tools}`);
  const { isError, content } = await server.call('list_digital_humans', {});
  assert.ok(isError);
  assert.match(content[0].text, /not configured/);
  await server.stop();
}

/** checkSimulated starts the server with live streams and without an account. */
async function checkSimulated(bundle) {
  const server = await start(bundle, { simulate: true, streaming: true });
  assert.match(server.serverInfo.title, /simulated/);
  assert.deepEqual(await server.tools(), bundle.manifest.tools.map(({ name }) => name), 'the tools of the manifest');
  const { structuredContent } = await server.call('list_digital_humans', { Limit: 2 });
  assert.equal(structuredContent.DigitalHumans.length, 2);
  await server.stop();
}

/** checkAccount starts the server with AppID, ServerSecret and endpoint of a simulated ZEGO. */
async function checkAccount(bundle) {
  const binary = join(bundle.folder, 'server/linux/zego-mcp');
  const zego = spawn(binary, ['simulate', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const variables = {};
  for await (const line of createInterface({ input: zego.stdout })) {
    const [, name, value] = line.match(/^export (ZEGO_\w+)='?([^']*)'?$/) ?? [];
    if (name) variables[name] = value;
    if (Object.keys(variables).length === 3) break;
  }
  const answers = {
    app_id: variables.ZEGO_APP_ID,
    server_secret: variables.ZEGO_SERVER_SECRET,
    endpoint: variables.ZEGO_ENDPOINT,
  };
  const server = await start(bundle, answers);
  const { isError, structuredContent } = await server.call('list_digital_humans', { Limit: 1 });
  assert.ok(!isError && structuredContent.Total > 0, 'a call with the account');
  await server.stop();
  const wrong = await start(bundle, { ...answers, server_secret: 'x'.repeat(32) });
  assert.match((await wrong.call('list_digital_humans', {})).content[0].text, /100000005/);
  await wrong.stop();
  zego.kill();
}

const main = await unpack('zego-mcp.mcpb', { darwin: 'amd64 arm64', win32: 'amd64', linux: 'amd64' });
const arm = await unpack('zego-mcp-linux-arm64.mcpb', { linux: 'arm64' });
await checkUnanswered(main);
await checkSimulated(main);
await checkAccount(main);
for (const { folder } of [main, arm]) rmSync(folder, { recursive: true });
