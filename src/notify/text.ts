import { basename } from 'node:path';

/** Escape sequences of terminals: OSC that ends on its line (links, titles), CSI (colours), short ones. */
const ANSI_SEQUENCE =
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  /\u001B\][^\u0007\u001B\n]*(?:\u0007|\u001B\\)|(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|\u001B[ -/]*[0-~]/gu;

/** What is left of control characters, and the marks that reorder what a reader sees. */
const INVISIBLE = /(?![\n\t])\p{Cc}|[\u202A-\u202E\u2066-\u2069]/gu;

/**
 * Text of an agent or of a webhook as a chat may show it: terminal colours dropped, line ends made
 * `\n`, any other control character and bidi override made visible as U+FFFD.
 */
export function neutraliseControls(text: string): string {
  return text.replace(ANSI_SEQUENCE, '').replace(/\r\n?/gu, '\n').replace(INVISIBLE, '\uFFFD');
}

/**
 * Shortens to `limit` code points, `marker` included. Never splits a code point (a surrogate half
 * would arrive as U+FFFD).
 */
export function cutToLimit(text: string, limit: number, marker: string): string {
  // At most two UTF-16 units make a code point, so this holds the first limit + 1 of any text.
  const head = Array.from(text.slice(0, 2 * (limit + 1)));
  if (head.length <= limit) return text;
  return head.slice(0, limit - Array.from(marker).length).join('') + marker;
}

/** The same for a limit in UTF-8 bytes. */
export function cutToBytes(text: string, limit: number, marker: string): string {
  if (Buffer.byteLength(text) <= limit) return text;
  const room = limit - Buffer.byteLength(marker);
  // A sequence that the cut splits ends in U+FFFD, which then goes too.
  const head = Buffer.from(text)
    .subarray(0, room)
    .toString('utf8')
    .replace(/\uFFFD+$/u, '');
  return head + marker;
}

/** Which workspace, what: for a line above a message. */
export function headline(message: {
  readonly kind: string;
  readonly workspace?: string | null | undefined;
}): string {
  const where = message.workspace == null ? '' : ` ${basename(message.workspace)}`;
  const line = neutraliseControls(`Looper${where}: ${message.kind.replaceAll('_', ' ')}`);
  return line.replace(/\s+/gu, ' ');
}
