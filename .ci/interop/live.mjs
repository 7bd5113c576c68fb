// Puts a digital human on a stream with real clients, from finding it to stopping its
// stream. ZEGO is the program's own simulator, in a process of its own.
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as Stdio1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HTTP1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as Client2, StreamableHTTPClientTransport as HTTP2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as Stdio2 } from '@modelcontextprotocol/client/stdio';
import { environment, run, serve, start } from './binary.mjs';
import { check } from './check.mjs';
import { checkHints, effects } from './hints.mjs';

/** simulate starts the program's simulator and returns the environment to call it. */
async function simulate(binary) {
  const child = start(binary, ['simulate', '--listen', '127.0.0.1:0'], { env: environment() });
  const env = {};
  for await (const line of createInterface(child.stdout)) {
    const [, name, value] = line.match(/^export (\w+)=(.*)$/) ?? [];
    if (name) env[name] = value;
    if (name === 'ZEGO_SERVER_SECRET') break;
  }
  return { env, stop: () => child.kill() };
}

/** wav returns a file with a second of a tone: 16 bits, 24000 Hz, mono. */
function wav() {
  const audio = Buffer.alloc(48000);
  for (let i = 0; i < 24000; i++) audio.writeInt16LE(Math.round(8000 * Math.sin(i / 10)), 2 * i);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + audio.length, 4);
  head.write('WAVEfmt ', 8);
  for (const [at, size, value] of [[16, 4, 16], [20, 2, 1], [22, 2, 1], [24, 4, 24000], [28, 4, 48000], [32, 2, 2], [34, 2, 16]]) {
    head.writeUIntLE(value, at, size);
  }
  head.write('data', 36);
  head.writeUInt32LE(audio.length, 40);
  return Buffer.concat([head, audio]);
}

