import { validate as isCron } from 'node-cron';
import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { isPlainName } from '../plain-name.ts';
import { hostName } from '../host-name.ts';

/** Timers of Node fire at once when their delay does not fit in 31 bits. */
export const MAX_TIMER_SECONDS = 2_147_483;

/**
 * One variable: text in, value out. `read` answers undefined when the text does not fit; `allowed`
 * continues the sentence `LOOPER_X="text" …` of the error.
 */
function field<T>(allowed: string, read: (text: string) => T | undefined) {
  return z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: allowed });
    return z.NEVER;
  });
}

export const text = z.string();

/** One of several words, some of which may mean the same; `allowed` lists them unless given. */
export function word<const T>(
  meanings: Readonly<Record<string, T>>,
  allowed = `must be one of ${Object.keys(meanings).join(', ')}`,
) {
  const known = new Map(Object.entries(meanings));
  return field(allowed, (given) => known.get(given.toLowerCase()));
}

/** What codex takes as a model: no blank, no leading dash. */
export const plainName = field(
  'must be up to 128 letters, digits and . _ : / @ + - , beginning with a letter or a digit',
  (given) => (isPlainName(given) ? given : undefined),
);

export function oneOf<const T extends string>(...values: readonly T[]) {
  return field(`must be one of ${values.join(', ')}`, (given) =>
    values.find((value) => value === given.toLowerCase()),
  );
}

export const flag = word<boolean>(
  { 1: true, true: true, yes: true, on: true, 0: false, false: false, no: false, off: false },
  'must be 0 or 1',
);

export function wholeNumber(min: number, max: number) {
  return field(`must be a whole number from ${min} to ${max}`, (given) => {
    if (!/^\d{1,16}$/.test(given)) return undefined;
    const value = Number(given);
    return value >= min && value <= max ? value : undefined;
  });
}

/** Seconds, decimals allowed, read as whole milliseconds. */
export function seconds(min: number, max = MAX_TIMER_SECONDS) {
  return field(`must be a number of seconds from ${min} to ${max}`, (given) => {
    if (!/^\d{1,10}(?:\.\d{1,9})?$/.test(given)) return undefined;
    const value = Number(given);
    return value >= min && value <= max ? Math.round(value * 1000) : undefined;
  });
}

export const host = field('must be an address or a host name, without scheme and port', (given) =>
  hostEntry(given),
);

export const hostList = field(
  'must be host names or addresses separated by commas, each without scheme, port and path',
  (given) => {
    const names = parts(given, ',').map(hostEntry);
    return names.every((name) => name !== undefined) ? names : undefined;
  },
);

function hostEntry(given: string): string | undefined {
  // The colon first: the pattern behind `isIPv6` takes 5 ms to compile.
  if (given.includes(':') && isIPv6(given)) return hostName(`[${given}]`);
  // `[::1]` may be written with its brackets; any other colon would be a port.
  return given.includes(':') && !given.endsWith(']') ? undefined : hostName(given);
}

/** A header carries it, so only what every client can put into one. Its length is checked with the host. */
export const token = field('must be printable ASCII characters without blanks', (given) =>
  /^[\x21-\x7e]+$/.test(given) ? given : undefined,
);

export const httpUrl = field('must be an http:// or https:// address without user name', (given) =>
  plainUrl(given),
);

/** The trigger address as in the original Looper, with or without `/run`; read as what is before it. */
export const triggerUrl = field(
  'must be an http:// or https:// address without user name, query and fragment',
  (given) => {
    const url = plainUrl(given);
    if (url === undefined || /[?#]/.test(url)) return undefined;
    return url.replace(/\/(?:run\/?)?$/, '');
  },
);

function plainUrl(given: string): string | undefined {
  if (!URL.canParse(given)) return undefined;
  const url = new URL(given);
  const plain = url.username === '' && url.password === '';
  return plain && ['http:', 'https:'].includes(url.protocol) ? url.href : undefined;
}

export const cron = field('must be a cron expression such as "*/10 * * * *"', (given) =>
  isCron(given) ? given : undefined,
);

/** Extra arguments for the agent: a JSON array of strings, or words separated by blanks. */
export const args = field(
  'must be a JSON array of strings, or words separated by blanks',
  (given) => {
    const list = given.startsWith('[') ? parseJson(given) : given.split(/\s+/);
    const parsed = z.array(z.string().regex(/^[^\0]*$/)).safeParse(list);
    return parsed.success ? parsed.data : undefined;
  },
);

function parseJson(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    return undefined;
  }
}

/** The non-blank parts of a list. */
export function parts(given: string, separator: string): string[] {
  return given
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
