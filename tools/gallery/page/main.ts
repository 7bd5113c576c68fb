// The gallery: shows the digital humans of a tool's result, and lets the user choose one. All
// that it shows comes from the client, by messages; names are text, never markup.
import { Host, type Params } from './host.ts';
import { textsFor, type Texts } from './texts.ts';

const protocolVersion = '2026-01-26';
const pageSize = 20; // Digital humans in a call, and pictures.
const searchDelay = 350; // Milliseconds after the last key until all pages are searched.

interface Human {
  id: string;
  name: string;
  isPublic: boolean;
  gestures: string[];
}

/** Page is what a tool has answered. */
interface Page {
  humans: Human[];
  total: number;
  nextOffset: number | undefined;
}

/** List is what is shown: the digital humans of one tool with one set of arguments. */
interface List {
  tool: string;
  args: Params;
  humans: Human[];
  total: number;
  nextOffset: number | undefined;
}

const host = new Host();
const byID = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const grid = byID<HTMLUListElement>('grid');
const search = byID<HTMLInputElement>('search');
const status = byID('status');
const more = byID<HTMLButtonElement>('more');
const calmly = matchMedia('(prefers-reduced-motion: reduce)');

let texts: Texts = textsFor(navigator.language).texts;
let opened: List | undefined; // What the tool has answered that opened the page.
let found: List | undefined; // What a search of the user's has found; undefined without one.
let openedWith: Params = {}; // The arguments of that tool.
let chosen: Human | undefined;
let retry: (() => void) | undefined;
let canOpenLinks = false;
let searches = 0; // Counts searches, so that an old answer does not replace a new one.
const pictures = new Map<string, string>(); // Data URLs by id; "" if there is none.
const asked = new Set<string>(); // Ids whose pictures were asked for.
const previews = new Map<string, Promise<Preview>>();

interface Preview {
  data?: string;
  url?: string;
  problem?: string;
}

/** readPage returns what is in a tool's result. Some clients pass on the text alone. */
function readPage(result: Params): Page {
  let data = result['structuredContent'] as Params | undefined;
  if (!data) {
    const content = (result['content'] as { type: string; text?: string }[] | undefined) ?? [];
    const text = content.find((block) => block.type === 'text')?.text ?? '';
    if (result['isError']) throw new Error(text);
    try {
      data = JSON.parse(text) as Params;
    } catch {
      throw new Error(texts.unreadable);
    }
  }
  const listed = data['DigitalHumans'];
  if (!Array.isArray(listed)) throw new Error(texts.unreadable);
  const humans = listed.map((entry: Params): Human => ({
    id: String(entry['DigitalHumanId']),
    name: String(entry['Name']),
    isPublic: entry['IsPublic'] === true,
    gestures: Array.isArray(entry['Gestures'])
      ? entry['Gestures'].map(String)
      : ((entry['Actions'] as Params[] | undefined) ?? []).map((action) => String(action['Action'])),
  }));
  const next = data['NextOffset'];
  return { humans, total: Number(data['Matches'] ?? data['Total'] ?? humans.length), nextOffset: typeof next === 'number' ? next : undefined };
}

async function call(tool: string, args: Params): Promise<Params> {
  return (await host.request('tools/call', { name: tool, arguments: args })) as Params;
}

/** current is the list that the user sees. */
function current(): List | undefined {
  return found ?? opened;
}

/** isShown reports whether the filters let a digital human through. */
function isShown(human: Human): boolean {
  const owner = document.querySelector<HTMLInputElement>('input[name="owner"]:checked')?.value;
  if (owner === 'public' && !human.isPublic) return false;
  if (owner === 'own' && human.isPublic) return false;
  if (byID<HTMLInputElement>('gestures-only').checked && human.gestures.length === 0) return false;
  if (found) return true; // The server has searched.
  const words = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const text = [human.name, human.id, ...human.gestures].join('\n').toLocaleLowerCase();
  return words.every((word) => text.includes(word));
}

/** render shows the current list. Cards that are shown already stay, so that the focus does. */
function render(): void {
  const list = current();
  const shown = list?.humans.filter(isShown) ?? [];
  const cards = new Map([...grid.children].map((card) => [(card as HTMLElement).dataset['id'] ?? '', card]));
  const wanted = shown.map((human) => cards.get(human.id) ?? cardOf(human));
  if (wanted.length !== grid.children.length || wanted.some((card, i) => card !== grid.children[i])) grid.replaceChildren(...wanted);
  for (const card of grid.children) markChosen(card as HTMLElement);
  if (list) {
    if (list.total === 0 && !found && !search.value) say(texts.empty);
    else if (shown.length === 0 && list.nextOffset === undefined) say(texts.none);
    else say(texts.count(shown.length, list.total));
  }
  more.hidden = list?.nextOffset === undefined;
  void loadPictures(shown);
}

