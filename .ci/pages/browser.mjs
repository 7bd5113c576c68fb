// Starts Chromium, and the pages that the checks look at.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const screenshots = fileURLToPath(new URL('screenshots/', import.meta.url));
mkdirSync(screenshots, { recursive: true });

// How long a page may take until it shows what is waited for, in milliseconds.
export const waitLimit = 100_000;

/** startBrowser starts Chromium. It finds no host but this machine's. */
export async function startBrowser() {
  const executablePath = execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim();
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', '--autoplay-policy=no-user-gesture-required'],
  });
}

/** screenshot keeps how a page looks, in .ci/pages/screenshots. */
export async function screenshot(page, name) {
  await page.screenshot({ path: `${screenshots}${name}.png`, fullPage: true });
}

/** keep keeps a picture beside the screenshots. */
export function keep(name, picture) {
  writeFileSync(`${screenshots}${name}`, picture);
}

/** checkAccessibility fails if axe-core finds a fault of WCAG 2.2 AA in a page or a frame. */
export async function checkAccessibility(frame) {
  await frame.evaluate(axe); // A page's own policy may let no script tag in.
  const violations = await frame.evaluate(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const result = await window.axe.run(document, { runOnly: { type: 'tag', values: tags } });
    return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
  });
  assert.deepEqual(violations, []);
}
