import { Lexer, isMap, isNode, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { messageOf } from '../errors.ts';
import { oneLine } from './text.ts';

/** What is wrong with a file, where, and what to write instead. */
export interface Problem {
  /** From 1; null when it concerns the whole file. */
  readonly line: number | null;
  readonly message: string;
  readonly instead: string;
}

export interface Field {
  /** Offsets of the value in the source; absent when the value has none of its own. */
  readonly range: readonly [number, number] | undefined;
  /** A scalar as it is written, without its quotes: `1.10` stays `1.10`. */
  readonly source: string | undefined;
}

export interface Mapping {
  readonly document: Document.Parsed;
  readonly values: Readonly<Record<string, unknown>>;
  readonly fields: ReadonlyMap<string, Field>;
  /** The line in its file of what a path leads to, or of the nearest thing above it. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

export type ParsedMapping =
  | { readonly ok: true; readonly mapping: Mapping }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export const MAX_YAML_CHARS = 16_384;
/**
 * Measured with yaml 2.9: 8,192 times `{` kills the process (a regular expression out of memory,
 * not an exception), 65,536 take 165 s. Depth is therefore bounded before the parser sees it.
 */
const MAX_DEPTH = 24;
const SCALAR = '\u001f';
const MAX_ALIASES = 100;
const MAX_PROBLEMS = 5;

/**
 * Parses a YAML 1.2 mapping with string keys from an untrusted source: bounded in length, depth and
 * aliases; custom tags stay plain values. `firstLine` is the source's first line in its file.
 */
export function parseMapping(source: string, firstLine = 1): ParsedMapping {
  if (source.length > MAX_YAML_CHARS) {
    return broken(
      firstLine,
      `the YAML is ${source.length} characters long, more than ${MAX_YAML_CHARS}`,
      'move long text below the front matter',
    );
  }
  if (isTooDeep(source)) {
    return broken(firstLine, `values are nested deeper than ${MAX_DEPTH}`, 'write flat keys');
  }
  const lineAt = (offset: number): number => firstLine + countNewlines(source, offset);
  const document = parseDocument(source, {
    prettyErrors: false,
    // Warnings would go to the process (`process.emitWarning`), not to the reader of the ticket.
    logLevel: 'error',
    stringKeys: true,
  });
  if (document.errors.length > 0) {
    const problems = document.errors.slice(0, MAX_PROBLEMS).map((error) => ({
      line: lineAt(error.pos[0]),
      message: `not valid YAML: ${oneLine(error.message)}`,
      instead: 'one "key: value" per line; quote a value that holds ": " or starts with a symbol',
    }));
    return { ok: false, problems };
  }
  if (document.contents === null) {
    return broken(firstLine, 'no keys', 'write one "key: value" per line');
  }
  if (!isMap(document.contents)) {
    return broken(firstLine, 'not a mapping of keys to values', 'write one "key: value" per line');
  }

  let values: Record<string, unknown>;
  try {
    values = document.toJS({ maxAliasCount: MAX_ALIASES }) as Record<string, unknown>;
  } catch (error) {
    return broken(firstLine, oneLine(messageOf(error)), 'write the values out instead of aliases');
  }
  const fields = new Map<string, Field>();
  for (const { key, value } of document.contents.items) {
    if (!isScalar(key)) continue;
    const range = value?.range;
    fields.set(String(key.value), {
      range: range ? [range[0], range[1]] : undefined,
      source: isScalar(value) ? value.source : undefined,
    });
  }
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true);
      const range = isNode(node) ? node.range : undefined;
      if (range) return lineAt(range[0]);
    }
    return firstLine;
  };
  return { ok: true, mapping: { document, values, fields, lineOf } };
}

/**
 * Whether YAML is nested deeper than the parser can be trusted with. The lexer is linear and keeps
 * no tree: brackets that are open, and indicators on one line.
 */
export function isTooDeep(source: string): boolean {
  let brackets = 0;
  let indicators = 0;
  let isContent = false;
  for (const token of new Lexer().lex(source)) {
    if (isContent) {
      isContent = false;
    } else if (token === SCALAR) {
      // The token after this mark is a scalar's text, whatever it looks like.
      isContent = true;
    } else if (token === '[' || token === '{') {
      brackets += 1;
    } else if (token === ']' || token === '}') {
      brackets -= 1;
    } else if (token === '\n' || token === '\r\n') {
      indicators = 0;
    } else if (token === '?' || (brackets <= 0 && (token === '-' || token === ':'))) {
      // Inside brackets a long line of `key: value` pairs is flat; `? ? ?` never is.
      indicators += 1;
    }
    if (brackets > MAX_DEPTH || indicators > MAX_DEPTH) return true;
  }
  return false;
}

function countNewlines(source: string, end: number): number {
  let count = 0;
  for (let at = source.indexOf('\n'); at !== -1 && at < end; at = source.indexOf('\n', at + 1)) {
    count += 1;
  }
  return count;
}

function broken(line: number, message: string, instead: string): ParsedMapping {
  return { ok: false, problems: [{ line, message, instead }] };
}
