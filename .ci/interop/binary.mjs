// Starts the program under test.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export const appId = '1234567890';
export const secret = '0123456789abcdef0123456789abcdef';

/** credentials returns the environment with which the program calls `upstream`. */
export function credentials(upstream) {
  return { ZEGO_APP_ID: appId, ZEGO_SERVER_SECRET: secret, ZEGO_ENDPOINT: upstream.url };
}

/**
 * environment returns the environment of a child process: `extra`, and of this
 * process's variables only a few. A developer's own ZEGO_* variables change nothing, and
 * what the program keeps in its home directory goes with this run. Processes of Node share what
 * they have compiled.
 */
export function environment(extra = {}) {
  const { PATH, TMPDIR } = process.env;
  return { PATH, HOME: TMPDIR, TMPDIR, NODE_COMPILE_CACHE: `${TMPDIR}/compiled`, ...extra };
}

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** start starts a child process, which is killed when this one ends. `ended` is its exit code. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  running.add(child);
  child.ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal);
    });
  });
  child.ended.catch(() => {}); // Without this an error that nobody awaits ends Node.
  child.stdin.on('error', () => {}); // The child has ended, which its exit code shows.
  return child;
}

/** run runs a command to its end and returns its exit code and output. */
export async function run(command, args, { input = '', ...options } = {}) {
  const child = start(command, args, options);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  child.stdin.end(input);
  return { code: await child.ended, ...output };
}

/** serve starts the program, on a free port unless `port` names one, and waits until it says where it listens. */
export async function serve(binary, transport, env, flags = [], port = 0) {
  const args = ['serve', '--transport', transport, '--listen', `127.0.0.1:${port}`, '--log-format', 'json', ...flags];
  const child = start(binary, args, { env: environment(env) });
  const server = { log: '', url: '' };
  let listening;
  const ready = new Promise((resolve) => (listening = resolve));
  createInterface(child.stderr).on('line', (line) => {
    server.log += `${line}\n`;
    try {
      const { url } = JSON.parse(line);
      if (url) listening(url);
    } catch {
      // The line is not a log record. server.log has it.
    }
  });
  server.url = await Promise.race([
    ready,
    child.ended.then((code) => Promise.reject(new Error(`ended with ${code}: ${server.log}`))),
  ]);
  server.stop = () => {
    child.kill('SIGTERM');
    return child.ended;
  };
  return server;
}