function say(text: string): void {
  if (status.textContent !== text) status.textContent = text;
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, text = ''): HTMLElementTagNameMap[K] {
  const out = document.createElement(tag);
  out.className = className;
  out.textContent = text;
  return out;
}

/** cardOf returns the card of a digital human. */
function cardOf(human: Human): HTMLLIElement {
  const card = element('li', '');
  card.dataset['id'] = human.id;
  const face = element('button', 'face');
  face.type = 'button';
  const picture = element('span', 'picture');
  const name = element('span', 'name');
  name.append(element('bdi', '', human.name));
  face.append(picture, name, element('span', 'owner', human.isPublic ? texts.public : texts.own));
  face.addEventListener('click', () => choose(human));
  card.append(face);
  if (human.gestures.length > 0) {
    const gestures = element('div', 'gestures');
    for (const gesture of human.gestures) gestures.append(gestureButton(human, gesture, picture));
    card.append(gestures);
  }
  showPicture(card, human);
  return card;
}

/** showPicture shows the picture of a digital human on its card, if it is there. */
function showPicture(card: HTMLElement, human: Human): void {
  const place = card.querySelector('.picture');
  const data = pictures.get(human.id);
  if (!place || data === undefined || place.childElementCount > 0) return;
  if (data === '') {
    place.textContent = texts.noPicture;
    return;
  }
  const img = element('img', '');
  img.alt = '';
  img.src = data;
  place.replaceChildren(img);
}

/** loadPictures gets the pictures that are shown and were not asked for yet. */
async function loadPictures(shown: Human[]): Promise<void> {
  const missing = shown.filter((human) => !asked.has(human.id));
  for (const human of missing) asked.add(human.id);
  for (let i = 0; i < missing.length; i += pageSize) {
    const part = missing.slice(i, i + pageSize);
    let thumbnails: Params[] = [];
    try {
      const result = await call('get_thumbnails', { DigitalHumanIds: part.map((human) => human.id) });
      thumbnails = ((result['structuredContent'] as Params | undefined)?.['Thumbnails'] as Params[] | undefined) ?? [];
    } catch {
      // Without pictures the names are still of use.
    }
    for (const human of part) {
      const picture = thumbnails.find((thumbnail) => thumbnail['DigitalHumanId'] === human.id)?.['Picture'];
      pictures.set(human.id, typeof picture === 'string' && picture.startsWith('data:image/jpeg;base64,') ? picture : '');
      const card = [...grid.children].find((child) => (child as HTMLElement).dataset['id'] === human.id);
      if (card) showPicture(card as HTMLElement, human);
    }
  }
}

/** gestureButton returns a button that shows the preview of a gesture over the picture while it has the pointer or the focus. */
function gestureButton(human: Human, gesture: string, picture: HTMLElement): HTMLButtonElement {
  const button = element('button', '', gesture);
  button.type = 'button';
  button.title = gesture;
  button.setAttribute('aria-label', texts.preview(gesture));
  let over: HTMLElement | undefined;
  let wanted = false;
  const start = async () => {
    wanted = true;
    const preview = await previewOf(human, gesture);
    if (!wanted || over) return;
    if (!preview.data) {
      button.title = preview.url && canOpenLinks ? texts.openPreview : texts.noPreview(preview.problem ?? '');
      return;
    }
    if (preview.data.startsWith('data:video/')) {
      const video = element('video', '');
      video.muted = true;
      video.loop = true;
      video.autoplay = !calmly.matches;
      video.controls = calmly.matches;
      video.src = preview.data;
      over = video;
    } else {
      const img = element('img', '');
      img.alt = '';
      img.src = preview.data;
      over = img;
    }
    picture.append(over);
  };
  const stop = () => {
    wanted = false;
    over?.remove();
    over = undefined;
  };
  button.addEventListener('mouseenter', () => void start());
  button.addEventListener('focus', () => void start());
  button.addEventListener('mouseleave', stop);
  button.addEventListener('blur', stop);
  button.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') stop();
  });
  button.addEventListener('click', async () => {
    const preview = await previewOf(human, gesture);
    if (!preview.data && preview.url && canOpenLinks) await host.request('ui/open-link', { url: preview.url });
  });
  return button;
}

