// What the results of the tools say about digital humans.
import { list, record, text, type Params } from './host';

/** Human is a digital human. */
export interface Human {
  id: string;
  name: string;
  isPublic: boolean;
  gestures: string[];
}

/** Page is what list_digital_humans or find_digital_humans answered. */
export interface Page {
  humans: Human[];
  next: number | undefined; // Offset of the next page; undefined if there is none.
  total: number; // How many there are on all pages; of a search, how many match.
  complete: boolean; // Every digital human was looked at.
  tool: string; // The tool that gives the next page.
}

/** Refusal is an answer that is an error. Its message is the text of the server. */
export class Refusal extends Error {}

/**
 * contentOf returns what the result of a tool says: its structured content or, if the host
 * left that out, the JSON in its text. It throws a Refusal if the result is an error.
 */
export function contentOf(result: Params): Params {
  const texts = list(result['content']).map((block) => text(record(block)['text']));
  if (result['isError'] === true) throw new Refusal(texts.join('\n'));
  const structured = result['structuredContent'];
  if (structured !== undefined && structured !== null) return record(structured);
  try {
    return record(JSON.parse(texts.find((block) => block !== '') ?? ''));
  } catch {
    throw new Refusal('');
  }
}

/** pageOf returns the page in the result of a tool. It throws a Refusal if there is none. */
export function pageOf(result: Params): Page {
  const content = contentOf(result);
  if (!Array.isArray(content['DigitalHumans'])) throw new Refusal('');
  const humans = content['DigitalHumans'].map(humanOf).filter((human) => human.id !== '');
  const total = content['Matches'] ?? content['Total'];
  return {
    humans,
    next: typeof content['NextOffset'] === 'number' ? content['NextOffset'] : undefined,
    total: typeof total === 'number' ? total : humans.length,
    complete: content['SearchedAll'] !== false,
    tool: content['Matches'] === undefined ? 'list_digital_humans' : 'find_digital_humans',
  };
}

/** humanOf reads an entry of a list, whatever its Detail was. */
function humanOf(entry: unknown): Human {
  const human = record(entry);
  const full = list(human['Actions']).map((action) => text(record(action)['Action']));
  return {
    id: text(human['DigitalHumanId']),
    name: text(human['Name']),
    isPublic: human['IsPublic'] === true,
    gestures: [...full, ...list(human['Gestures']).map(text)].filter((gesture) => gesture !== ''),
  };
}

/** Criteria says which digital humans the user wants to see. */
export interface Criteria {
  query: string;
  mode: number; // A FetchMode: 1 all, 2 public, 3 the project's own.
  hasGestures: boolean | undefined; // Undefined: with or without gestures.
}

/** criteriaOf returns the criteria that the arguments of a call state. */
export function criteriaOf(args: Params): Criteria {
  const mode = Number(args['FetchMode'] ?? 1);
  return {
    query: text(args['Query']).trim(),
    mode: mode === 2 || mode === 3 ? mode : 1,
    hasGestures: typeof args['HasAction'] === 'boolean' ? args['HasAction'] : undefined,
  };
}

/** toolFor returns the tool that finds what fits criteria. */
export function toolFor({ query, hasGestures }: Criteria): string {
  return query === '' && hasGestures === undefined ? 'list_digital_humans' : 'find_digital_humans';
}

/** argumentsFor returns the arguments of a call of a tool for a page from `offset` on. */
export function argumentsFor(tool: string, { query, mode, hasGestures }: Criteria, offset: number): Params {
  const args: Params = { FetchMode: mode, Detail: 'brief', Offset: offset, Limit: 20 };
  if (tool === 'find_digital_humans' && query !== '') args['Query'] = query;
  if (tool === 'find_digital_humans' && hasGestures !== undefined) args['HasAction'] = hasGestures;
  return args;
}

/** sameCriteria reports whether a and b select the same digital humans. */
export function sameCriteria(a: Criteria, b: Criteria): boolean {
  return a.query === b.query && a.mode === b.mode && a.hasGestures === b.hasGestures;
}

/** selectsAll reports whether criteria leave nobody out. */
export function selectsAll({ query, mode, hasGestures }: Criteria): boolean {
  return query === '' && mode === 1 && hasGestures === undefined;
}

/**
 * fits reports whether a digital human fits criteria, as far as this page can tell: the server
 * also finds Chinese names by their pinyin.
 */
export function fits(human: Human, { query, mode, hasGestures }: Criteria): boolean {
  const words = plain(query).split(/\s+/);
  const searched = plain([human.name, human.id, ...human.gestures].join('\n'));
  return (
    (mode === 1 || human.isPublic === (mode === 2)) &&
    (hasGestures === undefined || human.gestures.length > 0 === hasGestures) &&
    words.every((word) => searched.includes(word))
  );
}

/** plain returns a text without what a search ignores: case, accents and width. */
function plain(value: string): string {
  return value.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
