// Written by .ci/pages/build.mjs from the npm packages. Do not edit.

/** files are those of ZEGO's web SDK, in the order in which they must be loaded. */
export const files = [
  { name: 'long', url: 'https://cdn.jsdelivr.net/npm/long@5.2.0/umd/index.js', integrity: 'sha384-i73xSRzONvgVpRLytDluxJDWg6DuiRAgg1iexaKAop2ReXW077OKmeeHA1sVftMp' },
  { name: 'protobufjs/minimal', url: 'https://cdn.jsdelivr.net/npm/protobufjs@7.4.0/dist/minimal/protobuf.min.js', integrity: 'sha384-7mZnkURnn4KSuoPdkqoE9ZWkH/a0JfkUB91NkO6nQ+NSDc2GsM9KYqoFLF6D1p2F' },
  { name: 'localforage', url: 'https://cdn.jsdelivr.net/npm/localforage@1.10.0/dist/localforage.min.js', integrity: 'sha384-MTDrIlFOzEqpmOxY6UIA/1Zkh0a64UlmJ6R0UrZXqXCPx99siPGi8EmtQjIeCcTH' },
  { name: 'zego-express-logger', url: 'https://cdn.jsdelivr.net/npm/zego-express-logger@1.5.0/ZegoExpressLogger.js', integrity: 'sha384-AJ7fDUx893TrJT20wcpU7HQWyh7vof3ceHVgyRJVW43hZy/ThRNs00JjIkiOfjOZ' },
  { name: 'zego-express-engine-webrtc', url: 'https://cdn.jsdelivr.net/npm/zego-express-engine-webrtc@3.12.0/ZegoExpressWebRTC.js', integrity: 'sha384-UbzuETSIJyULo2NxPGkhatfOMMd5YgJR0hgdcYV0cUH9umK4qe3vPGiQHaflXYPn' },
];
