// The page on which a stream is watched. It asks the program that serves it what happens, and
// plays the stream with ZEGO's web SDK.
import type { Engine } from './engine.ts';
import { loadEngine } from './loader.ts';
import { language, texts } from './texts.ts';

const askEvery = 2000; // Milliseconds between two looks at the state.
const maxUnanswered = 3; // A browser drops requests when the network changes, too.
const playEvery = 5000; // Milliseconds between two tries to play a stream that was not announced.

interface State {
  Running: boolean;
  Simulated: boolean;
  Name: string;
  TaskId: string;
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
let connected = false; // To the room.
let trying = false; // A try to play the stream has not ended yet.
let unanswered = 0; // How many requests for the state in a row nobody has answered.
let shownGestures = '';

/** fetchJSON asks the program. It rejects with what the program says went wrong. */
async function fetchJSON<T>(path: string, body?: unknown): Promise<T> {
  const response = await fetch(path, body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.headers.get('Content-Type')?.startsWith('application/json')) throw new Error(text.trim());
  const data = JSON.parse(text) as T & { Problem?: string };
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
  stopPlaying();
  if (engine && viewer) engine.logoutRoom(viewer.RoomId);
  byID('gestures').hidden = byID('stop').hidden = true;
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
    if (err instanceof TypeError) {
      if (++unanswered >= maxUnanswered) end(texts.over); // Nobody listens any more.
    } else tell(messageOf(err));
    return;
  }
  unanswered = 0;
  state = answer;
  byID('name').textContent = document.title = state.Name || state.StreamId || state.TaskId;
  if (!state.Running) {
    if (state.FailReason) tell(state.FailReason);
    end(texts.ended);
    return;
  }
  byID('speech').textContent = state.Speaking === null ? texts.unknown : state.Speaking ? texts.speaking : texts.silent;
  byID('queue').textContent = String(state.Waiting);
  byID('left').textContent = timeLeft(state);
  showGestures(state.Gestures);
  if (connected && !playing && byID('problem').hidden) cover(state.StatusName === 'initializing' ? texts.starting : texts.waiting);
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
  if (!engine || !viewer || playing || trying || ended) return;
  trying = true;
  try {
    const stream = await engine.startPlayingStream(viewer.StreamId);
    if (ended) return;
    playing = true;
    video.srcObject = stream;
    await video.play();
    tell('');
    cover('');
    sound.hidden = false;
  } catch (err) {
    stopPlaying();
    if (!ended) tell(texts.noStream(messageOf(err)));
  } finally {
    trying = false;
  }
}

function stopPlaying(): void {
  if (playing && engine && viewer) engine.stopPlayingStream(viewer.StreamId);
  playing = false;
  video.srcObject = null;
  sound.hidden = true;
}

/** newToken asks for a token. One that is to replace another must be for the same UserId. */
const newToken = () => fetchJSON<Viewer>('viewer', viewer ? { UserId: viewer.UserId } : {});

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
    viewer = await newToken();
    cover(texts.connecting);
    let loggedIn = false;
    const { AppId, RoomId, StreamId, Token, UserId } = viewer;
    engine = new Constructor(AppId, '');
    engine.setLogConfig({ logLevel: 'error' });
    engine.on('roomStreamUpdate', (_room, type, streams) => {
      if (!streams.some((stream) => stream.streamID === StreamId)) return;
      if (type === 'ADD') void play();
      else {
        stopPlaying();
        if (!ended) cover(texts.waiting);
      }
    });
    engine.on('roomStateUpdate', (_room, connection, code) => {
      if (ended) return;
      connected = connection === 'CONNECTED' && loggedIn;
      if (connection === 'CONNECTING') cover(playing ? texts.reconnecting : texts.connecting);
      if (connected) cover(playing ? '' : texts.waiting);
      if (connection === 'DISCONNECTED') {
        if (!loggedIn) return; // The error of loginRoom says why.
        stopPlaying();
        engine = undefined;
        cover('');
        tell(texts.lostRoom(String(code)));
      }
    });
    engine.on('tokenWillExpire', (room) => {
      void newToken().then(
        (renewed) => engine?.renewToken(renewed.Token, room),
        (err: unknown) => tell(messageOf(err)),
      );
    });
    await engine.loginRoom(RoomId, Token, { userID: UserId, userName: UserId });
    loggedIn = connected = true;
    if (!playing && !ended) cover(texts.waiting);
    // A stream that was in the room before may not be announced.
    setInterval(() => {
      if (connected && state?.StatusName === 'streaming') void play();
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
  video.muted = !video.muted;
  sound.textContent = video.muted ? texts.sound : texts.mute;
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
  if (state?.Simulated) cover(texts.simulated);
  else await connect();
}

void start();
