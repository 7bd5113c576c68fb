// The checks that every client must pass, in any language, transport and protocol version.
import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { check } from './check.mjs';
import { checkHints, effects } from './hints.mjs';
import { humans, page } from './upstream.mjs';

// `body` is the exact request body that must arrive upstream. No two are equal, because
// the program may answer an equal request from its cache.
const lists = [
  { args: undefined, body: '{}' },
  { args: { Limit: 2 }, body: '{"Limit":2}' },
  { args: { Limit: '3' }, body: '{"Limit":3}' },
  { args: { Offset: 20, Limit: 5 }, body: '{"Offset":20,"Limit":5}' },
  { args: { FetchMode: 2, Limit: 4 }, body: '{"FetchMode":2,"Limit":4}' },
  { args: { FetchMode: '3', Offset: 0 }, body: '{"FetchMode":3,"Offset":0}' },
  { args: { Offset: 1000000 }, body: '{"Offset":1000000}' },
];

const range = (name, from, to, got) => `${name} must be an integer from ${from} to ${to}, got ${got}`;
const known = '(known: FetchMode, Detail, Offset, Limit)';
const unknown = (name, meant) => `unknown argument "${name}"; did you mean "${meant}"? ${known}`;
const refused = [
  { args: { Limit: 50 }, text: range('Limit', 1, 20, '50') },
  { args: { Limit: 2.5 }, text: range('Limit', 1, 20, '2.5') },
  { args: { Limit: true }, text: range('Limit', 1, 20, 'true') },
  { args: { Limit: '' }, text: range('Limit', 1, 20, '""') },
  { args: { Limit: null }, text: range('Limit', 1, 20, 'null') },
  { args: { FetchMode: {} }, text: range('FetchMode', 1, 3, '{}') },
  { args: { Offset: -1 }, text: range('Offset', 0, 1000000, '-1') },
  { args: { Offset: [] }, text: range('Offset', 0, 1000000, '[]') },
  { args: { limit: 5 }, text: unknown('limit', 'Limit') },
  { args: { Page: 1 }, text: `unknown argument "Page" ${known}` },
  { args: { Limit: 0, offset: 1 }, text: `${range('Limit', 1, 20, '0')}\n${unknown('offset', 'Offset')}` },
];

const ajv = new Ajv2020({ strict: true }); // In strict mode it refuses keywords that it does not know.

const pictured = ['get_digital_human', 'preview_digital_humans']; // Their results may have a picture.

/**
 * checkClient checks a connected client. It has `listTools()` and `call(tool, args)`,
 * which resolve to the results that MCP defines.
 */
export async function checkClient(name, client, upstream) {
  const schemas = new Map(); // Validators of the tools' results, by tool.
  await check(`${name} tools/list`, async () => {
    const { tools } = await client.listTools();
    for (const tool of tools) {
      ajv.compile(tool.inputSchema);
      if (tool.outputSchema) schemas.set(tool.name, ajv.compile(tool.outputSchema));
    }
    // Only a tool whose result may have a picture has none: see pictured in tools/tool.go.
    for (const { name: tool } of tools) assert.equal(schemas.has(tool), !pictured.includes(tool), `outputSchema of ${tool}`);
    checkHints(tools);
    for (const { name } of tools) assert.equal(effects[name], 'readOnly', `${name} without --toolsets`);
    return `${tools.length} tools`;
  });
  await checkResults(name, client, upstream, schemas);
  await checkRefusals(name, client, upstream);
}

