// Checks that the configuration for Claude Desktop in the documentation starts the server.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { credentials } from './binary.mjs';
import { check } from './check.mjs';
import { connect, stdio } from './sdk1.mjs';
import { page, startUpstream } from './upstream.mjs';

export async function checkReadme(binary) {
  const upstream = await startUpstream();
  await check("the documented Claude Desktop configuration", async () => {
    const text = await readFile(new URL('../../docs/clients.md', import.meta.url), 'utf8');
    const blocks = [...text.matchAll(/^```json\n(.*?)^```/gms)].map(([, block]) => block);
    const block = blocks.find((candidate) => candidate.includes('"mcpServers"'));
    assert.ok(block, 'docs/clients.md has no json block with "mcpServers"');
    const [[name, config]] = Object.entries(JSON.parse(block).mcpServers);
    assert.ok(config.command.startsWith('/'), 'command is not an absolute path, which desktop clients need');

    const known = credentials(upstream);
    const { ZEGO_TOOLSETS, ...secrets } = config.env;
    assert.equal(ZEGO_TOOLSETS, 'all', 'the example does not turn streaming on');
    for (const variable of Object.keys(secrets)) assert.ok(known[variable], `unexpected variable ${variable}`);
    const env = { ...config.env, ...known };
    const client = await connect(stdio({ command: binary, args: config.args, env }));
    const { structuredContent, content } = await client.call('list_digital_humans', {});
    await client.close();
    assert.deepEqual(structuredContent?.DigitalHumans, page({}).DigitalHumans, content[0].text);
    assert.deepEqual(upstream.violations, []);
    return name;
  });
  upstream.stop();
}
