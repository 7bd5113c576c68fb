// Checks the gallery: the page that clients show beside the result of list_digital_humans and
// find_digital_humans.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { environment, serve } from '../interop/binary.mjs';
import { check } from '../interop/check.mjs';
import { checkAccessibility, keep, screenshot, startBrowser, waitLimit } from './browser.mjs';

export const extension = { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } };
const light = { theme: 'light', locale: 'en-US' };

/** connect starts the program, as a client that shows apps or does not. */
export async function connect(binary, extensions) {
  const client = new Client({ name: 'pages', version: '1' }, { capabilities: extensions ? { extensions } : {} });
  await client.connect(new StdioClientTransport({ command: binary, args: ['serve', '--simulate'], env: environment(), stderr: 'ignore' }));
  return client;
}

/** serveHost serves the page of the test's host, and returns its URL. */
export async function serveHost() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('host/host.js', import.meta.url))], bundle: true, write: false, format: 'esm',
  });
  const server = createServer((request, response) => {
    const isScript = request.url === '/host.js';
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? outputFiles[0].text : '<!doctype html><html lang="en"><title>host</title><style>body{margin:0}iframe{border:0;width:100%;height:700px}</style><body><script type="module" src="/host.js"></script></body></html>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() };
}

/** shoot keeps how a page looks with all that is below its edge, which Chromium else leaves white. */
async function shoot(page, name) {
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ ...page.viewportSize(), height });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await screenshot(page, name);
}

