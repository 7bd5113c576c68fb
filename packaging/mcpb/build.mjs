// Packs the bundles, and fills in server.json: see build.
import { packExtension } from '@anthropic-ai/mcpb';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const [dist, version] = process.argv.slice(2);
const here = import.meta.dirname;

// A manifest names platforms, but no architectures. So there is one bundle for all machines
// but those with Linux on arm64, which have their own: macOS takes the universal binary, and
// Windows on arm64 runs the one for amd64. A folder of GoReleaser begins with the name here.
const bundles = {
  'zego-mcp.mcpb': {
    darwin: 'universal_darwin_all/zego-mcp',
    win32: 'zego-mcp_windows_amd64/zego-mcp.exe',
    linux: 'zego-mcp_linux_amd64/zego-mcp',
  },
  'zego-mcp-linux-arm64.mcpb': {
    linux: 'zego-mcp_linux_arm64/zego-mcp',
  },
};

/** built returns the path of a binary in the folder of GoReleaser. */
function built(path) {
  const [prefix, file] = path.split('/');
  const folders = readdirSync(dist).filter((name) => name === prefix || name.startsWith(`${prefix}_`));
  if (folders.length !== 1) throw new Error(`${dist} has ${folders.length} folders ${prefix}, want 1`);
  return join(dist, folders[0], file);
}

/** offeredTools returns the name and the first sentence of each tool, with live streams on. */
function offeredTools() {
  const messages = [
    {
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'build', version } },
    },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/list' },
  ];
  const answers = execFileSync('go', ['run', '-trimpath', '.', '--simulate', '--streaming'], {
    cwd: join(here, '..', '..'),
    env: { ...process.env, CGO_ENABLED: '0' },
    input: messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''),
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const list = answers.trimEnd().split('\n').map((line) => JSON.parse(line)).find(({ id }) => id === 2);
  return list.result.tools.map(({ name, description }) => ({ name, description: description.split(/(?<=\.) /)[0] }));
}

/** manifestFor returns the manifest of a bundle with binaries for these platforms. */
function manifestFor(binaries, tools) {
  const manifest = JSON.parse(readFileSync(join(here, 'manifest.json'), 'utf8'));
  const platforms = Object.keys(binaries);
  const config = manifest.server.mcp_config;
  config.platform_overrides = Object.fromEntries(
    platforms.map((platform) => [platform, { command: `\${__dirname}/${inBundle(platform)}` }]),
  );
  return { ...manifest, version, tools, compatibility: { ...manifest.compatibility, platforms } };
}

/** inBundle returns the path in the bundle of the binary for a platform. */
function inBundle(platform) {
  return `server/${platform}/zego-mcp${platform === 'win32' ? '.exe' : ''}`;
}

/** pack writes the bundle with this name. */
async function pack(name, binaries, tools) {
  const folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifestFor(binaries, tools), null, 2));
  copyFileSync(join(here, '..', 'icon.png'), join(folder, 'icon.png'));
  copyFileSync(join(here, '..', '..', 'LICENSE'), join(folder, 'LICENSE'));
  mkdirSync(join(folder, 'mcpb-resources'));
  copyFileSync(join(here, 'zh-CN.json'), join(folder, 'mcpb-resources', 'zh-CN.json'));
  for (const [platform, path] of Object.entries(binaries)) {
    const file = join(folder, inBundle(platform));
    mkdirSync(dirname(file), { recursive: true });
    copyFileSync(built(path), file);
    chmodSync(file, 0o755);
  }
  const packed = await packExtension({ extensionPath: folder, outputPath: join(dist, name), silent: true });
  rmSync(folder, { recursive: true });
  if (!packed) throw new Error(`${name} was not packed: see mcpb validate`);
}

/** fillServerJSON writes server.json with the version and the checksum of the bundle. */
function fillServerJSON() {
  const server = JSON.parse(readFileSync(join(here, '..', 'server.json'), 'utf8').replaceAll('0.0.0', version));
  const bundle = server.packages.find(({ registryType }) => registryType === 'mcpb');
  bundle.fileSha256 = createHash('sha256').update(readFileSync(join(dist, 'zego-mcp.mcpb'))).digest('hex');
  writeFileSync(join(dist, 'server.json'), `${JSON.stringify(server, null, 2)}\n`);
}

const tools = offeredTools();
for (const [name, binaries] of Object.entries(bundles)) await pack(name, binaries, tools);
fillServerJSON();
