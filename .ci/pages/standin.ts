// Stands for ZEGO's web SDK in the checks of the watch page: it has the calls that the page makes
// (types.ts compares them with the SDK's own declarations), and plays a picture that it draws.
import type { Engine, Events } from '../../internal/watch/page/engine.ts';

interface Behaviour {
  refuse?: boolean; // Nobody is let into the room.
  silent?: boolean; // The stream is neither announced nor played.
}

type Callbacks = { [K in keyof Events]: Events[K][] };

export class ZegoExpressEngine implements Engine {
  private readonly callbacks: Callbacks = { roomStreamUpdate: [], roomStateUpdate: [], tokenWillExpire: [] };
  private readonly playing = new Set<string>();
  private readonly behaviour = (window as unknown as { behaviour?: Behaviour }).behaviour ?? {};

  constructor(appID: number, server: string) {
    if (!Number.isInteger(appID) || server !== '') throw new Error('wrong arguments');
    Object.assign(window, { engine: this, calls: [] });
  }

  on(event: keyof Events, callback: Events[keyof Events]): boolean {
    (this.callbacks[event] as Events[keyof Events][]).push(callback);
    return true;
  }

  async loginRoom(roomID: string, token: string, user: { userID: string; userName: string }): Promise<boolean> {
    this.note('loginRoom', roomID, token, user.userID);
    if (this.behaviour.refuse) this.connection(roomID, 'DISCONNECTED', 1002033);
    if (this.behaviour.refuse) throw { code: 1002033, message: 'login refused' };
    this.connection(roomID, 'CONNECTED', 0);
    if (!this.behaviour.silent) setTimeout(() => this.announce(roomID), 200);
    return true;
  }

  logoutRoom(roomID: string): void {
    this.note('logoutRoom', roomID);
  }

  renewToken(token: string, roomID: string): boolean {
    // Both are text, so that types cannot tell one from the other.
    if (!token.startsWith('04') || roomID.startsWith('04')) throw new Error('renewToken wants the token first');
    this.note('renewToken', token, roomID);
    return true;
  }

  async startPlayingStream(streamID: string): Promise<MediaStream> {
    this.note('startPlayingStream', streamID);
    if (this.behaviour.silent) throw { code: 1104040, message: 'the stream does not exist' };
    if (this.playing.has(streamID)) throw { code: 1103026, message: 'the stream plays already' };
    this.playing.add(streamID);
    const canvas = document.createElement('canvas');
    canvas.width = 640;
    canvas.height = 360;
    const context = canvas.getContext('2d');
    if (!context) throw new Error('no canvas');
    let x = 0;
    setInterval(() => {
      context.fillStyle = '#274c77';
      context.fillRect(0, 0, 640, 360);
      context.fillStyle = '#f2c14e';
      context.beginPath();
      context.arc(120 + (x++ % 400), 180, 80, 0, 7);
      context.fill();
    }, 40);
    return canvas.captureStream(25);
  }

  stopPlayingStream(streamID: string): void {
    this.note('stopPlayingStream', streamID);
    this.playing.delete(streamID);
  }

  setLogConfig(): boolean {
    return true;
  }

  /** expire lets the page think that its token is about to expire. */
  expire(roomID: string): void {
    for (const callback of this.callbacks.tokenWillExpire) callback(roomID);
  }

  /** announce says that the stream is in the room, or with DELETE that it is no longer. */
  announce(roomID: string, change: 'ADD' | 'DELETE' = 'ADD'): void {
    const { streamID } = window as unknown as { streamID: string };
    for (const callback of this.callbacks.roomStreamUpdate) callback(roomID, change, [{ streamID }]);
  }

  /** connection says that the connection to the room has changed. */
  connection(roomID: string, state: 'DISCONNECTED' | 'CONNECTING' | 'CONNECTED', code: number): void {
    for (const callback of this.callbacks.roomStateUpdate) callback(roomID, state, code, '');
  }

  private note(...call: string[]): void {
    (window as unknown as { calls: string[][] }).calls.push(call);
  }
}
