import { isatty } from 'node:tty';

/** Where a verb writes: data to stdout, messages to stderr. */
export interface Output {
  /** Resolves when it is written, so that a slow reader slows us down; rejects when it has gone. */
  readonly data: (bytes: string | Uint8Array) => Promise<void>;
  /** One line of JSON, two blanks deep for a person at a terminal. */
  readonly json: (value: unknown) => Promise<void>;
  /** A line for the person at the terminal, or for the log of a script. */
  readonly message: (line: string) => void;
  /** Replaces the live line at the bottom of the terminal; '' removes it. */
  readonly live: (line: string) => void;
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
  /** Whether there can be a live line. */
  readonly isLive: boolean;
  readonly colours: boolean;
  readonly columns: () => number;
}

type Stream = NodeJS.WriteStream & { readonly fd: number };

const CLEAR_LINE = '\r\u001b[K';
const DEFAULT_COLUMNS = 80;

/**
 * `environment`: NO_COLOR (no-color.org: any value but an empty one) and TERM. The live line goes to
 * stderr and makes room for whatever is written meanwhile, since both are the same screen.
 */
export function createOutput(
  stdout: Stream,
  stderr: Stream,
  environment: Readonly<Record<string, string | undefined>>,
): Output {
  const isDumb = environment['TERM'] === 'dumb';
  const isTerminal = isatty(stdout.fd);
  const isLive = isatty(stderr.fd) && !isDumb;
  let shown = '';

  const data = (bytes: string | Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      const line = shown;
      if (line !== '') stderr.write(CLEAR_LINE);
      stdout.write(bytes, (error) => {
        if (error == null) resolve();
        else reject(error);
      });
      if (line !== '') stderr.write(line);
    });

  return {
    data,
    json: (value) => data(`${toJson(value, isTerminal ? 2 : 0)}\n`),
    message: (line) => {
      stderr.write(`${shown === '' ? '' : CLEAR_LINE}${line}\n${shown}`);
    },
    live: (line) => {
      if (!isLive || line === shown) return;
      shown = line;
      stderr.write(CLEAR_LINE + line);
    },
    isTerminal,
    isLive,
    colours: isTerminal && !isDumb && (environment['NO_COLOR'] ?? '') === '',
    // A terminal that was given no size says 0.
    columns: () => stderr.columns || stdout.columns || DEFAULT_COLUMNS,
  };
}

/**
 * JSON that a terminal shows and does not obey: what an agent wrote may hold control characters and
 * such that reorder text, of which JSON itself escapes only the first 32.
 */
export function toJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replaceAll(
    /[\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
