// The gallery: shows the digital humans that a tool found, lets the user search and choose one,
// and tells the chat which one it is.
import { Card } from './card';
import { Host, HostProblem, type Params, text } from './host';
import * as humans from './humans';
import { applyLook, reportHeight } from './look';
import { Pictures, Previews } from './pictures';
import { wordsFor } from './words';

const picturesAtOnce = 100; // How many pictures are loaded before the user scrolls to them.
const typingTime = 300; // Milliseconds without a key until the server searches.

const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const query = byId<HTMLInputElement>('search');
const mode = byId<HTMLSelectElement>('owner');
const withGestures = byId<HTMLInputElement>('gestures-only');
const status = byId('status');
const said = byId('said');
const problem = byId('problem');
const faces = byId('grid');
const more = byId<HTMLButtonElement>('more');
const retryPictures = byId<HTMLButtonElement>('retry-pictures');

/** Source is where the digital humans that were loaded last come from. */
interface Source extends humans.Page {
  criteria: humans.Criteria;
  fromStart: boolean; // No page before the first one was left out.
}

let words = wordsFor('');
let wanted = humans.criteriaOf({}); // What the user, or before that the model, asked for.
let input: Params = {}; // The arguments of the call whose result the page shows.
let source: Source | undefined;
let opened: Source | undefined; // What the model's call has found, to which the user returns.
let request = 0; // The number of the last request for digital humans. Older answers are dropped.
let typing = 0; // The timer of a search.
let knowsAll = false; // The page has seen every digital human.
let chosen: string | undefined; // A DigitalHumanId.
let retry = () => {};
let closed = false;
const cards = new Map<string, Card>(); // All that the page has seen, by DigitalHumanId.

const host = new Host((method, params) => {
  switch (method) {
    case 'ui/notifications/tool-input-partial':
    case 'ui/notifications/tool-input':
      input = (params['arguments'] ?? {}) as Params;
      showLoading();
      want(humans.criteriaOf(input));
      break;
    case 'ui/notifications/tool-result':
      request++;
      receive(params, wanted, Number(input['Offset'] ?? 0));
      opened = source;
      break;
    case 'ui/notifications/tool-cancelled':
      request++;
      showProblem(words.cancelled, '', () => void load(wanted));
      break;
    case 'ui/notifications/host-context-changed':
      follow(params);
      break;
    case 'ui/resource-teardown':
      closed = true;
      clearTimeout(typing);
      break;
  }
});
const previews = new Previews(host);
const pictures = new Pictures(host, (id, url) => {
  cards.get(id)?.setPicture(url);
  if (url === '') {
    say(words.picturesFailed);
    retryPictures.hidden = false;
  }
});
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    if (canCallTools()) pictures.want((target as HTMLElement).dataset['id'] ?? '');
  }
});

/** canCallTools reports whether the host passes calls of tools on to the server. */
function canCallTools(): boolean {
  return !closed && host.capabilities['serverTools'] !== undefined;
}

/** follow follows the host's context, or a change of it. */
function follow(context: Params): void {
  applyLook(context);
  if (typeof context['locale'] === 'string') setWords(context['locale']);
}

function setWords(locale: string): void {
  words = wordsFor(locale);
  document.documentElement.lang = words.lang;
  document.title = words.title;
  byId('title').textContent = words.title;
  query.placeholder = query.ariaLabel = words.search;
  mode.ariaLabel = words.owner;
  words.owners.forEach((owner, i) => (mode.options[i]!.textContent = owner));
  withGestures.nextElementSibling!.textContent = words.withGestures;
  faces.ariaLabel = words.faces;
  more.textContent = words.more;
  retryPictures.textContent = words.retryPictures;
  byId('retry').textContent = words.retry;
  for (const card of cards.values()) card.setWords(words);
  if (source) showCount();
  else if (problem.hidden) status.textContent = words.loading;
}

function say(message: string): void {
  said.textContent = message;
}

/** want shows criteria in the form. */
function want(criteria: humans.Criteria): void {
  wanted = criteria;
  query.value = criteria.query;
  mode.value = String(criteria.mode);
  withGestures.checked = criteria.hasGestures === true;
}

