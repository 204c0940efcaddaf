/**
 * What a line shown to people must not hold: control characters, line separators, and the
 * characters that reorder or hide text (bidirectional controls, zero-width ones, byte order mark).
 */
const UNPRINTABLE =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Whether `text` can be shown on one line as it is. */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE) === -1;
}

/** A file name for people: what cannot be printed becomes `\u{…}`, so nothing is hidden or moved. */
export function printable(name: string): string {
  return name.replace(UNPRINTABLE, (char) => `\\u{${char.codePointAt(0)?.toString(16) ?? ''}}`);
}

/**
 * Text on one line: runs of blanks and unprintable characters become one blank, and what is
 * longer than `max` characters ends in an ellipsis. For titles in logs, commits and messages.
 */
export function oneLine(text: string, max = 200): string {
  // Long before the cut, so that a body of a megabyte is not scanned for its title.
  const flat = text
    .slice(0, max * 8)
    .replace(UNPRINTABLE, ' ')
    .replace(/\s+/gu, ' ')
    .trim();
  const chars = Array.from(flat);
  return chars.length <= max ? flat : `${chars.slice(0, max - 1).join('')}…`;
}

/** A value inside a sentence: JSON, cut short. */
export function shown(value: unknown, max = 60): string {
  // undefined and functions have no JSON; neither comes out of YAML, but the type says it may.
  const json = (JSON.stringify(value) as string | undefined) ?? String(value);
  return oneLine(json, max);
}

/** The first `max` bytes of a text in UTF-8, never half a character. */
export function headBytes(text: string, max: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= max) return text;
  let end = Math.max(0, max);
  // 10xxxxxx continues a character: step back to where it began.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

/** The last `max` bytes of a text in UTF-8, never half a character. */
export function tailBytes(text: string, max: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= max) return text;
  let start = bytes.length - Math.max(0, max);
  while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.toString('utf8', start);
}
