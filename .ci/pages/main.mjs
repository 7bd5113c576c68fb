// Runs the checks of every page in Chromium: node main.mjs ZEGO_MCP
import { resolve } from 'node:path';
import { summary } from '../interop/check.mjs';
import { checkGallery } from './gallery.mjs';
import { checkWatch } from './watch.mjs';

const binary = resolve(process.argv[2]);
await checkGallery(binary);
await checkWatch(binary);
process.exit(summary() ? 0 : 1);
