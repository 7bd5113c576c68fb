// Loads ZEGO's web SDK from a public CDN: exact versions, each file checked with its hash by the
// browser. The files are CommonJS modules, so the page gives them module, exports and require.
import type { EngineConstructor } from './engine.ts';
import { files } from './sdk.ts';

type Modules = Record<string, unknown>;

/** loadEngine resolves to the class of the SDK. It rejects if a file cannot be loaded, or is not the expected one. */
export async function loadEngine(): Promise<EngineConstructor> {
  const modules: Modules = {};
  const scope = window as unknown as { module?: { exports: unknown }; exports?: unknown; require?: (name: string) => unknown; Long?: unknown };
  scope.require = (name) => modules[name];
  for (const file of files) {
    scope.module = { exports: {} };
    scope.exports = scope.module.exports;
    await loadScript(file.url, file.integrity);
    modules[file.name] = scope.module.exports;
    if (file.name === 'long') scope.Long = scope.module.exports; // Where protobufjs looks for it.
  }
  delete scope.module;
  delete scope.exports;
  delete scope.require;
  const loaded = modules['zego-express-engine-webrtc'] as { ZegoExpressEngine?: EngineConstructor };
  if (!loaded.ZegoExpressEngine) throw new Error('the SDK has no ZegoExpressEngine');
  return loaded.ZegoExpressEngine;
}

function loadScript(url: string, integrity: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = url;
    script.integrity = integrity;
    script.crossOrigin = 'anonymous';
    script.addEventListener('load', () => resolve());
    script.addEventListener('error', () => reject(new Error(url)));
    document.head.append(script);
  });
}
