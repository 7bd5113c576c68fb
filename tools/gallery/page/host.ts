// The connection to the client that shows the page: JSON-RPC over postMessage, as MCP Apps
// defines it (specification 2026-01-26).

/** Params are the parameters of a message. */
export type Params = Record<string, unknown>;

/** Handler answers a message of the client. What it returns is sent only for a request. */
type Handler = (params: Params) => unknown;

interface Message {
  jsonrpc: '2.0';
  id?: number | string;
  method?: string;
  params?: Params;
  result?: unknown;
  error?: { code: number; message: string };
}

/** Host is the client. */
export class Host {
  private lastID = 0;
  private readonly waiting = new Map<number | string, { resolve: (result: unknown) => void; reject: (err: Error) => void }>();
  private readonly handlers = new Map<string, Handler>();

  constructor() {
    window.addEventListener('message', (event: MessageEvent) => {
      // Only the frame that holds the page may speak to it.
      if (event.source === window.parent && event.data?.jsonrpc === '2.0') this.receive(event.data as Message);
    });
  }

  /** on sets what happens at messages with a method. */
  on(method: string, handler: Handler): void {
    this.handlers.set(method, handler);
  }

  /** request sends a request and resolves to its result. */
  request(method: string, params: Params): Promise<unknown> {
    const id = ++this.lastID;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send({ jsonrpc: '2.0', id, method, params });
    });
  }

  /** notify sends a notification. */
  notify(method: string, params: Params): void {
    this.send({ jsonrpc: '2.0', method, params });
  }

  private send(message: Message): void {
    window.parent.postMessage(message, '*'); // The page does not know its client's origin, and sends no secret.
  }

  private receive(message: Message): void {
    if (message.method === undefined) {
      const waits = this.waiting.get(message.id ?? '');
      this.waiting.delete(message.id ?? '');
      if (message.error) waits?.reject(new Error(message.error.message));
      else waits?.resolve(message.result);
      return;
    }
    const handler = this.handlers.get(message.method);
    const result = handler?.(message.params ?? {});
    if (message.id === undefined) return;
    if (handler) this.send({ jsonrpc: '2.0', id: message.id, result: result ?? {} });
    else this.send({ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'unknown method' } });
  }
}