function previewOf(human: Human, gesture: string): Promise<Preview> {
  const key = `${human.id}\n${gesture}`;
  const kept = previews.get(key);
  if (kept) return kept;
  const asking = call('get_gesture_preview', { DigitalHumanId: human.id, Action: gesture }).then(
    (result): Preview => {
      const data = (result['structuredContent'] as Params | undefined) ?? {};
      const preview = data['Preview'];
      const isMedia = typeof preview === 'string' && /^data:(video|image)\/[a-z0-9]+;base64,/.test(preview);
      return {
        ...(isMedia ? { data: preview } : {}),
        ...(typeof data['PreviewUrl'] === 'string' ? { url: data['PreviewUrl'] } : {}),
        problem: String(data['NoPreview'] ?? ''),
      };
    },
    (err: Error): Preview => ({ problem: err.message }),
  );
  previews.set(key, asking);
  return asking;
}

function markChosen(card: HTMLElement): void {
  const isChosen = card.dataset['id'] === chosen?.id;
  card.classList.toggle('chosen', isChosen);
  card.querySelector('.face')?.setAttribute('aria-pressed', String(isChosen));
}

/** choose tells the model which digital human the user has chosen. */
function choose(human: Human): void {
  chosen = human;
  for (const card of grid.children) markChosen(card as HTMLElement);
  byID('chosen').hidden = false;
  byID('chosen-name').textContent = human.name;
  const text = `The user has chosen the digital human ${JSON.stringify(human.name)} in the gallery: DigitalHumanId ${human.id}.`;
  void host
    .request('ui/update-model-context', { content: [{ type: 'text', text }], structuredContent: { DigitalHumanId: human.id, Name: human.name } })
    .catch(() => undefined); // A client may not support it; the button below is the other way.
}

/** use asks the model to go on with the chosen one. */
async function use(): Promise<void> {
  if (!chosen) return;
  const { id, name } = chosen;
  try {
    await host.request('ui/message', { role: 'user', content: [{ type: 'text', text: `Use the digital human ${JSON.stringify(name)} (DigitalHumanId ${id}).` }] });
    say(texts.used(name));
  } catch (err) {
    fail(err, () => void use());
  }
}

/** fail shows what went wrong, with a button that tries again. */
function fail(err: unknown, again: () => void): void {
  retry = again;
  byID('problem-text').textContent = err instanceof Error ? err.message : String(err);
  byID('problem').hidden = false;
  say('');
}

function clearProblem(): void {
  retry = undefined;
  byID('problem').hidden = true;
}

/** open shows the first page of a tool's answer. */
function open(tool: string, args: Params, result: Params): void {
  clearProblem();
  try {
    opened = { tool, args, ...readPage(result) };
    render();
  } catch (err) {
    fail(err, () => void reload(tool, args));
  }
}

async function reload(tool: string, args: Params): Promise<void> {
  clearProblem();
  say(texts.loading);
  try {
    open(tool, args, await call(tool, args));
  } catch (err) {
    fail(err, () => void reload(tool, args));
  }
}

/** showMore adds the next page to the current list. */
async function showMore(): Promise<void> {
  const list = current();
  if (list?.nextOffset === undefined) return;
  clearProblem();
  say(texts.loading);
  more.disabled = true;
  try {
    const page = readPage(await call(list.tool, { ...list.args, Offset: list.nextOffset }));
    const known = new Set(list.humans.map((human) => human.id));
    const added = page.humans.filter((human) => !known.has(human.id));
    list.humans.push(...added);
    list.nextOffset = page.nextOffset;
    list.total = page.total;
    render();
    const first = [...grid.children].find((card) => (card as HTMLElement).dataset['id'] === added[0]?.id);
    first?.querySelector<HTMLElement>('.face')?.focus();
  } catch (err) {
    fail(err, () => void showMore());
  } finally {
    more.disabled = false;
  }
}

