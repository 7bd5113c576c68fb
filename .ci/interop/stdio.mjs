// Checks the program through a pipe, without any client library.
import assert from 'node:assert/strict';
import { credentials, environment, run } from './binary.mjs';
import { check } from './check.mjs';
import { startUpstream } from './upstream.mjs';

const initialize = (protocolVersion) =>
  JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion, capabilities: {}, clientInfo: { name: 'interop', version: '1' } },
  });
const initialized = '{"jsonrpc":"2.0","method":"notifications/initialized"}';

/** list returns a call of list_digital_humans. `args` is JSON text, which may have 2.0 in it. */
function list(id, args) {
  const params = `{"name":"list_digital_humans"${args ? `,"arguments":${args}` : ''}}`;
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`;
}

/** pipe sends lines to the program, ends its input, and returns the answers by id. */
async function pipe(binary, args, env, ...lines) {
  const input = lines.map((line) => `${line}\n`).join('');
  const { code, stdout, stderr } = await run(binary, args, { env: environment(env), input });
  assert.equal(code, 0, `exit code: ${stderr}`);
  const answers = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
  for (const { jsonrpc } of answers) assert.equal(jsonrpc, '2.0');
  assert.equal(answers.length, new Set(answers.map(({ id }) => id)).size, 'answers to different requests');
  return new Map(answers.map((answer) => [answer.id, answer]));
}

export async function checkStdio(binary) {
  for (const args of [['--simulate'], ['serve', '--simulate']]) {
    await check(`pipe into zego-mcp ${args.join(' ')}`, async () => {
      const answers = await pipe(binary, args, {}, initialize('2025-11-25'), initialized, list(2, '{"Limit":2}'));
      assert.deepEqual([...answers.keys()].sort(), [1, 2]);
      assert.match(answers.get(1).result.serverInfo.title, /simulated/);
      assert.equal(answers.get(2).result.structuredContent.DigitalHumans.length, 2);
    });
  }

  for (const version of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']) {
    await check(`pipe with protocol version ${version}`, async () => {
      const answers = await pipe(binary, ['--simulate'], {}, initialize(version), initialized, list(2));
      assert.equal(answers.get(1).result.protocolVersion, version);
      assert.ok(answers.get(2).result.structuredContent);
    });
  }

  for (const [text, body] of [
    ['{"Limit":2.0,"Offset":1e1}', '{"Offset":10,"Limit":2}'],
    ['{"Limit":"2.0","FetchMode":"1"}', '{"FetchMode":1,"Limit":2}'],
    ['{}', '{}'],
    ['null', '{}'],
    ['{"FetchMode":"public"}', null],
    ['{"Limit":1,"limit":2}', null],
    ['[1]', null],
  ]) {
    await check(`pipe with arguments ${text}`, async () => {
      const upstream = await startUpstream();
      try {
        const lines = [initialize('2025-11-25'), initialized, list(2, text)];
        const answers = await pipe(binary, [], credentials(upstream), ...lines);
        const { isError = false, content } = answers.get(2).result;
        assert.equal(isError, body === null, content[0].text);
        assert.deepEqual(upstream.calls.map((call) => call.body), body === null ? [] : [body]);
        assert.deepEqual(upstream.violations, []);
      } finally {
        upstream.stop();
      }
    });
  }

  await check('without credentials a call says what to set', async () => {
    const answers = await pipe(binary, [], {}, initialize('2025-11-25'), initialized, list(2));
    const { isError, content } = answers.get(2).result;
    assert.equal(isError, true);
    for (const word of [/ZEGO_APP_ID/, /ZEGO_SERVER_SECRET/, /--simulate/]) assert.match(content[0].text, word);
  });
}