/** checkResults makes calls that succeed. */
async function checkResults(name, client, upstream, schemas) {
  for (const { args, body } of lists) {
    await check(`${name} list_digital_humans ${JSON.stringify(args) ?? 'without arguments'}`, async () => {
      const sent = { action: 'GetDigitalHumanList', body };
      const { call, result } = await callOnce(client, upstream, schemas, 'list_digital_humans', args, sent);
      const { AvatarUrlsExpireAt, ...rest } = result;
      const request = JSON.parse(body);
      const { Total, DigitalHumans } = page(request);
      const next = (request.Offset ?? 0) + DigitalHumans.length;
      const more = DigitalHumans.length > 0 && next < Total;
      assert.deepEqual(rest, { Total, DigitalHumans, ...(more && { NextOffset: next }), RequestId: call.RequestId });
      checkExpiry(AvatarUrlsExpireAt);
    });
  }
  await check(`${name} get_digital_human`, async () => {
    const human = humans[5];
    const args = { DigitalHumanId: human.DigitalHumanId };
    const sent = { action: 'GetDigitalHumanInfo', body: JSON.stringify(args) };
    const { call, result } = await callOnce(client, upstream, schemas, 'get_digital_human', args, sent);
    const { AvatarUrlExpiresAt, ...rest } = result;
    assert.deepEqual(rest, { ...human, RequestId: call.RequestId });
    checkExpiry(AvatarUrlExpiresAt);
  });
}

/** checkRefusals makes calls that ZEGO or the program refuses. */
async function checkRefusals(name, client, upstream) {
  await check(`${name} get_digital_human of an unknown id`, async () => {
    const before = upstream.calls.length;
    const text = refusal(await client.call('get_digital_human', { DigitalHumanId: 'nobody' }));
    const call = upstream.calls.slice(before).at(-1); // The calls before it look for a name or id that was meant.
    assert.equal(call.action, 'GetDigitalHumanInfo');
    assert.match(text, /400000003/);
    assert.match(text, /digital human not exist/);
    assert.match(text, new RegExp(call.RequestId));
  });
  await check(`${name} get_digital_human with a name for the id`, async () => {
    const [human] = humans;
    const before = upstream.calls.length;
    const text = refusal(await client.call('get_digital_human', { DigitalHumanId: human.Name }));
    assert.equal(text, `DigitalHumanId must be an id, got "${human.Name}": pass ${human.DigitalHumanId} ("${human.Name}")`);
    for (const { action } of upstream.calls.slice(before)) assert.equal(action, 'GetDigitalHumanList');
  });
  for (const { args, text } of refused) {
    await check(`${name} refuses ${JSON.stringify(args)}`, async () => {
      const before = upstream.calls.length;
      assert.equal(refusal(await client.call('list_digital_humans', args)), text);
      assert.deepEqual(upstream.calls.slice(before), [], 'sent upstream');
    });
  }
}

/**
 * callOnce calls a tool, which must succeed and make exactly one upstream call, `sent`.
 * It returns that call and the tool's result.
 */
async function callOnce(client, upstream, schemas, tool, args, sent) {
  const before = upstream.calls.length;
  const { content, structuredContent, isError } = await client.call(tool, args);
  assert.ok(!isError, content[0]?.text);
  const calls = upstream.calls.slice(before);
  assert.deepEqual(calls.map(({ action, body }) => ({ action, body })), [sent]);
  const validate = schemas.get(tool);
  assert.ok(validate || pictured.includes(tool), `${tool} has no outputSchema`);
  if (validate) assert.ok(validate(structuredContent), ajv.errorsText(validate.errors));
  assert.deepEqual(content.map(({ type }) => type), ['text']);
  const [{ text }] = content;
  assert.deepEqual(JSON.parse(text), structuredContent);
  assert.equal(text, JSON.stringify(JSON.parse(text)), 'the text is not compact JSON');
  return { call: calls[0], result: structuredContent };
}

/** refusal returns the text of a result that must be an error. */
function refusal({ content, isError, ...rest }) {
  assert.equal(isError, true, 'isError');
  assert.equal(rest.structuredContent, undefined, 'structuredContent');
  assert.equal(content.length, 1, 'blocks of content');
  return content[0].text;
}

/** checkExpiry checks that text is the time 24 hours from now, when ZEGO's signed URLs end. */
function checkExpiry(text) {
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const hours = (Date.parse(text) - Date.now()) / 3_600_000;
  assert.ok(Math.abs(hours - 24) < 0.1, `${text} is ${hours} hours away`);
}