/** searchAll searches all pages, if not all are loaded. */
async function searchAll(): Promise<void> {
  const number = ++searches;
  const query = search.value.trim();
  if (query === '' || !opened || opened.nextOffset === undefined) {
    found = undefined;
    render();
    return;
  }
  clearProblem();
  say(texts.searching);
  const mode = openedWith['FetchMode'];
  const args: Params = { Query: query, Limit: pageSize, Detail: 'brief', ...(mode === undefined ? {} : { FetchMode: mode }) };
  try {
    const page = readPage(await call('find_digital_humans', args));
    if (number !== searches) return;
    found = { tool: 'find_digital_humans', args, ...page };
    render();
  } catch (err) {
    if (number === searches) fail(err, () => void searchAll());
  }
}

/** translate puts the words of the host's language into the page. */
function translate(locale: string): void {
  const { texts: words, language } = textsFor(locale);
  texts = words;
  document.documentElement.lang = language;
  document.title = texts.title;
  byID('title').textContent = texts.title;
  byID('search-label').textContent = texts.search;
  search.placeholder = texts.search;
  byID('owners-label').textContent = texts.owners;
  byID('gestures-only-label').textContent = texts.gesturesOnly;
  more.textContent = texts.more;
  byID('retry').textContent = texts.retry;
  byID('chosen-label').textContent = texts.chosen;
  byID('use').textContent = texts.use;
  for (const input of document.querySelectorAll<HTMLInputElement>('input[name="owner"]')) {
    const label = input.nextElementSibling;
    if (label) label.textContent = texts[input.value as 'all' | 'public' | 'own'];
  }
  grid.replaceChildren(); // The cards have words as well.
  if (current()) render();
  else if (!retry) say(texts.loading);
}

/** adapt follows the client's theme, colours, fonts and language. */
function adapt(context: Params): void {
  const root = document.documentElement;
  if (context['theme'] === 'light' || context['theme'] === 'dark') root.dataset['theme'] = context['theme'];
  const styles = context['styles'] as { variables?: Record<string, unknown> } | undefined;
  for (const [name, value] of Object.entries(styles?.variables ?? {})) {
    // A value with a URL would make the browser ask for it.
    if (name.startsWith('--') && typeof value === 'string' && !/url\(|image-set\(/i.test(value)) root.style.setProperty(name, value);
  }
  if (typeof context['locale'] === 'string') translate(context['locale']);
}

let toolName = 'list_digital_humans'; // The tool that has opened the page.

/** noteTool takes note of the tool, if the client tells it. */
function noteTool(context: Params): void {
  const info = context['toolInfo'] as { tool?: { name?: unknown } } | undefined;
  if (typeof info?.tool?.name === 'string') toolName = info.tool.name;
}

let typing: ReturnType<typeof setTimeout> | undefined;
search.addEventListener('input', () => {
  clearTimeout(typing);
  if (!found || search.value.trim() === '') {
    found = undefined;
    render(); // What is loaded is filtered at once.
  }
  typing = setTimeout(() => void searchAll(), searchDelay);
});
for (const input of document.querySelectorAll('input[name="owner"], #gestures-only')) input.addEventListener('change', render);
more.addEventListener('click', () => void showMore());
byID('use').addEventListener('click', () => void use());
byID('retry').addEventListener('click', () => retry?.());

host.on('ui/notifications/tool-input', (params) => {
  openedWith = (params['arguments'] as Params | undefined) ?? {};
});
host.on('ui/notifications/tool-result', (params) => open(toolName, openedWith, params));
host.on('ui/notifications/tool-cancelled', () => fail(texts.cancelled, () => void reload(toolName, openedWith)));
host.on('ui/notifications/host-context-changed', adapt);
host.on('ui/resource-teardown', () => ({}));
host.on('ping', () => ({}));

async function start(): Promise<void> {
  translate(navigator.language);
  if (matchMedia('(prefers-color-scheme: dark)').matches) document.documentElement.dataset['theme'] = 'dark';
  const answer = (await host.request('ui/initialize', {
    protocolVersion,
    appInfo: { name: 'zego-gallery', version: '1' },
    appCapabilities: { availableDisplayModes: ['inline', 'fullscreen'] },
  })) as Params;
  canOpenLinks = Boolean((answer['hostCapabilities'] as Params | undefined)?.['openLinks']);
  const context = (answer['hostContext'] as Params | undefined) ?? {};
  noteTool(context);
  adapt(context);
  host.notify('ui/notifications/initialized', {});
  new ResizeObserver(() => {
    host.notify('ui/notifications/size-changed', { width: document.documentElement.scrollWidth, height: document.body.offsetHeight });
  }).observe(document.body);
}

void start();