/** connectSDK1 connects the first generation of the SDK. `user` answers forms. */
async function connectSDK1(transport, user) {
  const client = new Client1({ name: 'interop', version: '1' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => user(params));
  await client.connect(transport);
  // The first SDK tells the protocol's version over HTTP only.
  return { client, version: transport.protocolVersion, call: (params, options) => client.callTool(params, undefined, options) };
}

/** connectSDK2 connects the second generation of the SDK. `user` answers forms. */
async function connectSDK2(transport, user, mode) {
  const client = new Client2({ name: 'interop', version: '1' }, { capabilities: { elicitation: {} }, versionNegotiation: { mode } });
  client.setRequestHandler('elicitation/create', async ({ params }) => user(params));
  await client.connect(transport);
  return { client, version: client.getNegotiatedProtocolVersion(), call: (params, options) => client.callTool(params, options) };
}

// With `http`, `connect` gets the URL of a running server, otherwise the program to start.
const pin = { pin: '2026-07-28' };
const connections = [
  { sdk: 'typescript-sdk-1', version: '2025-11-25', connect: ({ program, user }) => connectSDK1(new Stdio1(program), user) },
  { sdk: 'typescript-sdk-1', version: '2025-11-25', http: true, connect: ({ url, user }) => connectSDK1(new HTTP1(url), user) },
  { sdk: 'typescript-sdk-2', version: '2025-11-25', http: true, connect: ({ url, user }) => connectSDK2(new HTTP2(url), user, 'legacy') },
  { sdk: 'typescript-sdk-2', version: '2026-07-28', connect: ({ program, user }) => connectSDK2(new Stdio2(program), user, pin) },
  { sdk: 'typescript-sdk-2', version: '2026-07-28', http: true, connect: ({ url, user }) => connectSDK2(new HTTP2(url), user, pin) },
];

export async function checkLive(binary) {
  const dir = await mkdtemp(join(tmpdir(), 'live-'));
  await writeFile(join(dir, 'hello.wav'), wav());
  await Promise.all([...connections.map((connection) => checkSession(binary, dir, connection)), checkKilled(binary)]);
}

/** checkSession runs the checks below, one after another, in one client's session. */
async function checkSession(binary, dir, { sdk, version, http, connect }) {
  const name = `live ${sdk} ${version} ${http ? 'http' : 'stdio'}`;
  const simulator = await simulate(binary);
  const env = { ...simulator.env, ZEGO_TOOLSETS: 'all', ZEGO_AUDIO_DIR: dir };
  const server = http && (await serve(binary, 'http', env));
  const session = {
    version,
    http,
    server,
    asked: [], // Questions that the server asked the user.
    reply: undefined, // What the user answers.
    /** shell runs a tool by `zego-mcp call`, as another program of the same project. */
    shell: async (...args) => JSON.parse((await run(binary, ['call', ...args], { env: environment(env) })).stdout),
    /** call calls a tool and returns its structured result. */
    async call(tool, args, options) {
      const { structuredContent, content, isError } = await session.connected.call({ name: tool, arguments: args }, options);
      if (isError) throw new Error(content[0].text);
      return structuredContent;
    },
  };
  session.connected = await connect({
    program: { command: binary, args: [], env: environment(env), stderr: 'pipe' },
    url: server && new URL(server.url),
    user: ({ message }) => (session.asked.push(message), session.reply),
  });
  await check(`${name} lists its tools`, () => listsTools(session));
  await check(`${name} goes live`, () => goesLive(session));
  await check(`${name} asks before it stops another's stream`, () => asksUser(session));
  await check(`${name} reads prompts, completions and the resource`, () => readsTheRest(session));
  await check(`${name} ends, and its stream with it`, () => endsWithStream(session));
  simulator.stop();
}

async function listsTools({ connected, version, http }) {
  if (connected.version) assert.equal(connected.version, version);
  const { tools } = await connected.client.listTools();
  const ajv = new Ajv2020({ strict: true });
  for (const tool of tools) [tool.inputSchema, tool.outputSchema].filter(Boolean).forEach((schema) => ajv.compile(schema));
  checkHints(tools);
  const want = Object.keys(effects).filter((tool) => !http || tool !== 'drive_by_audio_file');
  assert.deepEqual(tools.map((tool) => tool.name).sort(), want.sort());
}

/** goesLive leaves its stream running, as session.task. */
async function goesLive(session) {
  const { call, http } = session;
  const { DigitalHumans: [{ DigitalHumanId }] } = await call('find_digital_humans', { Query: 'wave', Limit: 1 });
  const { Timbres: [{ TimbreId }] } = await call('list_timbres', { DigitalHumanId, Limit: 1 });
  const progress = [];
  const onprogress = ({ message }) => progress.push(message);
  session.task = await call('create_stream_task', { DigitalHumanId, RoomId: 'studio' }, { onprogress });
  const { TaskId, StatusName, EndsAt } = session.task;
  assert.equal(StatusName, 'streaming');
  assert.match(EndsAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok(progress.includes('the stream is initializing'), `progress ${progress}`);
  await call('drive_by_text', { TaskId, Text: '你好, hello 👋', TimbreId });
  if (!http) assert.equal((await call('drive_by_audio_file', { TaskId, Path: 'hello.wav' })).Seconds, 1);
  await call('do_action', { TaskId, Action: 'wave_hand' });
  await call('interrupt_drive', { TaskId });
  const { StreamTasks } = await call('list_stream_tasks', {});
  assert.deepEqual(StreamTasks.map(({ TaskId, StartedBy }) => ({ TaskId, StartedBy })), [{ TaskId, StartedBy: 'this_server' }]);
  return TaskId;
}

/** asksUser stops a stream that another program started: the user refuses, then agrees. */
async function asksUser(session) {
  const { call, shell, asked } = session;
  const { DigitalHumans: [{ DigitalHumanId }] } = await call('list_digital_humans', { Limit: 1 });
  const { TaskId } = await shell('create_stream_task', `DigitalHumanId=${DigitalHumanId}`, 'RoomId=theirs');
  session.reply = { action: 'decline' };
  await assert.rejects(call('stop_stream_task', { TaskId, Confirm: true }), /did not agree; nothing was done/);
  assert.equal((await call('get_stream_task', { TaskId })).StatusName, 'streaming');
  session.reply = { action: 'accept', content: { Confirm: true } };
  assert.deepEqual((await call('stop_stream_task', { TaskId })).Stopped, [TaskId]);
  assert.equal(asked.length, 2);
  assert.ok(asked.every((question) => question.includes(TaskId)), asked.join());
}

/** readsTheRest reads what a server offers besides tools. */
async function readsTheRest({ connected: { client }, task }) {
  const { prompts } = await client.listPrompts();
  assert.deepEqual(prompts.map((prompt) => prompt.name), ['choose_presenter', 'go_live']);
  const { messages } = await client.getPrompt({ name: 'go_live', arguments: { Script: 'Hello.', RoomId: 'studio' } });
  assert.match(messages[0].content.text, /stop_stream_task/);
  const ref = { type: 'ref/prompt', name: 'go_live' };
  const { completion } = await client.complete({ ref, argument: { name: 'DigitalHuman', value: 'Soph' } });
  assert.ok(completion.values.includes('Sophia'), completion.values.join());
  const { contents } = await client.readResource({ uri: `zego://stream-tasks/${task.TaskId}` });
  assert.equal(JSON.parse(contents[0].text).StatusName, 'streaming');
}

/** endsWithStream ends the program, which must stop the stream that it started. */
async function endsWithStream({ connected, server, shell }) {
  await connected.client.close();
  if (server) assert.equal(await server.stop(), 0);
  // Over stdio the client does not tell when the program has ended.
  for (let tries = 0; ; tries++) {
    const { StreamTasks } = await shell('list_stream_tasks');
    if (StreamTasks.length === 0) break;
    assert.ok(tries < 20, JSON.stringify(StreamTasks));
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** checkKilled kills a server that has a stream running. The next server must stop it. */
async function checkKilled(binary) {
  const simulator = await simulate(binary);
  const env = { ...simulator.env, ZEGO_TOOLSETS: 'all' };
  await check('a killed server leaves its stream, and the next one stops it', async () => {
    const child = start(binary, [], { env: environment(env) });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const ask = async (id, method, params) => {
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
      return JSON.parse((await lines.next()).value).result;
    };
    await ask(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } });
    const { structuredContent } = await ask(2, 'tools/call', { name: 'list_digital_humans', arguments: { Limit: 1 } });
    const [{ DigitalHumanId }] = structuredContent.DigitalHumans;
    const { structuredContent: task } = await ask(3, 'tools/call', { name: 'create_stream_task', arguments: { DigitalHumanId, RoomId: 'studio' } });
    child.kill('SIGKILL');
    await child.ended;
    const next = await serve(binary, 'http', env);
    for (let tries = 0; !next.log.includes('stream task stopped'); tries++) {
      assert.ok(tries < 100, next.log);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.match(next.log, /an earlier process of this server left behind when it died/);
    assert.ok(next.log.includes(task.TaskId), next.log);
    assert.equal(await next.stop(), 0);
    const listed = JSON.parse((await run(binary, ['call', 'list_stream_tasks'], { env: environment(env) })).stdout);
    assert.deepEqual(listed.StreamTasks, []);
    return task.StreamId;
  });
  simulator.stop();
}