/** receive shows the result of a tool that was called with criteria and an offset. */
function receive(result: Params, criteria: humans.Criteria, offset: number): void {
  let page: humans.Page;
  try {
    page = humans.pageOf(result);
  } catch (err) {
    showProblem(words.failed, reasonOf(err), () => void load(criteria));
    return;
  }
  source = { ...page, criteria, fromStart: offset === 0 };
  arrived();
  show(page.humans);
}

/** load asks the server for the first page of what fits criteria, and shows it. */
async function load(criteria: humans.Criteria): Promise<void> {
  const number = ++request;
  status.textContent = words.searching;
  if (!source || !problem.hidden) showLoading();
  try {
    const tool = humans.toolFor(criteria);
    const result = await host.callTool(tool, humans.argumentsFor(tool, criteria, 0));
    if (number === request) receive(result, criteria, 0);
  } catch (err) {
    if (number === request) showProblem(words.failed, reasonOf(err), () => void load(criteria));
  }
}

/** loadMore asks the server for the next page, and shows it below the others. */
async function loadMore(): Promise<void> {
  const from = source;
  if (from?.next === undefined || more.ariaDisabled === 'true') return;
  const number = ++request;
  more.ariaDisabled = 'true';
  try {
    const page = humans.pageOf(await host.callTool(from.tool, humans.argumentsFor(from.tool, from.criteria, from.next)));
    if (number !== request || source !== from) return;
    const before = new Set(from.humans.map(({ id }) => id));
    const added = page.humans.filter(({ id }) => !before.has(id));
    Object.assign(from, page, { humans: [...from.humans, ...added] });
    arrived();
    faces.append(...added.map((human) => cardOf(human).element));
    showCount();
    if (added[0]) cardOf(added[0]).face.focus();
  } catch (err) {
    if (number === request) say([words.moreFailed, reasonOf(err)].filter(Boolean).join(': '));
  } finally {
    more.ariaDisabled = null;
  }
}

/** arrived notes what the page knows after digital humans have been loaded. */
function arrived(): void {
  const { criteria, fromStart, next, complete, humans: loaded } = source!;
  for (const human of loaded) cardOf(human);
  knowsAll ||= humans.selectsAll(criteria) && fromStart && next === undefined && complete;
}

/** search shows what the page knows that fits the form, and lets the server search the rest. */
function search(): void {
  clearTimeout(typing);
  const unset = wanted.hasGestures === false ? false : undefined; // The model can ask for those without gestures.
  wanted = { query: query.value.trim(), mode: Number(mode.value), hasGestures: withGestures.checked || unset };
  say('');
  request++;
  const kept = [source, opened].find((one) => one && humans.sameCriteria(wanted, one.criteria));
  if (kept) {
    source = kept;
    show(source.humans);
    return;
  }
  const found = [...cards.values()].map(({ human }) => human).filter((human) => humans.fits(human, wanted));
  if (!canCallTools() || (knowsAll && found.length > 0)) {
    source = { humans: found, next: undefined, total: found.length, complete: true, tool: '', criteria: wanted, fromStart: true };
    show(found);
    return;
  }
  problem.hidden = true;
  faces.replaceChildren(...found.map((human) => cardOf(human).element));
  more.hidden = true;
  status.textContent = words.searching;
  const criteria = wanted;
  typing = window.setTimeout(() => void load(criteria), typingTime);
}

/** cardOf returns the card of a digital human. Cards are kept, with their pictures. */
function cardOf(human: humans.Human): Card {
  let card = cards.get(human.id);
  if (!card) {
    card = new Card(human, actions, words);
    cards.set(human.id, card);
    if (cards.size > picturesAtOnce) seen.observe(card.element);
    else if (canCallTools()) pictures.want(human.id);
  }
  return card;
}

/** show shows digital humans in place of others. */
function show(shown: humans.Human[]): void {
  problem.hidden = true;
  faces.ariaBusy = null;
  faces.replaceChildren(...shown.map((human) => cardOf(human).element));
  showCount();
}

/** showCount says how many digital humans the page shows, and of how many. */
function showCount(): void {
  const { humans: shown, total, next, complete, criteria } = source!;
  more.hidden = next === undefined || !canCallTools();
  const nobody = humans.selectsAll(criteria) ? words.nobody : words.noMatch;
  const count = shown.length === 0 ? nobody : words.counted(shown.length, total);
  status.textContent = complete ? count : `${count} ${words.notAll}`;
  status.classList.toggle('empty', shown.length === 0);
}

