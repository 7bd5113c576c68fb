// The connection to the host: JSON-RPC 2.0 over postMessage, as version 2026-01-26 of MCP Apps
// has it.

/** Params is what a message says. The host may send anything, so its values are unknown. */
export type Params = Record<string, unknown>;

/** HostProblem is an error that the host answered, or that it did not answer in time. */
export class HostProblem extends Error {}

const protocolVersion = '2026-01-26';
const answerTime = 60_000; // Milliseconds. Two calls of a tool with the longest default time limit fit in.

/** Host is the program that shows this page. Messages of any other window are ignored. */
export class Host {
  /** capabilities says what the host can do; it is empty until connect is done. */
  capabilities: Params = {};
  private readonly window = window.parent;
  private readonly pending = new Map<number, { resolve: (result: Params) => void; reject: (err: Error) => void }>();
  private lastId = 0;

  /** `notified` gets each notification of the host, and "ui/resource-teardown". */
  constructor(private readonly notified: (method: string, params: Params) => void) {
    window.addEventListener('message', (event: MessageEvent<unknown>) => {
      const message = record(event.data);
      if (event.source === this.window && message['jsonrpc'] === '2.0') this.receive(message);
    });
  }

  /** connect begins the session and returns the host's context: its theme, locale and so on. */
  async connect(name: string, version: string): Promise<Params> {
    const result = await this.request('ui/initialize', {
      protocolVersion,
      appInfo: { name, version },
      appCapabilities: { availableDisplayModes: ['inline', 'fullscreen'] },
    });
    this.capabilities = record(result['hostCapabilities']);
    this.notify('ui/notifications/initialized', {});
    return record(result['hostContext']);
  }

  /** request sends a request and returns the result. It throws a HostProblem. */
  request(method: string, params: Params): Promise<Params> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new HostProblem(`${method}: no answer`));
      }, answerTime);
      const settled = <T>(then: (value: T) => void) => (value: T) => {
        clearTimeout(timer);
        then(value);
      };
      this.pending.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.send({ id, method, params });
    });
  }

  /** callTool calls a tool of the server and returns its result, which may be a refusal. */
  callTool(name: string, args: Params): Promise<Params> {
    return this.request('tools/call', { name, arguments: args });
  }

  notify(method: string, params: Params): void {
    this.send({ method, params });
  }

  private send(message: Params): void {
    // The origin of the host is not known. Nothing that the page sends is secret from it.
    this.window.postMessage({ jsonrpc: '2.0', ...message }, '*');
  }

  private receive(message: Params): void {
    const { id, method } = message;
    if (typeof method !== 'string') {
      this.settle(message);
    } else if (id === undefined) {
      this.notified(method, record(message['params']));
    } else if (method === 'ping') {
      this.send({ id, result: {} });
    } else if (method === 'ui/resource-teardown') {
      this.notified(method, {});
      this.send({ id, result: {} });
    } else {
      this.send({ id, error: { code: -32601, message: `unknown method ${method}` } });
    }
  }

  private settle({ id, result, error }: Params): void {
    const request = typeof id === 'number' ? this.pending.get(id) : undefined;
    if (!request) return;
    this.pending.delete(id as number);
    if (error === undefined) request.resolve(record(result));
    else request.reject(new HostProblem(text(record(error)['message'])));
  }
}

/** record returns value if it is an object, and an empty one otherwise. */
export function record(value: unknown): Params {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Params) : {};
}

/** list returns value if it is an array, and an empty one otherwise. */
export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** text returns value if it is a string, and '' otherwise. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
