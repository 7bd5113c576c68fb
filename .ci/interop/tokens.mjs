// Counts the tokens that a language model pays for, with the tokenizer o200k. Each number must
// stay within its target below, and within 5 % of the one in tokens.json, so that a text which
// becomes longer is noticed. After a change that was meant, rewrite tokens.json:
//
//	node tokens.mjs PATH_TO_ZEGO_MCP --update
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { check } from './check.mjs';
import { connect, stdio } from './sdk1.mjs';

const goldenFile = new URL('tokens.json', import.meta.url);
const tolerance = 1.05;

// The most that something may ever cost, whatever tokens.json says.
const targets = {
  'tools/list, assets': 1400,
  'tools/list, all': 3750,
  '20 digital humans, brief': 1100,
  'all 64 digital humans, brief': 3300,
  'a drive': 120,
  'a drive that goes on': 120,
};

// A token as create_viewer_link makes it: each one is other random text.
const viewerToken = '04AAAAAGsNJEsAEP4+dxVbMI0w9Mk11HaMdIEA4KPno/Pw5TM4U6TcIgis+t18SB08TIFkfz3WkM7Ab75hc4MDgh2dbjjiDcGr62A5x3wc77YW'
  + 'TODse3gYebyUu4xFPx4MwpfE9X2MPWQUB5Ec3ozY/sdWr7889Mbne6mRYkBaZHCB5mPp4bCQtTQFIDrTLHIgsKapwzDhTKJwx9jPbs+xdSvHLw'
  + 'z+BWeddrhdzpIsp4kG/whkrEB+qxLlcWqOBCQ/oWmoUrv+lIpo1q+p6FyJgE3FcY7e9HEH4fMNUUH2CNIBjIxStT2jPXt3CHfhRX00EHLScFCI'
  + 'pk5pSTSy';

/** measure returns the tokens of each thing by its name. */
async function measure(binary) {
  const counts = {};
  for (const toolsets of ['assets', 'all']) {
    const args = ['--simulate', '--toolsets', toolsets];
    const client = await connect(stdio({ command: binary, args, env: {} }));
    const { tools } = await client.listTools();
    counts[`tools/list, ${toolsets}`] = tools.map(tokensOfTool).reduce((sum, tokens) => sum + tokens);
    if (toolsets === 'all') {
      for (const tool of tools) counts[`tool ${tool.name}`] = tokensOfTool(tool);
      await measureResults(client, counts);
    }
    await client.close();
  }
  return counts;
}

/** tokensOfTool counts what clients show to a model of a tool. */
function tokensOfTool({ name, description, inputSchema }) {
  return countTokens(JSON.stringify({ name, description, inputSchema }));
}

/** measureResults counts the results of calls. */
async function measureResults(client, counts) {
  /** call makes a call, and counts its result under a name. */
  async function call(name, tool, args) {
    const { content: [{ text }], structuredContent, isError } = await client.call(tool, args);
    assert.ok(!isError, text);
    counts[name] = countTokens(withoutChance(text));
    return structuredContent;
  }
  await call('20 digital humans, brief', 'find_digital_humans', { Limit: 20 });
  await call('all 64 digital humans, brief', 'find_digital_humans', { Limit: 200 });
  await call('20 digital humans, full', 'list_digital_humans', {});
  await call('no digital human', 'find_digital_humans', { Query: 'ema' });
  const { Timbres: [{ TimbreId }] } = await call('20 timbres, brief', 'list_timbres', {});
  const { DigitalHumans: [{ DigitalHumanId }] } = await call('a digital human, brief', 'find_digital_humans', { Query: 'Emma' });
  await call('a digital human, full', 'get_digital_human', { DigitalHumanId });
  const { TaskId } = await call('a stream task', 'create_stream_task', { DigitalHumanId, RoomId: 'studio' });
  await call('a viewer link', 'create_viewer_link', { TaskId });
  await call('a drive', 'drive_by_text', { TaskId, TimbreId, Text: 'Hello.' });
  await call('a drive that goes on', 'drive_by_text', { TaskId, TimbreId, Text: 'Hello.', WaitUntilSpoken: false });
  await call('a stop', 'stop_stream_task', { TaskId, Now: true });
}

/**
 * withoutChance replaces what differs from run to run and would change the count: StreamIds
 * that a process makes up, viewers and their tokens, ports and times. It also replaces the simulator's ids, which are
 * mostly zeros, by one as ZEGO makes them.
 */
function withoutChance(text) {
  return text.replace(/"04AAAA[\w+/=]+"/g, JSON.stringify(viewerToken)).replace(/viewer-[0-9a-f]{16}/g, 'viewer-5b0c1d9e7a42f683')
    .replace(/zego-mcp-[\w-]+/g, 'zego-mcp-f6354c5f-0a1b2c3d-48b4f89ac368e221').replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:12345')
    .replace(/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, '2026-11-24T10:20:30Z')
    .replace(/00000000-0000-4000-8\w{3}-\w{12}/g, '3f8a1c5e-9b27-4d60-8e14-c7a2d95b06f3');
}

/** checkTokens checks all numbers, and prints them as a table. */
export async function checkTokens(binary) {
  let counts = {};
  await check('tokens are counted', async () => {
    counts = await measure(binary);
  });
  const golden = JSON.parse(await readFile(goldenFile, 'utf8'));
  printTable(counts, golden);
  await check('tokens stay within their targets', () => {
    for (const [name, target] of Object.entries(targets)) {
      assert.ok(counts[name] <= target, `${name}: ${counts[name]} tokens, more than ${target}`);
    }
  });
  await check('tokens stay within 5 % of tokens.json', () => {
    assert.deepEqual(Object.keys(counts).sort(), Object.keys(golden).sort());
    for (const [name, tokens] of Object.entries(counts)) {
      assert.ok(tokens <= golden[name] * tolerance, `${name}: ${tokens} tokens, more than 5 % over ${golden[name]}`);
    }
  });
}

function printTable(counts, golden) {
  console.log(`${'tokens'.padEnd(34)}${'now'.padStart(7)}${'golden'.padStart(8)}${'target'.padStart(8)}`);
  for (const [name, tokens] of Object.entries(counts)) {
    const cells = [tokens, golden[name] ?? '', targets[name] ?? ''];
    console.log(name.padEnd(34) + cells.map((cell, i) => String(cell).padStart(i === 0 ? 7 : 8)).join(''));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [binary, option] = process.argv.slice(2);
  if (option === '--update') {
    await writeFile(goldenFile, `${JSON.stringify(await measure(binary), null, 2)}\n`);
  }
  await checkTokens(binary);
}
