// What the page uses of ZEGO's web SDK. The checks compare it with the SDK's own declarations.

export interface Stream {
  streamID: string;
}

export interface Events {
  roomStreamUpdate: (roomID: string, updateType: 'DELETE' | 'ADD', streamList: Stream[], extendedData?: string) => void;
  roomStateUpdate: (roomID: string, state: 'DISCONNECTED' | 'CONNECTING' | 'CONNECTED', errorCode: number, extendedData: string) => void;
  tokenWillExpire: (roomID: string) => void;
}

export interface Engine {
  on(event: 'roomStreamUpdate', callback: Events['roomStreamUpdate']): boolean;
  on(event: 'roomStateUpdate', callback: Events['roomStateUpdate']): boolean;
  on(event: 'tokenWillExpire', callback: Events['tokenWillExpire']): boolean;
  loginRoom(roomID: string, token: string, user: { userID: string; userName: string }): Promise<boolean>;
  logoutRoom(roomID: string): void;
  renewToken(token: string, roomID: string): boolean;
  startPlayingStream(streamID: string): Promise<MediaStream>;
  stopPlayingStream(streamID: string): void;
  setLogConfig(config: { logLevel: 'debug' | 'info' | 'warn' | 'error' | 'report' | 'disable' }): boolean;
}

export interface EngineConstructor {
  new (appID: number, server: string): Engine;
}
