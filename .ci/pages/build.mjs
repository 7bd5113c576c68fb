// Builds the web pages that are part of the program, each into one HTML file that needs no
// other file:
//
//	node build.mjs            writes the files
//	node build.mjs --check    fails if one of them differs from what its source gives
//
// Each page has a folder with page.html, style.css and main.ts. Its HTML holds the comments
// <!-- style --> and <!-- script -->, which are replaced.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const pages = [
  { folder: 'tools/gallery/page', output: 'tools/gallery/gallery.html' },
].map(({ folder, output }) => ({ folder: fromRoot(folder), output: fromRoot(output) }));

const check = process.argv.includes('--check');
execFileSync(fromRoot('.ci/pages/node_modules/.bin/tsc'), ['--project', fromRoot('.ci/pages/tsconfig.json')], { stdio: 'inherit' });
for (const { folder, output } of pages) {
  const html = await htmlOf(folder);
  if (!check) {
    writeFileSync(output, html);
  } else if (!existsSync(output) || readFileSync(output, 'utf8') !== html) {
    console.error(`${output} is not what its source gives: run "bash .ci/pages/run build" and commit the file`);
    process.exitCode = 1;
  }
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
