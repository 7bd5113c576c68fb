// Runs every check of one program: node main.mjs ZEGO_MCP GOSDK_CLIENT OIDC_PROVIDER
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { check, summary } from './check.mjs';
import { checkConformance } from './conformance.mjs';
import { checkGoSDK } from './gosdk.mjs';
import { checkInspector } from './inspector.mjs';
import { checkLive } from './live.mjs';
import { checkLogins } from './logins.mjs';
import { checkOIDC } from './oidc.mjs';
import { checkProviders } from './providers.mjs';
import { checkReadme } from './readme.mjs';
import { checkSDK1 } from './sdk1.mjs';
import { checkSDK2 } from './sdk2.mjs';
import { checkStdio } from './stdio.mjs';
import { checkTokens } from './tokens.mjs';
import { signature } from './upstream.mjs';

const [binary, gosdk, oidc] = process.argv.slice(2).map((path) => resolve(path));

await check("the upstream's signature is that of ZEGO's documented example", async () => {
  const example = signature('12345', '4fd24687296dd9f3', '9193cc662a4c0ec135ec71fb57194b38', '1615186943');
  assert.equal(example, '43e5cfcca828314675f91b001390566a');
});
await Promise.all([
  checkStdio(binary).then(() => checkReadme(binary)).then(() => checkProviders(binary)).then(() => checkTokens(binary)),
  checkSDK1(binary).then(() => checkSDK2(binary)),
  checkGoSDK(binary, gosdk).then(() => checkConformance(binary)),
  checkInspector(binary).then(() => checkLive(binary)).then(() => checkOIDC(binary, oidc)).then(() => checkLogins(binary, gosdk, oidc)),
]);
process.exit(summary() ? 0 : 1);
