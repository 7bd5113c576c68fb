// The page on which a stream is watched. It asks the program that serves it what happens, and
// plays the stream with ZEGO's web SDK.
import type { Engine } from './engine.ts';
import { loadEngine } from './loader.ts';
import { language, texts } from './texts.ts';

const askEvery = 2000; // Milliseconds between two looks at the state.
const playEvery = 5000; // Milliseconds between two tries to play a stream that was not announced.

interface State {
  Running: boolean;
  Name: string;
  StreamId: string;
  StatusName: string;
  FailReason: string;
  EndsAt: string;
  IdleEndsAt: string;
  Speaking: boolean | null;
  Waiting: number;
  Gestures: string[];
}

interface Viewer {
  AppId: number;
  RoomId: string;
  StreamId: string;
  UserId: string;
  Token: string;
}

const byID = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const video = byID<HTMLVideoElement>('video');
const sound = byID<HTMLButtonElement>('sound');
const ask = byID<HTMLDialogElement>('ask');

let engine: Engine | undefined;
let viewer: Viewer | undefined;
let state: State | undefined;
let ended = false;
let playing = false;
let shownGestures = '';

/** fetchJSON asks the program. It rejects with what the program says went wrong. */
async function fetchJSON<T>(path: string, body?: unknown): Promise<T> {
  const response = await fetch(path, body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const data = (await response.json()) as T & { Problem?: string };
  if (!response.ok) throw new Error(data.Problem ?? String(response.status));
  return data;
}

/** cover shows a text in place of the video; '' shows the video. */
function cover(text: string): void {
  if (byID('cover').textContent !== text) byID('cover').textContent = text;
}

function tell(problem: string): void {
  byID('problem').textContent = problem;
  byID('problem').hidden = problem === '';
}

function messageOf(err: unknown): string {
  if (err instanceof Error) return err.message;
  const { code, message, msg } = (err ?? {}) as { code?: unknown; message?: unknown; msg?: unknown };
  return [message ?? msg ?? '', code === undefined ? '' : `(${String(code)})`].join(' ').trim() || String(err);
}

/** end shows that nothing more will come. */
function end(text: string): void {
  if (ended) return;
  ended = true;
  playing = false;
  video.srcObject = null;
  sound.hidden = true;
  if (engine && viewer) engine.logoutRoom(viewer.RoomId);
  for (const button of document.querySelectorAll<HTMLButtonElement>('#stop, #gesture-list button')) button.disabled = true;
  byID('speech').textContent = byID('left').textContent = '–';
  byID('queue').textContent = '0';
  if (ask.open) ask.close();
  cover(text);
}

/** refresh asks for the state and shows it. */
async function refresh(): Promise<void> {
  let answer: State;
  try {
    answer = await fetchJSON<State>('state');
  } catch (err) {
    if (err instanceof TypeError) end(texts.over); // Nobody listens any more.
    else tell(messageOf(err));
    return;
  }
  state = answer;
  byID('name').textContent = state.Name || state.StreamId;
  document.title = state.Name || state.StreamId;
  if (!state.Running) {
    if (state.FailReason) tell(state.FailReason);
    end(texts.ended);
    return;
  }
  byID('speech').textContent = state.Speaking === null ? texts.unknown : state.Speaking ? texts.speaking : texts.silent;
  byID('queue').textContent = String(state.Waiting);
  byID('left').textContent = timeLeft(state);
  showGestures(state.Gestures);
  if (engine && !playing && byID('problem').hidden) cover(state.StatusName === 'initializing' ? texts.starting : texts.waiting);
}

/** timeLeft returns until when the stream lives, as minutes and seconds. */
function timeLeft({ EndsAt, IdleEndsAt }: State): string {
  const ends = [EndsAt, IdleEndsAt].map(Date.parse).filter((time) => !Number.isNaN(time));
  if (ends.length === 0) return texts.unknown;
  const seconds = Math.max(0, Math.round((Math.min(...ends) - Date.now()) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function showGestures(gestures: string[]): void {
  if (gestures.join('\n') === shownGestures) return;
  shownGestures = gestures.join('\n');
  byID('gestures').hidden = gestures.length === 0;
  const buttons = gestures.map((gesture) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = gesture;
    button.addEventListener('click', () => void act('action', { Action: gesture }));
    return button;
  });
  byID('gesture-list').replaceChildren(...buttons);
}

/** act makes the program do something with the stream. */
async function act(path: string, body: unknown): Promise<void> {
  tell('');
  try {
    await fetchJSON(path, body);
  } catch (err) {
    tell(messageOf(err));
  }
  await refresh();
}

/** play plays the stream. It must be in the room. */
async function play(): Promise<void> {
  if (!engine || !viewer || playing || ended) return;
  try {
    const stream = await engine.startPlayingStream(viewer.StreamId);
    if (ended) return;
    playing = true;
    video.srcObject = stream;
    await video.play();
    tell('');
    cover('');
    sound.hidden = !video.muted;
  } catch (err) {
    playing = false;
    tell(texts.noStream(messageOf(err)));
  }
}

/** connect gets a token, loads the SDK, and logs in to the room. */
async function connect(): Promise<void> {
  if (!('RTCPeerConnection' in window)) {
    cover('');
    tell(texts.noBrowser);
    return;
  }
  cover(texts.player);
  let Constructor;
  try {
    Constructor = await loadEngine();
  } catch {
    cover('');
    tell(texts.noPlayer);
    return;
  }
  try {
    viewer = await fetchJSON<Viewer>('viewer', {});
    cover(texts.connecting);
    const { AppId, RoomId, StreamId, Token, UserId } = viewer;
    engine = new Constructor(AppId, '');
    engine.setLogConfig({ logLevel: 'error' });
    engine.on('roomStreamUpdate', (_room, type, streams) => {
      if (!streams.some((stream) => stream.streamID === StreamId)) return;
      if (type === 'ADD') void play();
      else {
        playing = false;
        if (!ended) cover(texts.waiting);
      }
    });
    engine.on('roomStateUpdate', (_room, connection, code) => {
      if (ended) return;
      if (connection === 'CONNECTING') cover(playing ? texts.reconnecting : texts.connecting);
      if (connection === 'CONNECTED') cover(playing ? '' : texts.waiting);
      if (connection === 'DISCONNECTED') {
        cover('');
        tell(texts.noRoom(String(code)));
      }
    });
    engine.on('tokenWillExpire', (room) => {
      void fetchJSON<Viewer>('viewer', {}).then(
        (renewed) => engine?.renewToken(room, renewed.Token),
        (err: unknown) => tell(messageOf(err)),
      );
    });
    await engine.loginRoom(RoomId, Token, { userID: UserId, userName: UserId });
    if (!playing && !ended) cover(texts.waiting);
    // A stream that was in the room before may not be announced.
    setInterval(() => {
      if (!playing && state?.StatusName === 'streaming') void play();
    }, playEvery);
  } catch (err) {
    cover('');
    tell(texts.noRoom(messageOf(err)));
  }
}

function translate(): void {
  document.documentElement.lang = language;
  cover(texts.loading);
  sound.textContent = texts.sound;
  byID('speech-label').textContent = texts.speech;
  byID('queue-label').textContent = texts.queue;
  byID('left-label').textContent = texts.left;
  byID('gestures-label').textContent = texts.gestures;
  byID('stop').textContent = texts.stop;
  byID('ask-text').textContent = texts.ask;
  byID('yes').textContent = texts.yes;
  byID('no').textContent = texts.no;
}

sound.addEventListener('click', () => {
  video.muted = false;
  sound.hidden = true;
});
byID('stop').addEventListener('click', () => ask.showModal());
byID('no').addEventListener('click', () => ask.close());
byID('yes').addEventListener('click', () => {
  ask.close();
  void act('stop', {});
});

async function start(): Promise<void> {
  translate();
  await refresh();
  if (ended) return;
  setInterval(() => {
    if (!ended) void refresh();
  }, askEvery);
  await connect();
}

void start();
