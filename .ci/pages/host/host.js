// The client of the tests, in a browser: it shows the gallery in a frame, as a client that
// supports MCP Apps does, with the host side of the protocol's own library.
import { AppBridge, PostMessageTransport } from '@modelcontextprotocol/ext-apps/app-bridge';

// What a page may do by default: https://modelcontextprotocol.io/extensions/apps
const policy = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self' data:; connect-src 'none'";

/** show opens a page in a frame. */
window.show = async ({ html, context, input, result }) => {
  const seen = (window.seen = { messages: [], contexts: [], links: [], sizes: [] });
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  frame.title = 'app';
  const bridge = (window.bridge = new AppBridge(
    null,
    { name: 'test host', version: '1' },
    { openLinks: {}, serverTools: {}, message: { text: {} }, updateModelContext: { text: {} } },
    { hostContext: context },
  ));
  bridge.oncalltool = (params) => window.callTool(params);
  bridge.onmessage = async (params) => (seen.messages.push(params), {});
  bridge.onupdatemodelcontext = async (params) => (seen.contexts.push(params), {});
  bridge.onopenlink = async (params) => (seen.links.push(params), {});
  bridge.onsizechange = (params) => {
    seen.sizes.push(params);
    if (params.height) frame.style.height = `${params.height}px`;
  };
  const initialized = new Promise((resolve) => (bridge.oninitialized = resolve));
  document.body.replaceChildren(frame);
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = html.replace('<head>', `<head><meta http-equiv="Content-Security-Policy" content="${policy}">`);
  await initialized;
  await bridge.sendToolInput({ arguments: input ?? {} });
  if (result) await bridge.sendToolResult(result);
};
