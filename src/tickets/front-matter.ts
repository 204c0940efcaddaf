import { isDeepStrictEqual } from 'node:util';
import { Document } from 'yaml';
import { LooperError } from '../errors.ts';
import { parseMapping } from './mapping.ts';
import type { Mapping, Problem } from './mapping.ts';

/**
 * Where the YAML of a markdown file stands. Offsets count UTF-16 units of the text, so
 * `text.slice(0, start) + source + text.slice(end)` is the text again.
 */
export type FrontMatter =
  | {
      readonly kind: 'found';
      /** The lines between the delimiters, with their line ends. */
      readonly source: string;
      readonly start: number;
      readonly end: number;
      /** Where the text after the closing delimiter's line begins. */
      readonly bodyStart: number;
      readonly lineEnd: '\n' | '\r\n';
    }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unclosed'; readonly start: number; readonly lineEnd: '\n' | '\r\n' };

/** The front matter's first line is the file's second. */
export const FIRST_LINE = 2;

const OPENING = /^\ufeff?---[ \t]*\r?$/;
const CLOSING = /^(?:---|\.\.\.)[ \t]*\r?$/;

/**
 * Finds the front matter: the very first line is `---` (a byte order mark may stand before it),
 * the next line that is `---` or `...` ends it. Lines end in LF or CRLF.
 */
export function splitFrontMatter(text: string): FrontMatter {
  const opening = lineAt(text, 0);
  if (!OPENING.test(opening.text)) return { kind: 'missing' };
  const lineEnd = opening.text.endsWith('\r') ? '\r\n' : '\n';
  const start = opening.next;
  let position = start;
  while (position < text.length) {
    const line = lineAt(text, position);
    if (CLOSING.test(line.text)) {
      const source = text.slice(start, position);
      return { kind: 'found', source, start, end: position, bodyStart: line.next, lineEnd };
    }
    position = line.next;
  }
  return { kind: 'unclosed', start, lineEnd };
}

export type ParsedFrontMatter =
  | { readonly ok: true; readonly mapping: Mapping; readonly body: string }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Splits and parses; line numbers in problems and in the mapping are those of the whole file. */
export function parseFrontMatter(text: string): ParsedFrontMatter {
  const found = splitFrontMatter(text);
  if (found.kind === 'missing') {
    return broken(1, `the first line is not "---"`, 'start the file with front matter');
  }
  if (found.kind === 'unclosed') {
    return broken(1, 'the front matter is never closed', 'write a line "---" after its last key');
  }
  const parsed = parseMapping(found.source, FIRST_LINE);
  if (!parsed.ok) return parsed;
  return { ok: true, mapping: parsed.mapping, body: text.slice(found.bodyStart) };
}

/**
 * Sets one key and keeps every other byte: the value's own characters are replaced, a missing key
 * gets a line before the closing delimiter. Only where that would change another key (a flow
 * mapping, a block scalar) the front matter is written anew. Throws `TICKETS_UNREADABLE` when the
 * front matter does not parse or cannot be changed without changing more.
 */
export function setFrontMatterKey(text: string, key: string, value: string | boolean): string {
  const found = splitFrontMatter(text);
  const parsed = parseFrontMatter(text);
  if (found.kind !== 'found' || !parsed.ok) {
    const problem = parsed.ok ? undefined : parsed.problems[0];
    throw new LooperError(
      'TICKETS_UNREADABLE',
      `Cannot set "${key}": ${problem?.message ?? 'no front matter'}. Next: ${problem?.instead ?? 'add it'}.`,
    );
  }
  const { document, values, fields } = parsed.mapping;
  if (values[key] === value) return text;
  const wanted = { ...values, [key]: value };
  const scalar = new Document(value).toString({ lineWidth: 0 }).trimEnd();

  const range = fields.get(key)?.range;
  const candidates = [
    () =>
      range === undefined
        ? `${found.source}${key}: ${scalar}${found.lineEnd}`
        : // `done:` with nothing behind it has an empty value right behind the colon.
          `${found.source.slice(0, range[0])}${range[0] === range[1] ? ' ' : ''}${scalar}${found.source.slice(range[1])}`,
    () => {
      const copy = document.clone();
      copy.set(key, value);
      return copy.toString({ lineWidth: 0 }).replaceAll(/\r?\n/g, found.lineEnd);
    },
  ];
  for (const candidate of candidates) {
    const source = candidate();
    const after = parseMapping(source, FIRST_LINE);
    // Believe an edit only when reading it back gives this change and no other.
    if (after.ok && isDeepStrictEqual(after.mapping.values, wanted)) {
      return text.slice(0, found.start) + source + text.slice(found.end);
    }
  }
  throw new LooperError(
    'TICKETS_UNREADABLE',
    `Cannot set "${key}" without changing other keys (an alias or anchor?). Write "${key}: ${scalar}" by hand.`,
  );
}

function lineAt(text: string, start: number): { text: string; next: number } {
  const newline = text.indexOf('\n', start);
  if (newline === -1) return { text: text.slice(start), next: text.length };
  return { text: text.slice(start, newline), next: newline + 1 };
}

function broken(line: number, message: string, instead: string): ParsedFrontMatter {
  return { ok: false, problems: [{ line, message, instead }] };
}