function showLoading(): void {
  problem.hidden = true;
  more.hidden = true;
  status.textContent = words.loading;
  status.classList.remove('empty');
  faces.ariaBusy = 'true';
  faces.replaceChildren(
    ...Array.from({ length: 8 }, () => {
      const placeholder = document.createElement('li');
      placeholder.className = 'placeholder';
      placeholder.ariaHidden = 'true';
      return placeholder;
    }),
  );
}

function showProblem(title: string, reason: string, tryAgain: () => void): void {
  faces.ariaBusy = null;
  faces.replaceChildren();
  more.hidden = true;
  status.textContent = '';
  byId('problem-title').textContent = title;
  byId('problem-text').textContent = reason;
  byId('retry').hidden = !canCallTools();
  problem.hidden = false;
  retry = tryAgain;
}

/** reasonOf says why something failed, in the words of the server if it said it. */
function reasonOf(err: unknown): string {
  if (err instanceof humans.Refusal) return err.message || words.noReason;
  return err instanceof HostProblem && err.message !== '' ? err.message : words.noHost;
}

const actions = {
  async choose(human: humans.Human): Promise<void> {
    const before = chosen === undefined ? undefined : cards.get(chosen);
    const card = cardOf(human);
    const unchosen = before === card;
    before?.setChosen(false);
    card.setChosen(!unchosen);
    chosen = unchosen ? undefined : human.id;
    say(unchosen ? words.unchosen : words.chosen(card.label));
    const told = `In the gallery the user chose the digital human ${JSON.stringify(human.name)}, DigitalHumanId ${human.id}.`;
    try {
      await host.request('ui/update-model-context', unchosen
        ? { content: [{ type: 'text', text: 'In the gallery the user has chosen no digital human.' }] }
        : { content: [{ type: 'text', text: told }], structuredContent: { DigitalHumanId: human.id, Name: human.name } });
    } catch {
      if (chosen === human.id) say(words.notTold);
    }
  },
  async use(human: humans.Human): Promise<void> {
    const { label } = cardOf(human);
    try {
      const content = [{ type: 'text', text: words.message(label, human.id) }];
      const answer = await host.request('ui/message', { role: 'user', content });
      say(answer['isError'] === true ? words.notUsed(label) : words.used(label));
    } catch {
      say(words.notUsed(label));
    }
  },
  preview: (human: humans.Human, gesture: string) => previews.load(human.id, gesture),
  openLink(url: string): void {
    host.request('ui/open-link', { url }).catch(() => say(words.previewFailed));
  },
  canOpenLinks: () => host.capabilities['openLinks'] !== undefined,
  say,
};

/** moveFocus moves the focus from one face to another in the direction of an arrow key. */
function moveFocus(event: KeyboardEvent): void {
  const all = [...faces.querySelectorAll<HTMLElement>('.face')];
  const at = all.indexOf(event.target as HTMLElement);
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const top = all[0]!.getBoundingClientRect().top;
  const columns = all.findIndex((face) => face.getBoundingClientRect().top > top);
  const row = columns < 0 ? all.length : columns;
  const to: Record<string, number> = {
    ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + row, ArrowUp: at - row, Home: 0, End: all.length - 1,
  };
  const face = all[to[event.key] ?? -1];
  if (!face) return;
  event.preventDefault();
  face.focus();
}

query.addEventListener('input', search);
for (const control of [mode, withGestures]) {
  control.addEventListener('change', () => {
    if (control === withGestures) wanted = { ...wanted, hasGestures: undefined };
    search();
  });
}
byId('form').addEventListener('submit', (event) => event.preventDefault());
more.addEventListener('click', () => void loadMore());
byId('retry').addEventListener('click', () => retry());
faces.addEventListener('keydown', moveFocus);
retryPictures.addEventListener('click', () => {
  retryPictures.hidden = true;
  say('');
  faces.querySelector<HTMLElement>('.face')?.focus();
  for (const id of pictures.forgetFailed()) pictures.want(id);
});

setWords(navigator.language);
showLoading();
try {
  follow(await host.connect('zego-gallery', '1'));
  reportHeight((height) => host.notify('ui/notifications/size-changed', { height }));
} catch (err) {
  showProblem(words.failed, err instanceof Error ? text(err.message) : '', () => {});
}
