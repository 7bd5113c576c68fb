// Pictures and previews. The page cannot load them itself, because hosts block requests to
// other servers. They come as data through tools that only this page may call.
import { list, record, text, type Host } from './host';
import { contentOf } from './humans';

const batch = 10; // Pictures in one call.
const calls = 2; // Calls at the same time.

/** Pictures loads small pictures of digital humans, and keeps them. */
export class Pictures {
  private readonly loaded = new Map<string, string>(); // Data URLs by DigitalHumanId; '' if there is no picture.
  private readonly waiting = new Set<string>();
  private running = 0;

  /** `arrived` gets each picture as a data URL, or '' if it could not be loaded. */
  constructor(private readonly host: Host, private readonly arrived: (id: string, url: string) => void) {}

  /** want loads the picture of a digital human, unless that was tried before. */
  want(id: string): void {
    const url = this.loaded.get(id);
    if (url !== undefined) {
      this.arrived(id, url);
      return;
    }
    this.waiting.add(id);
    // Other pictures are wanted at the same moment, and go into the same call.
    queueMicrotask(() => this.load());
  }

  /** forgetFailed lets want try again what could not be loaded. It returns these ids. */
  forgetFailed(): string[] {
    const failed = [...this.loaded].filter(([, url]) => url === '').map(([id]) => id);
    for (const id of failed) this.loaded.delete(id);
    return failed;
  }

  private load(): void {
    while (this.running < calls && this.waiting.size > 0) {
      const ids = [...this.waiting].slice(0, batch);
      for (const id of ids) this.waiting.delete(id);
      this.running++;
      void this.loadBatch(ids).finally(() => {
        this.running--;
        this.load();
      });
    }
  }

  private async loadBatch(ids: string[]): Promise<void> {
    const urls = new Map<string, string>();
    try {
      const content = contentOf(await this.host.callTool('get_thumbnails', { DigitalHumanIds: ids }));
      for (const entry of list(content['Thumbnails']).map(record)) {
        const url = text(entry['Picture']);
        if (url.startsWith('data:image/jpeg;base64,')) urls.set(text(entry['DigitalHumanId']), url);
      }
    } catch {
      // Those that are missing get no picture.
    }
    for (const id of ids) {
      const url = urls.get(id) ?? '';
      this.loaded.set(id, url);
      this.arrived(id, url);
    }
  }
}

/** Preview shows a gesture. */
export interface Preview {
  url: string; // A data URL, or '' if the preview cannot be shown here: it is too large, for example.
  isVideo: boolean;
  link: string; // Where the preview is on the internet.
}

const kept = 12; // Previews that are kept. Each may take a megabyte.

/** Previews loads previews of gestures, and keeps the last ones. */
export class Previews {
  private readonly loaded = new Map<string, Promise<Preview>>();

  constructor(private readonly host: Host) {}

  /** load returns the preview of a gesture. It throws if there is none. */
  load(id: string, gesture: string): Promise<Preview> {
    const key = JSON.stringify([id, gesture]);
    const preview = this.loaded.get(key) ?? this.call(id, gesture);
    this.loaded.delete(key);
    this.loaded.set(key, preview); // The one used last is the last one in the map.
    preview.catch(() => this.loaded.delete(key));
    for (const oldest of this.loaded.keys()) {
      if (this.loaded.size <= kept) break;
      this.loaded.delete(oldest);
    }
    return preview;
  }

  private async call(id: string, gesture: string): Promise<Preview> {
    const content = contentOf(await this.host.callTool('get_gesture_preview', { DigitalHumanId: id, Action: gesture }));
    const data = text(content['Preview']);
    return {
      url: /^data:(image|video)\/[a-z0-9]+;base64,/.test(data) ? data : '',
      isVideo: data.startsWith('data:video/'),
      link: text(content['PreviewUrl']),
    };
  }
}