/** checkGallery runs the checks. */
export async function checkGallery(binary) {
  const client = await connect(binary, extension);
  const host = await serveHost();
  const browser = await startBrowser();
  const html = (await client.readResource({ uri: 'ui://zego/gallery.html' })).contents[0];
  const call = (name, args = {}) => client.callTool({ name, arguments: args });

  /** open shows the gallery with a result, and returns what a check needs. `answers` replaces tools. */
  async function open({ tool = 'list_digital_humans', input = {}, result, context = light, answers = {}, size = { width: 900, height: 760 } } = {}) {
    const page = await browser.newPage({ viewport: size });
    page.setDefaultTimeout(waitLimit);
    const requests = [];
    const violations = [];
    const calls = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(host.url) && !/^(data|about):/.test(request.url())) requests.push(request.url());
    });
    page.on('console', (message) => /Content Security Policy|Refused/.test(message.text()) && violations.push(message.text()));
    page.on('pageerror', (err) => violations.push(String(err)));
    await page.exposeFunction('callTool', async ({ name, arguments: args }) => {
      calls.push({ name, args });
      return answers[name] ? answers[name](args) : call(name, args);
    });
    await page.goto(host.url);
    await page.waitForFunction(() => window.show);
    const full = { ...context, toolInfo: { tool: { name: tool, inputSchema: { type: 'object' } } } };
    await page.evaluate((options) => window.show(options), { html: html.text, context: full, input, result: result === undefined ? await call(tool, input) : result });
    const frame = page.frames().find((other) => other.parentFrame() === page.mainFrame());
    const close = async () => {
      assert.deepEqual(requests, [], 'requests of the page');
      assert.deepEqual(violations, [], 'violations of its policy, and errors');
      await page.close();
    };
    return { page, frame, calls, close, seen: () => page.evaluate(() => window.seen) };
  }
  const pictures = (frame, count) => frame.waitForFunction((n) => document.querySelectorAll('#grid .picture img').length === n, count);
  const cards = (frame) => frame.locator('#grid > li').count();

  await check('gallery: only clients that show apps see it', async () => {
    const plain = await connect(binary);
    const { tools } = await plain.listTools();
    const { tools: withApps } = await client.listTools();
    assert.ok(!JSON.stringify(tools).includes('ui://') && !tools.some((tool) => tool._meta));
    const names = (list) => list.map((tool) => tool.name);
    assert.deepEqual(names(withApps).filter((name) => !names(tools).includes(name)), ['get_gesture_preview', 'get_thumbnails']);
    assert.equal(withApps.find((tool) => tool.name === 'find_digital_humans')._meta.ui.resourceUri, 'ui://zego/gallery.html');
    assert.deepEqual(withApps.find((tool) => tool.name === 'get_thumbnails')._meta.ui.visibility, ['app']);
    assert.deepEqual((await plain.listResources()).resources, []);
    await assert.rejects(plain.readResource({ uri: 'ui://zego/gallery.html' }));
    await assert.rejects(plain.callTool({ name: 'get_thumbnails', arguments: { DigitalHumanIds: [] } }));
    assert.equal(html.mimeType, 'text/html;profile=mcp-app');
    await plain.close();
    return `${html.text.length} characters`;
  });

  await check('gallery: clients over HTTP see it as well', async () => {
    const server = await serve(binary, 'http', {}, ['--simulate']);
    const remote = new Client({ name: 'pages', version: '1' }, { capabilities: { extensions: extension } });
    await remote.connect(new StreamableHTTPClientTransport(new URL(server.url)));
    const { tools } = await remote.listTools();
    assert.ok(tools.some(({ name }) => name === 'get_thumbnails') && tools.some((tool) => tool._meta?.ui?.resourceUri));
    await remote.close();
    await server.stop();
  });

  await check('gallery: 20 faces, and no request of its own', async () => {
    const { page, frame, close } = await open();
    await pictures(frame, 20);
    await shoot(page, 'gallery-light');
    await checkAccessibility(frame);
    await close();
  });

  await check('gallery: the next pages', async () => {
    const { frame, close } = await open();
    await pictures(frame, 20);
    await frame.click('#more');
    await pictures(frame, 40);
    assert.match(await frame.textContent('#status'), /^40 of 64/);
    for (let shown = 60; shown < 84; shown += 20) {
      await frame.click('#more');
      await pictures(frame, Math.min(shown, 64));
    }
    assert.ok(await frame.locator('#more').isHidden());
    await close();
  });

  await check('gallery: filters at once and searches all pages', async () => {
    const { frame, calls, close } = await open();
    await pictures(frame, 20);
    await frame.fill('#search', 'sophia');
    assert.equal(await cards(frame), 1);
    await frame.fill('#search', 'claire'); // She is on the third page.
    await frame.waitForFunction(() => document.querySelector('#grid .name')?.textContent === 'News Anchor Claire');
    assert.equal(calls.findLast(({ name }) => name === 'find_digital_humans').args.Query, 'claire');
    await frame.fill('#search', 'nobody at all');
    await frame.waitForFunction(() => document.querySelector('#status').textContent.startsWith('Nobody matches.'));
    await frame.fill('#search', '');
    assert.equal(await cards(frame), 20);
    await frame.selectOption('#owner', '3');
    assert.equal(await cards(frame), 6); // Of those that the page has seen, at once.
    await frame.waitForFunction(() => document.querySelector('#status').textContent === '16 digital humans');
    await frame.selectOption('#owner', '1');
    await frame.check('#gestures-only');
    await frame.waitForFunction(() => /^20 of 3\d$/.test(document.querySelector('#status').textContent));
    assert.equal(calls.findLast(({ name }) => name !== 'get_thumbnails').args.HasAction, true);
    await frame.uncheck('#gestures-only');
    await frame.waitForFunction(() => document.querySelector('#status').textContent === '20 of 64');
    await close();
  });

  await check('gallery: choosing tells the model, and its button the chat', async () => {
    const { page, frame, seen, close } = await open({ tool: 'find_digital_humans', input: { Query: 'sophia' } });
    await pictures(frame, 1);
    await frame.click('.face');
    await frame.click('.use:visible');
    await page.waitForFunction(() => window.seen.messages.length === 1);
    const { contexts, messages } = await seen();
    assert.equal(contexts[0].structuredContent.DigitalHumanId, '63c3aa64-1d80-4b04-a0be-1c65614eb7eb');
    assert.match(messages[0].content[0].text, /Sophia \(DigitalHumanId 63c3aa64/);
    assert.equal(await frame.getAttribute('.face', 'aria-pressed'), 'true');
    await close();
  });

  await check('gallery: the keyboard reaches everything', async () => {
    const { page, frame, seen, close } = await open({ tool: 'find_digital_humans', input: { Query: 'emma', Detail: 'full' } });
    await pictures(frame, 1);
    await frame.focus('#search');
    const reached = [];
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab');
      reached.push(await frame.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.value || document.activeElement.textContent));
      if (reached.at(-1) === 'face') await page.keyboard.press('Enter');
      if (reached.at(-1) === 'gesture') await frame.waitForSelector('.picture .moving');
      if (reached.at(-1) === 'use') break;
    }
    await page.keyboard.press('Space');
    await page.waitForFunction(() => window.seen.messages.length === 1);
    assert.equal((await seen()).contexts.length, 1);
    await close();
    return reached.join(', ');
  });

  await check('gallery: follows the theme, the colours and the language', async () => {
    const { page, frame, close } = await open();
    await pictures(frame, 20);
    await page.evaluate(() => window.bridge.setHostContext({ theme: 'dark', locale: 'en-US' }));
    await frame.waitForFunction(() => document.documentElement.style.colorScheme === 'dark');
    await shoot(page, 'gallery-dark');
    await checkAccessibility(frame);
    const variables = { '--color-background-primary': 'rgb(1, 2, 3)', '--font-sans': 'serif', '--evil': 'url(http://127.0.0.1:1/)' };
    await page.evaluate((all) => window.bridge.setHostContext({ theme: 'dark', locale: 'zh-CN', styles: { variables: all } }), variables);
    await frame.waitForFunction(() => document.documentElement.lang === 'zh-CN');
    assert.equal(await frame.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(1, 2, 3)');
    await pictures(frame, 20);
    await close();
    const chinese = await open({ context: { theme: 'light', locale: 'zh-Hans-CN' } });
    await pictures(chinese.frame, 20);
    await chinese.frame.click('.face >> nth=11');
    await shoot(chinese.page, 'gallery-zh');
    await chinese.close();
    const narrow = await open({ size: { width: 340, height: 700 } });
    await pictures(narrow.frame, 20);
    assert.ok(await narrow.frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'scrolls sideways');
    await shoot(narrow.page, 'gallery-narrow');
    await narrow.close();
  });

  await check('gallery: names are text', async () => {
    const names = ['<img src=x onerror="parent.hacked = 1">', '"quotes" & \'more\'', '\u202eright to left', 'محمد علي', 'zero\u200bwidth\u200d', 'long '.repeat(40), '好'.repeat(200), '</script><script>parent.hacked = 1</script>'];
    const humans = names.map((Name, i) => ({ DigitalHumanId: `id-${i}`, Name, IsPublic: true, Gestures: [Name] }));
    const result = { content: [{ type: 'text', text: JSON.stringify({ Total: humans.length, DigitalHumans: humans }) }] }; // Without structuredContent.
    const broken = { get_thumbnails: () => ({ content: [], structuredContent: { Thumbnails: humans.map(({ DigitalHumanId }) => ({ DigitalHumanId, Picture: 'https://127.0.0.1:1/a.png' })) } }) };
    const { page, frame, close } = await open({ result, answers: broken });
    await frame.waitForFunction(() => [...document.querySelectorAll('.picture')].every((place) => place.querySelector('.initial')));
    await frame.waitForSelector('#retry-pictures:visible');
    assert.deepEqual(await frame.locator('.name').allTextContents(), names);
    assert.equal(await frame.locator('#grid img').count(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    await frame.click('.face');
    await shoot(page, 'gallery-names');
    await checkAccessibility(frame);
    await close();
  });

  await check('gallery: none, one and many', async () => {
    const empty = await open({ result: { content: [], structuredContent: { Total: 0, DigitalHumans: [] } } });
    await empty.frame.waitForFunction(() => document.querySelector('#status').textContent === 'There is no digital human in this project yet.');
    await shoot(empty.page, 'gallery-empty');
    await checkAccessibility(empty.frame);
    await empty.close();
    const many = Array.from({ length: 10_000 }, (_, i) => ({ DigitalHumanId: `id-${i}`, Name: `Number ${i}`, IsPublic: true, Gestures: [] }));
    const page = (args) => {
      const from = args.Offset ?? 0;
      const next = from + 200;
      return { content: [], structuredContent: { Matches: many.length, DigitalHumans: many.slice(from, next), ...(next < many.length ? { NextOffset: next } : {}) } };
    };
    const large = await open({ tool: 'find_digital_humans', result: page({}), answers: { find_digital_humans: page, get_thumbnails: () => ({ content: [] }) } });
    await large.frame.waitForFunction(() => /200 of 10000/.test(document.querySelector('#status').textContent));
    await large.frame.click('#more');
    await large.frame.waitForFunction(() => document.querySelectorAll('#grid > li').length === 400);
    await large.close();
  });

  await check('gallery: says what failed, and tries again', async () => {
    let failures = 1;
    const answers = { list_digital_humans: (args) => (failures-- > 0 ? { isError: true, content: [{ type: 'text', text: 'ZEGO is busy.\nWhat to do: Try again.' }] } : call('list_digital_humans', args)) };
    const { page, frame, close } = await open({ result: { isError: true, content: [{ type: 'text', text: 'ZEGO is busy.\nWhat to do: Try again.' }] }, answers });
    await frame.waitForSelector('#problem:not([hidden])');
    await shoot(page, 'gallery-error');
    await checkAccessibility(frame);
    await frame.click('#retry'); // It fails once more.
    await frame.waitForSelector('#problem:not([hidden])');
    await frame.click('#retry');
    await pictures(frame, 20);
    assert.ok(await frame.locator('#problem').isHidden());
    await page.evaluate(() => window.bridge.sendToolCancelled({ reason: 'user' }));
    await frame.waitForFunction(() => document.querySelector('#problem-title').textContent === 'The request was cancelled');
    await close();
  });

  await check('gallery: ignores messages that are not from its client', async () => {
    const { page, frame, close } = await open();
    await pictures(frame, 20);
    await frame.evaluate(() => {
      const own = document.createElement('iframe'); // A frame inside the page, whose parent is not the client.
      own.srcdoc = `<script>parent.postMessage({jsonrpc:'2.0',method:'ui/notifications/host-context-changed',params:{theme:'dark',locale:'zh'}},'*')<\/script>`;
      document.body.append(own);
      window.postMessage({ jsonrpc: '2.0', method: 'ui/notifications/host-context-changed', params: { theme: 'dark' } }, '*');
    });
    await page.waitForTimeout(300);
    assert.equal(await frame.evaluate(() => document.documentElement.style.colorScheme), 'light');
    await page.close();
    void close;
  });

  await check('contact sheet: 20 faces in one picture', async () => {
    const { content, structuredContent } = await call('preview_digital_humans');
    assert.equal(structuredContent, undefined);
    const [text, picture] = content;
    assert.equal(JSON.parse(text.text).Faces.length, 20);
    assert.equal(picture.mimeType, 'image/jpeg');
    keep('contact-sheet.jpg', Buffer.from(picture.data, 'base64'));
  });

  await browser.close();
  host.stop();
  await client.close();
}
