// Goes live with real clients, from finding a digital human to stopping its stream,
// against the program's own simulator as a server of its own.
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

/** simulate starts the simulator and returns the environment to use it. */
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

/** wav is a second of a tone: 16 bits, 24000 Hz, mono. */
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

/** first and second connect the two generations of the SDK; `user` answers forms. */
async function first(transport, user) {
  const client = new Client1({ name: 'interop', version: '1' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => user(params));
  await client.connect(transport);
  return { client, version: transport.protocolVersion, call: (params, options) => client.callTool(params, undefined, options) };
}

async function second(transport, user, mode) {
  const client = new Client2({ name: 'interop', version: '1' }, { capabilities: { elicitation: {} }, versionNegotiation: { mode } });
  client.setRequestHandler('elicitation/create', async ({ params }) => user(params));
  await client.connect(transport);
  return { client, version: client.getNegotiatedProtocolVersion(), call: (params, options) => client.callTool(params, options) };
}

export async function checkLive(binary) {
  const dir = await mkdtemp(join(tmpdir(), 'live-'));
  await writeFile(join(dir, 'hello.wav'), wav());
  const pin = { pin: '2026-07-28' };
  const ways = [
    ['typescript-sdk-1 2025-11-25 stdio', (spawn, _, user) => first(new Stdio1(spawn), user), '2025-11-25'],
    ['typescript-sdk-1 2025-11-25 http', (_, url, user) => first(new HTTP1(url), user), '2025-11-25', true],
    ['typescript-sdk-2 2025-11-25 http', (_, url, user) => second(new HTTP2(url), user, 'legacy'), '2025-11-25', true],
    ['typescript-sdk-2 2026-07-28 stdio', (spawn, _, user) => second(new Stdio2(spawn), user, pin), '2026-07-28'],
    ['typescript-sdk-2 2026-07-28 http', (_, url, user) => second(new HTTP2(url), user, pin), '2026-07-28', true],
  ];
  await Promise.all([...ways.map(([name, connect, version, http]) => live(binary, dir, name, connect, version, http)), killed(binary)]);
}

async function live(binary, dir, name, connect, version, http) {
  const simulator = await simulate(binary);
  const env = { ...simulator.env, ZEGO_TOOLSETS: 'all', ZEGO_AUDIO_DIR: dir };
  const shell = (...args) => run(binary, ['call', ...args], { env: environment(env) });
  const server = http && (await serve(binary, 'http', env));
  const asked = [];
  let answer;
  const user = (params) => (asked.push(params.message), answer);
  const spawn = { command: binary, args: [], env: environment(env), stderr: 'pipe' };
  const connected = await connect(spawn, server && new URL(server.url), user);
  const { client } = connected;
  const call = async (tool, args, options) => {
    const { structuredContent, content, isError } = await connected.call({ name: tool, arguments: args }, options);
    if (isError) throw new Error(content[0].text);
    return structuredContent;
  };
  let task;
  await check(`live ${name} lists its tools`, async () => {
    if (connected.version) assert.equal(connected.version, version); // The first SDK tells it over HTTP only.
    const { tools } = await client.listTools();
    const ajv = new Ajv2020({ strict: true });
    for (const tool of tools) [tool.inputSchema, tool.outputSchema].forEach((schema) => ajv.compile(schema));
    checkHints(tools);
    const want = Object.keys(effects).filter((tool) => !http || tool !== 'drive_by_audio_file');
    assert.deepEqual(tools.map((tool) => tool.name).sort(), want.sort());
  });
  await check(`live ${name} goes live`, async () => {
    const { DigitalHumans: [human] } = await call('find_digital_humans', { Query: 'wave', Limit: 1 });
    const { Timbres: [timbre] } = await call('list_timbres', { DigitalHumanId: human.DigitalHumanId, Limit: 1 });
    const progress = [];
    task = await call(
      'create_stream_task', { DigitalHumanId: human.DigitalHumanId, RoomId: 'studio' }, { onprogress: ({ message }) => progress.push(message) });
    assert.equal(task.StatusName, 'streaming');
    assert.match(task.EndsAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(progress.includes('the stream is initializing'), `progress ${progress}`);
    const { TaskId } = task;
    await call('drive_by_text', { TaskId, Text: '你好, hello 👋', TimbreId: timbre.TimbreId });
    if (!http) assert.equal((await call('drive_by_audio_file', { TaskId, Path: 'hello.wav' })).Seconds, 1);
    await call('do_action', { TaskId, Action: 'wave_hand' });
    await call('interrupt_drive', { TaskId });
    const { StreamTasks } = await call('list_stream_tasks', {});
    assert.deepEqual(StreamTasks.map(({ TaskId, StartedBy }) => ({ TaskId, StartedBy })), [{ TaskId, StartedBy: 'this_server' }]);
    return TaskId;
  });
  await check(`live ${name} asks before it stops another's stream`, async () => {
    const { stdout } = await shell('create_stream_task', `DigitalHumanId=${(await call('list_digital_humans', { Limit: 1 })).DigitalHumans[0].DigitalHumanId}`, 'RoomId=theirs');
    const { TaskId } = JSON.parse(stdout);
    answer = { action: 'decline' };
    await assert.rejects(call('stop_stream_task', { TaskId, Confirm: true }), /did not agree; nothing was done/);
    assert.equal((await call('get_stream_task', { TaskId })).StatusName, 'streaming');
    answer = { action: 'accept', content: { Confirm: true } };
    assert.equal((await call('stop_stream_task', { TaskId })).AlreadyStopped, false);
    assert.equal(asked.length, 2);
    assert.ok(asked.every((question) => question.includes(TaskId)), asked.join());
  });
  await check(`live ${name} reads prompts, completions and the resource`, async () => {
    const { prompts } = await client.listPrompts();
    assert.deepEqual(prompts.map((prompt) => prompt.name), ['choose_presenter', 'go_live']);
    const { messages } = await client.getPrompt({ name: 'go_live', arguments: { Script: 'Hello.', RoomId: 'studio' } });
    assert.match(messages[0].content.text, /stop_stream_task/);
    const { completion } = await client.complete({ ref: { type: 'ref/prompt', name: 'go_live' }, argument: { name: 'DigitalHuman', value: 'Soph' } });
    assert.ok(completion.values.includes('Sophia'), completion.values.join());
    const { contents } = await client.readResource({ uri: `zego://stream-tasks/${task.TaskId}` });
    assert.equal(JSON.parse(contents[0].text).StatusName, 'streaming');
  });
  await check(`live ${name} ends, and its stream with it`, async () => {
    await client.close();
    if (server) assert.equal(await server.stop(), 0);
    for (let tries = 0; ; tries++) {
      const { StreamTasks } = JSON.parse((await shell('list_stream_tasks')).stdout);
      if (StreamTasks.length === 0) break;
      assert.ok(tries < 20, JSON.stringify(StreamTasks)); // Over stdio nobody tells when the program has ended.
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  });
  simulator.stop();
}

/** killed loses a server that has a stream on air; the next one must find it. */
async function killed(binary) {
  const simulator = await simulate(binary);
  const env = { ...simulator.env, ZEGO_TOOLSETS: 'all' };
  await check('a killed server leaves its stream, and the next one finds it', async () => {
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
    for (let tries = 0; !next.log.includes(task.TaskId); tries++) {
      assert.ok(tries < 40, next.log);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.match(next.log, /a stream task of another zego-mcp is running/);
    assert.equal(await next.stop(), 0);
    const listed = JSON.parse((await run(binary, ['call', 'list_stream_tasks'], { env: environment(env) })).stdout);
    assert.deepEqual(listed.StreamTasks.map(({ TaskId, StartedBy }) => [TaskId, StartedBy]), [[task.TaskId, 'orphan']]);
    assert.match(listed.Advice, /^Orphans: 1\./);
    return task.StreamId;
  });
  simulator.stop();
}
