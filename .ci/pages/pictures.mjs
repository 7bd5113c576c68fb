// Makes the pictures of the documentation from the running program: node pictures.mjs ZEGO_MCP
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, statSync, symlinkSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environment } from '../interop/binary.mjs';
import { startBrowser } from './browser.mjs';
import { connect, extension, serveHost } from './gallery.mjs';

const binary = resolve(process.argv[2]);
const images = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const largest = 200_000; // Bytes of a picture.
const browser = await startBrowser();

/** save writes a screenshot of what a locator or a page shows. */
async function save(target, name) {
  const path = `${images}${name}`;
  await target.screenshot({ path, ...(name.endsWith('.jpg') ? { type: 'jpeg', quality: 82 } : {}) });
  const { size } = statSync(path);
  if (size > largest) throw new Error(`${name} has ${size} bytes, more than ${largest}`);
  console.log(`docs/images/${name}: ${size} bytes`);
}

/** takeGallery shows the answer to a search in the gallery. */
async function takeGallery() {
  const client = await connect(binary, extension);
  const host = await serveHost();
  const page = await browser.newPage({ viewport: { width: 860, height: 600 }, deviceScaleFactor: 1.5 });
  await page.exposeFunction('callTool', ({ name, arguments: args }) => client.callTool({ name, arguments: args }));
  await page.goto(host.url);
  await page.waitForFunction(() => window.show);
  const tool = 'find_digital_humans';
  const input = { Query: 'wave', Limit: 10 };
  const html = (await client.readResource({ uri: 'ui://zego/gallery.html' })).contents[0].text;
  const result = await client.callTool({ name: tool, arguments: input });
  const context = { theme: 'light', locale: 'en-US', toolInfo: { tool: { name: tool, inputSchema: { type: 'object' } } } };
  await page.evaluate((options) => window.show(options), { html, context, input, result });
  const frame = page.frames().find((other) => other.parentFrame() === page.mainFrame());
  await frame.waitForFunction(() => document.querySelectorAll('#grid .picture img').length === 10);
  await frame.evaluate(() => Promise.all([...document.images].map((image) => image.decode())));
  await save(page, 'gallery.jpg');
  await client.close();
  host.stop();
}

/** startSimulator starts zego-mcp simulate and returns the variables that it prints. */
async function startSimulator() {
  const child = spawn(binary, ['simulate', '--listen', '127.0.0.1:0'], { env: environment(), stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  while (!output.includes('ZEGO_SERVER_SECRET')) output += (await once(child.stdout, 'data'))[0];
  return { variables: Object.fromEntries([...output.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name, value])), child };
}

/** takeTerminal runs commands on a terminal, and shows them with what they print. */
async function takeTerminal() {
  const { variables, child } = await startSimulator();
  const path = mkdtempSync(join(tmpdir(), 'pictures-'));
  symlinkSync(binary, join(path, 'zego-mcp'));
  const env = { ...environment(), ...variables, PATH: `${path}:${process.env.PATH}`, TERM: 'xterm-256color', ZEGO_TOOLSETS: 'all' };
  let screen = '';
  /** ask runs a command on a terminal and returns what the terminal shows. */
  const ask = (command) => {
    const output = execFileSync('script', ['-qec', `stty cols 100; ${command} 2>&1`, '/dev/null'], { env, encoding: 'utf8' });
    // Of a line, a terminal shows what comes after the last time that it was cleared.
    return output.replace(/\r\n/g, '\n').split('\n').map((line) => line.split('\x1b[K').at(-1)).join('\n').trimEnd();
  };
  const show = (command) => {
    const output = ask(command);
    screen += `\x1b$ ${command}\n${output}\n\n`;
    return output;
  };
  const id = /[0-9a-f]{8}-[0-9a-f-]{27}/;
  const [human] = show('zego-mcp call find_digital_humans Query=wave Limit=3').match(id);
  const [timbre] = ask('zego-mcp call list_timbres Limit=1').match(id);
  const [task] = show(`zego-mcp call create_stream_task DigitalHumanId=${human} RoomId=studio`).match(id);
  show(`zego-mcp call drive_by_text TaskId=${task} TimbreId=${timbre} Text='Good evening.'`);
  ask(`zego-mcp call stop_stream_task TaskId=${task} Confirm=true`);
  child.kill();
  const escaped = screen.trimEnd().replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/\x1b\$ (.*)/g, '<i>$</i> <b>$1</b>');
  const page = await browser.newPage({ viewport: { width: 940, height: 600 }, deviceScaleFactor: 1.5 });
  await page.setContent(`<style>
    body { margin: 0 }
    pre { margin: 0; padding: 18px 20px; background: #16181d; color: #c9d1d9; font: 13.5px/1.45 'Noto Sans Mono CJK SC', monospace; width: max-content; max-width: 104ch; white-space: pre-wrap; overflow-wrap: anywhere; border-radius: 8px }
    b { color: #fff; font-weight: 600 } i { color: #6ee7a8; font-style: normal }
  </style><pre>${escaped}</pre>`);
  await save(page.locator('pre'), 'terminal.png');
}

await takeGallery();
await takeTerminal();
await browser.close();
process.exit(0);
