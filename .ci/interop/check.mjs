// Runs checks, prints one line for each and counts them.
import { AssertionError } from 'node:assert';

const patience = 30_000; // Milliseconds; a hanging client must not hang the run.
let passed = 0;
let failed = 0;

/** Runs fn. What it returns, if anything, is printed behind the name. */
export async function check(name, fn) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${patience / 1000} s`)), patience);
  });
  try {
    const note = await Promise.race([fn(), late]);
    passed++;
    console.log(`ok ${name}${note ? `: ${note}` : ''}`);
  } catch (err) {
    failed++;
    console.log(`FAIL ${name}: ${reason(err)}${place(err)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Prints the sum and says whether nothing failed. */
export function summary() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

function reason(err) {
  let text = String(err?.message ?? err);
  if (err instanceof AssertionError && !err.generatedMessage && err.operator !== '==') {
    // An own message hides the values, which are what one wants to see.
    text += `: got ${JSON.stringify(err.actual)}, want ${JSON.stringify(err.expected)}`;
  }
  return text.replace(/\s+/g, ' ').trim().slice(0, 1000);
}

/** place is where in these files err was thrown, or '' if that cannot be known. */
function place(err) {
  const frames = String(err?.stack).split('\n').filter((line) => /^\s+at .*\.mjs:/.test(line));
  const frame = frames.find((line) => !/node_modules|\/check\.mjs:/.test(line));
  const [, file] = frame?.match(/([^/]+:\d+):\d+\)?$/) ?? [];
  return file ? ` (${file})` : '';
}
