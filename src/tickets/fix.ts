import { messageOf } from '../errors.ts';
import { parseFrontMatter, setFrontMatterKey, splitFrontMatter } from './front-matter.ts';
import { parseMapping } from './mapping.ts';
import type { Queue } from './queue.ts';
import { printable } from './text.ts';
import { readTicketFile, writeTicketFile } from './ticket-file.ts';
import { parseTicket } from './ticket.ts';

export interface FixedTicket {
  readonly fileName: string;
  /** One sentence each. */
  readonly changes: readonly string[];
}

export interface FixResult {
  readonly fixed: readonly FixedTicket[];
  /** Tickets that could have been fixed but not written. */
  readonly failed: readonly { readonly fileName: string; readonly reason: string }[];
}

/** Writes what is safe to write into the bad tickets of a queue; load it again afterwards. */
export function fixTickets(queue: Queue): FixResult {
  const fixed: FixedTicket[] = [];
  const failed: { fileName: string; reason: string }[] = [];
  for (const entry of queue.entries) {
    if (entry.kind !== 'bad') continue;
    const fileName = printable(entry.fileName);
    try {
      const file = readTicketFile(queue.directory, entry.fileName);
      if (file.kind !== 'text') continue;
      const { text, changes } = fixTicketText(entry.fileName, file.text);
      if (changes.length === 0) continue;
      writeTicketFile(queue.directory, entry.fileName, text, file.state);
      fixed.push({ fileName, changes });
    } catch (error) {
      failed.push({ fileName, reason: messageOf(error) });
    }
  }
  return { fixed, failed };
}

/** The text with everything fixed that has one meaning only; no changes when there is no such thing. */
export function fixTicketText(
  fileName: string,
  text: string,
): { readonly text: string; readonly changes: readonly string[] } {
  const changes: string[] = [];
  let result = text;
  const closed = closeFrontMatter(text);
  if (closed !== null) {
    result = closed.text;
    changes.push(`closed the front matter after line ${closed.line}`);
  }
  const parsed = parseFrontMatter(result);
  if (!parsed.ok) return { text, changes: [] };
  const { values } = parsed.mapping;

  const done = meantAsBoolean(values['done']);
  if (done !== null && values['done'] !== done) {
    result = setFrontMatterKey(result, 'done', done);
    changes.push(`done: ${JSON.stringify(values['done'])} became ${done}`);
  }
  for (const key of ['agent', 'ticket_id', 'model', 'reasoning']) {
    const value = values[key];
    if (typeof value !== 'string' || value === value.trim() || value.trim() === '') continue;
    result = setFrontMatterKey(result, key, value.trim());
    changes.push(`${key}: trimmed`);
  }
  // A front matter that was closed by guess must make a good ticket, or the guess was none.
  if (closed !== null && !parseTicket(fileName, result).ok) return { text, changes: [] };
  return { text: result, changes };
}

const BOOLEANS = new Map<string, boolean>([
  ...['true', 'yes', 'y', '1'].map((word) => [word, true] as const),
  ...['false', 'no', 'n', '0'].map((word) => [word, false] as const),
]);

function meantAsBoolean(value: unknown): boolean | null {
  if (!['string', 'number', 'boolean', 'bigint'].includes(typeof value)) return null;
  return BOOLEANS.get(String(value).trim().toLowerCase()) ?? null;
}

const KEY_LINE = /^[A-Za-z_][\w-]*:(?:[ \t].*)?$/;
const CONTINUATION = /^(?:[ \t]+\S.*|- .*)$/;
const OWN_KEY = /^(?:agent|done|ticket_id|title|goal|model|reasoning|context):/m;

/**
 * Unambiguous: the keys stand together at the top, end at a blank line, a heading or the end of
 * the file, and none of ours follows below.
 */
function closeFrontMatter(text: string): { text: string; line: number } | null {
  const found = splitFrontMatter(text);
  if (found.kind !== 'unclosed') return null;
  const lines = text.slice(found.start).split('\n');
  let count = 0;
  for (const line of lines.map((raw) => raw.replace(/\r$/, ''))) {
    if (line.trim() === '' || /^#{1,6} /.test(line)) break;
    if (!KEY_LINE.test(line) && !(count > 0 && CONTINUATION.test(line))) return null;
    count += 1;
  }
  const head = lines.slice(0, count).join('\n') + (count < lines.length ? '\n' : '');
  const rest = text.slice(found.start + head.length);
  if (count === 0 || OWN_KEY.test(rest) || !parseMapping(head).ok) return null;
  const source = head.endsWith('\n') ? head : head + found.lineEnd;
  const result = `${text.slice(0, found.start)}${source}---${found.lineEnd}${rest}`;
  return { text: result, line: count + 1 };
}
