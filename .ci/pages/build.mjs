// Builds the web pages that are part of the program, each into one HTML file that needs no
// other file:
//
//	node build.mjs            writes the files
//	node build.mjs --check    fails if one of them differs from what its source gives
//
// Each page has a folder with page.html, style.css and main.ts. Its HTML holds the comments
// <!-- style --> and <!-- script -->, which are replaced.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const pages = [
  { folder: 'tools/gallery/page', output: 'tools/gallery/gallery.html' },
  { folder: 'internal/watch/page', output: 'internal/watch/watch.html' },
].map(({ folder, output }) => ({ folder: fromRoot(folder), output: fromRoot(output) }));

// What ZEGO's web SDK consists of, in the order in which it must be loaded: the name by which
// the others ask for it, its npm package and its file there.
const sdk = [
  ['long', 'long', 'umd/index.js'],
  ['protobufjs/minimal', 'protobufjs', 'dist/minimal/protobuf.min.js'],
  ['localforage', 'localforage', 'dist/localforage.min.js'],
  ['zego-express-logger', 'zego-express-logger', 'ZegoExpressLogger.js'],
  ['zego-express-engine-webrtc', 'zego-express-engine-webrtc', 'ZegoExpressWebRTC.js'],
];

const check = process.argv.includes('--check');
write(fromRoot('internal/watch/page/sdk.ts'), sdkFiles());
execFileSync(fromRoot('.ci/pages/node_modules/.bin/tsc'), ['--project', fromRoot('.ci/pages/tsconfig.json')], { stdio: 'inherit' });
for (const { folder, output } of pages) {
  write(output, await htmlOf(folder));
}

/** write writes a file, or checks that it is as it should be. */
function write(output, text) {
  if (!check) {
    writeFileSync(output, text);
  } else if (!existsSync(output) || readFileSync(output, 'utf8') !== text) {
    console.error(`${output} is not what its source gives: run "bash .ci/pages/run build" and commit the file`);
    process.exitCode = 1;
  }
}

/** sdkFiles returns the TypeScript file that names the files of ZEGO's web SDK on a public CDN,
 * which serves those of the npm packages as they are, and their hashes. */
function sdkFiles() {
  const lines = sdk.map(([name, pkg, file]) => {
    const folder = fromRoot(`.ci/pages/node_modules/${pkg}/`);
    const { version } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8'));
    const hash = createHash('sha384').update(readFileSync(folder + file)).digest('base64');
    return `  { name: '${name}', url: 'https://cdn.jsdelivr.net/npm/${pkg}@${version}/${file}', integrity: 'sha384-${hash}' },\n`;
  });
  return `// Written by .ci/pages/build.mjs from the npm packages. Do not edit.\n\n/** files are those of ZEGO's web SDK, in the order in which they must be loaded. */\nexport const files = [\n${lines.join('')}];\n`;
}

/** htmlOf returns the HTML file of a page. */
async function htmlOf(folder) {
  const script = await bundle(`${folder}/main.ts`);
  if (/<\/script|<!--/i.test(script)) {
    throw new Error(`the script of ${folder} would end its own element`);
  }
  const style = await bundle(`${folder}/style.css`);
  return readFileSync(`${folder}/page.html`, 'utf8')
    .replace('<!-- style -->', () => `<style>${style}</style>`)
    .replace('<!-- script -->', () => `<script type="module">${script}</script>`);
}

/** bundle returns a file and what it imports, made small. */
async function bundle(file) {
  const { outputFiles } = await build({
    entryPoints: [file], bundle: true, minify: true, write: false, charset: 'utf8',
    format: 'esm', target: 'es2022', legalComments: 'none',
  });
  return outputFiles[0].text.trim();
}

/** fromRoot returns the absolute path of a file of the repository. */
function fromRoot(path) {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}
