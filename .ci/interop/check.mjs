// Runs checks, prints one line for each and counts them.
import { AssertionError } from 'node:assert';

// Milliseconds for a check, so that a client that hangs fails only its check. The checks run beside
// the tests on machines that others use as well.
const timeLimit = 120_000;
let passed = 0;
let failed = 0;

/** check runs fn and prints whether it passed. A value that fn returns is printed as a note. */
export async function check(name, fn) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${timeLimit / 1000} s`)), timeLimit);
  });
  try {
    const note = await Promise.race([fn(), timeout]);
    passed++;
    console.log(`ok ${name}${note ? `: ${note}` : ''}`);
  } catch (err) {
    failed++;
    console.log(`FAIL ${name}: ${reason(err)}${place(err)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** summary prints how many checks passed and failed, and returns whether none failed. */
export function summary() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

/** reason returns the text of err in one line. */
function reason(err) {
  let text = String(err?.message ?? err);
  if (err instanceof AssertionError && !err.generatedMessage && err.operator !== '==') {
    // An assertion with a message of its own does not tell the values.
    text += `: got ${JSON.stringify(err.actual)}, want ${JSON.stringify(err.expected)}`;
  }
  return text.replace(/\s+/g, ' ').trim().slice(0, 1000);
}

/** place returns the line of these files that threw err, or '' if the stack has none. */
function place(err) {
  const frames = String(err?.stack).split('\n').filter((line) => /^\s+at .*\.mjs:/.test(line));
  const frame = frames.find((line) => !/node_modules|\/check\.mjs:/.test(line));
  const [, file] = frame?.match(/([^/]+:\d+):\d+\)?$/) ?? [];
  return file ? ` (${file})` : '';
}
