// Checks the page on which a stream is watched.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { environment } from '../interop/binary.mjs';
import { check } from '../interop/check.mjs';
import { checkAccessibility, screenshot, startBrowser, waitLimit } from './browser.mjs';

const cdn = 'https://cdn.jsdelivr.net/npm/';
const engineFile = 'zego-express-engine-webrtc@3.12.0/ZegoExpressWebRTC.js';
const fileOf = (path) => readFileSync(fileURLToPath(new URL(`node_modules/${path.replace(/@[\d.]+\//, '/')}`, import.meta.url)));
const hashOf = (body) => `sha384-${createHash('sha384').update(body).digest('base64')}`;

// A page that Chromium does not draw for a while has no animation frames to wait for.
const undrawn = { polling: 100 };

/** checkWatch runs the checks. */
export async function checkWatch(binary) {
  const client = new Client({ name: 'pages', version: '1' });
  await client.connect(new StdioClientTransport({ command: binary, args: ['serve', '--simulate', '--toolsets', 'all', '--max-tasks', '20'], env: environment(), stderr: 'ignore' }));
  const call = async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, result.content[0].text);
    return result.structuredContent;
  };
  const humans = (await call('find_digital_humans', { Query: 'emma' })).DigitalHumans;
  const startTask = () => call('create_stream_task', { DigitalHumanId: humans[0].DigitalHumanId, RoomId: 'studio' });
  const { outputFiles } = await build({ entryPoints: [fileURLToPath(new URL('standin.ts', import.meta.url))], bundle: true, write: false, format: 'cjs' });
  const standin = Buffer.from(outputFiles[0].contents);
  const browser = await startBrowser();

  /** open shows the page of a task. By default it plays with the stand-in for the SDK. */
  async function open(task, { url, behaviour = {}, realSDK = false, cdnFails = false, slow = false, locale = 'en-US', dark = false, simulated = false } = {}) {
    const address = url ?? (await call('watch_stream_task', { TaskId: task.TaskId })).Url;
    const context = await browser.newContext({ locale, colorScheme: dark ? 'dark' : 'light', viewport: { width: 860, height: 780 } });
    context.setDefaultTimeout(waitLimit);
    const page = await context.newPage();
    const foreign = [];
    const problems = [];
    page.on('console', (message) => /Content Security Policy/.test(message.text()) && problems.push(message.text()));
    page.on('pageerror', (err) => problems.push(String(err)));
    await page.route(/^(?!http:\/\/127\.0\.0\.1)/, async (route) => {
      const wanted = route.request().url();
      if (!wanted.startsWith(cdn)) {
        foreign.push(wanted);
        return route.abort();
      }
      if (cdnFails) return route.abort();
      if (slow) await new Promise((resolve) => setTimeout(resolve, 60_000));
      const path = wanted.slice(cdn.length);
      const body = path === engineFile && !realSDK ? standin : fileOf(path);
      return route.fulfill({ body, contentType: 'text/javascript', headers: { 'access-control-allow-origin': '*' } });
    });
    if (!simulated) {
      // A simulator answers here, with which the page would not play.
      await page.route(`${address}state`, async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...(await response.json()), Simulated: false } });
      });
    }
    if (!realSDK) {
      await page.route(address, async (route) => {
        const response = await route.fetch();
        const html = (await response.text()).replace(hashOf(fileOf(engineFile)), hashOf(standin));
        return route.fulfill({ response, body: html });
      });
    }
    await page.addInitScript((all) => Object.assign(window, all), { behaviour, streamID: task.StreamId });
    await page.goto(address);
    const shows = (text) => page.waitForFunction((wanted) => document.querySelector('#cover').textContent === wanted, text, undrawn);
    const close = async () => {
      // The SDK tries to add the style of a dialog that the page does not use, and on some ways a
      // script that it keeps in the browser. The policy lets neither in.
      const own = problems.filter((problem) => !realSDK || !/inline (style|script)/.test(problem));
      assert.deepEqual(own, [], 'violations of the policy, and errors');
      if (!realSDK) assert.deepEqual(foreign, [], 'requests to other hosts');
      await page.unrouteAll({ behavior: 'ignoreErrors' }); // A request for the state may be on its way.
      await context.close();
    };
    return { page, address, shows, close };
  }
  const plays = (page) => page.waitForFunction(() => document.querySelector('video').videoWidth > 0 && !document.querySelector('video').paused, undefined, undrawn);

  await check('watch: plays, with sound after a click, gestures and stops', async () => {
    const task = await startTask();
    const { page, address, shows, close } = await open(task);
    await plays(page);
    await page.waitForSelector('#gesture-list button');
    assert.equal(await page.textContent('#name'), 'Emma');
    assert.match(await page.textContent('#left'), /^\d:\d\d$/);
    await screenshot(page, 'watch-playing');
    await checkAccessibility(page);
    await page.click('#sound');
    assert.equal(await page.evaluate(() => document.querySelector('video').muted), false);
    await page.click('text=wave_hand');
    await client.callTool({ name: 'drive_by_text', arguments: { TaskId: task.TaskId, TimbreId: (await call('list_timbres', { Limit: 1 })).Timbres[0].TimbreId, Text: 'Good evening, and welcome to our show. '.repeat(4), WaitUntilSpoken: false } });
    await page.waitForFunction(() => document.querySelector('#speech').textContent === 'Speaking');
    const asked = page.waitForRequest(`${address}viewer`);
    await page.evaluate((room) => window.engine.expire(room), 'studio');
    await page.waitForFunction(() => window.calls.some(([name]) => name === 'renewToken'));
    const calls = await page.evaluate(() => window.calls);
    assert.match(calls[0][2], /^04/);
    const renewed = await (await (await asked).response()).json();
    assert.equal(renewed.UserId, calls[0][3], 'a token can be renewed only by one of the same user');
    assert.deepEqual(calls.find(([name]) => name === 'renewToken'), ['renewToken', renewed.Token, 'studio']);
    await page.evaluate((room) => window.engine.announce(room, 'DELETE'), 'studio');
    await shows('Waiting for the stream…');
    await page.evaluate((room) => window.engine.announce(room), 'studio');
    await plays(page);
    await page.evaluate((room) => window.engine.connection(room, 'CONNECTING', 1002055), 'studio');
    await shows('The connection was lost. Connecting again…');
    await screenshot(page, 'watch-reconnecting');
    await page.evaluate((room) => window.engine.connection(room, 'CONNECTED', 0), 'studio');
    await shows('');
    assert.equal(await page.textContent('#sound'), 'Turn the sound off');
    await page.click('#stop');
    await screenshot(page, 'watch-ask');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'no', 'Enter must not stop the stream');
    await page.click('#yes');
    await shows('The stream has ended.');
    await screenshot(page, 'watch-ended');
    await checkAccessibility(page);
    assert.deepEqual((await call('list_stream_tasks', {})).StreamTasks, []);
    await close();
  });

  await check('watch: opened twice, in the dark and in Chinese', async () => {
    const task = await startTask();
    const first = await open(task, { dark: true });
    await plays(first.page);
    await first.page.waitForSelector('#gesture-list button');
    await screenshot(first.page, 'watch-playing-dark');
    await checkAccessibility(first.page);
    const second = await open(task, { locale: 'zh-CN' });
    await plays(second.page);
    await second.page.waitForSelector('#gesture-list button');
    await screenshot(second.page, 'watch-zh');
    assert.equal(await second.page.evaluate(() => document.documentElement.lang), 'zh');
    assert.equal(first.address, second.address);
    const users = [];
    for (const { page } of [first, second]) users.push(await page.evaluate(() => window.calls[0][3]));
    assert.notEqual(users[0], users[1]);
    await call('stop_stream_task', { TaskId: task.TaskId });
    await first.shows('The stream has ended.');
    const late = await open(task, { url: first.address });
    await late.shows('The stream has ended.');
    for (const each of [first, second, late]) await each.close();
  });

  await check('watch: every state and error in words', async () => {
    const task = await startTask();
    const loading = await open(task, { slow: true });
    await loading.shows('Loading the player…');
    await screenshot(loading.page, 'watch-loading');
    await loading.close();
    const waiting = await open(task, { behaviour: { silent: true } });
    await waiting.shows('Waiting for the stream…');
    await screenshot(waiting.page, 'watch-waiting');
    await checkAccessibility(waiting.page);
    await waiting.close();
    for (const [name, options, text] of [
      ['player', { cdnFails: true }, 'The player could not be loaded.'],
      ['room', { behaviour: { refuse: true } }, 'ZEGO did not let this page into the room: login refused (1002033)'],
    ]) {
      const failed = await open(task, options);
      await failed.page.waitForFunction((wanted) => document.querySelector('#problem').textContent.startsWith(wanted), text);
      await screenshot(failed.page, `watch-error-${name}`);
      await checkAccessibility(failed.page);
      await failed.close();
    }
    await call('stop_stream_task', { TaskId: task.TaskId });
  });

  await check('watch: with a simulator, no player is loaded and the rest works', async () => {
    const task = await startTask();
    const { page, shows, close } = await open(task, { simulated: true });
    const requests = [];
    page.on('request', (sent) => requests.push(sent.url()));
    await page.reload();
    await shows('There is no picture: a simulator answers, not ZEGO. Everything else on this page works.');
    await page.waitForSelector('#gesture-list button');
    await screenshot(page, 'watch-simulated');
    await checkAccessibility(page);
    await page.click('#stop');
    await page.click('#yes');
    await shows('The stream has ended.');
    assert.deepEqual(requests.filter((sent) => !sent.startsWith('http://127.0.0.1:') || sent.endsWith('/viewer')), []);
    await close();
  });

  await check('watch: says that the connection to the room was lost', async () => {
    const task = await startTask();
    const lost = await open(task);
    await plays(lost.page);
    await lost.page.evaluate((room) => window.engine.connection(room, 'DISCONNECTED', 1002053), 'studio');
    await lost.page.waitForFunction(() => document.querySelector('#problem').textContent.startsWith('The connection to the room has ended (1002053)'));
    await screenshot(lost.page, 'watch-error-lost');
    await lost.close();
    await call('stop_stream_task', { TaskId: task.TaskId });
  });

  await check('watch: names and gestures are text, on a narrow page, too', async () => {
    const task = await startTask();
    const names = ['<img src=x onerror="window.broken=1">', '\u202Eأحمد "quoted"', 'W'.repeat(200), 'zero\u200Bwidth'];
    const { page, address, close } = await open(task);
    await plays(page);
    await page.setViewportSize({ width: 320, height: 640 });
    for (const name of names) {
      await page.route(`${address}state`, async (route) => {
        const state = await (await route.fetch()).json();
        await route.fulfill({ json: { ...state, Name: name, Gestures: [name, 'nod'] } });
      });
      await page.waitForFunction((wanted) => document.querySelector('#name').textContent === wanted && document.querySelector('#gesture-list button').textContent === wanted, name);
      assert.equal(await page.evaluate(() => window.broken), undefined);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than the page`);
      await page.unroute(`${address}state`);
      if (name.length === 200) await screenshot(page, 'watch-narrow');
    }
    await close();
    await call('stop_stream_task', { TaskId: task.TaskId });
  });

  await check("watch: ZEGO's own SDK loads with its hashes and takes the calls", async () => {
    const task = await startTask();
    const { page, close } = await open(task, { realSDK: true });
    // It cannot reach ZEGO here. That it says so, or tries to, shows that it was made and asked.
    await page.waitForFunction(() => /^Connecting to the room|connection was lost/.test(document.querySelector('#cover').textContent) || /into the room/.test(document.querySelector('#problem').textContent));
    const text = (await page.textContent('#cover')) + (await page.textContent('#problem'));
    assert.ok(!/not a function|could not be loaded/.test(text), text);
    await close();
    await call('stop_stream_task', { TaskId: task.TaskId });
    return text;
  });

  await check('watch: nobody else gets in', async () => {
    const task = await startTask();
    const { Url } = await call('watch_stream_task', { TaskId: task.TaskId });
    const status = (options, url = Url) => new Promise((resolve, reject) => {
      const req = request(url, options, (response) => (response.resume(), resolve(response.statusCode)));
      req.on('error', reject).end();
    });
    assert.equal(await status({}), 200);
    assert.equal(await status({}, new URL('/', Url)), 404);
    assert.equal(await status({}, Url.replace(/[0-9a-f]{32}/, '0'.repeat(32))), 404);
    assert.equal(await status({ headers: { Host: 'evil.example' } }), 403);
    assert.equal(await status({ method: 'POST', headers: { Origin: 'https://evil.example' } }, `${Url}stop`), 403);
    await call('stop_stream_task', { TaskId: task.TaskId });
  });

  await browser.close();
  await client.close();
}
