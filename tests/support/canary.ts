import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Secrets that exist once in the world, so that whatever holds one has got it from Looper. */
export interface Canaries {
  /** Makes one; `prefix` where a secret has to begin in a certain way. */
  add(name: string, prefix?: string): string;
  /** Another value that gives one away: the whole of a header, of an address. */
  also(name: string, value: string): void;
  /** Names of the secrets in a text: plain, as Base64, as part of a URL or of a JSON string. */
  in(text: string): string[];
}

export function createCanaries(): Canaries {
  const forms: { readonly name: string; readonly form: string }[] = [];
  const also = (name: string, value: string): void => {
    for (const form of [
      value,
      Buffer.from(value).toString('base64'),
      Buffer.from(value).toString('base64url'),
      encodeURIComponent(value),
      JSON.stringify(value).slice(1, -1),
    ]) {
      forms.push({ name, form });
    }
  };
  return {
    add: (name, prefix = 'canary') => {
      const value = prefix + randomBytes(24).toString('hex');
      also(name, value);
      return value;
    },
    also,
    in: (text) => [
      ...new Set(forms.flatMap(({ name, form }) => (text.includes(form) ? [name] : []))),
    ],
  };
}

/** Every file below a folder that holds a canary, by its path from there. */
export function filesWith(canaries: Canaries, root: string): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const path = join(root, name);
    if (!lstatSync(path).isFile()) continue;
    const secrets = canaries.in(`${name}\n${readFileSync(path, 'latin1')}`);
    if (secrets.length > 0) found[name] = secrets;
  }
  return found;
}

/** What a process that held a canary was called, and where it held it. */
export interface Holder {
  readonly argv: string;
  readonly what: 'argv' | 'environ';
  readonly names: readonly string[];
}

/**
 * Looks again and again into what can be read of processes; what holds nothing is left out. A child
 * that was forked a moment ago has its parent's arguments and environment still.
 */
export function watchProcesses(canaries: Canaries, everyMs = 30): { stop(): Holder[] } {
  const found = new Map<string, Holder>();
  const look = (): void => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      // First, so that a name that belongs to an older environment is never the new program's.
      const argv = readProc(pid, 'cmdline').replaceAll('\0', ' ').trim();
      const note = (what: Holder['what'], text: string): void => {
        const names = canaries.in(text);
        if (names.length > 0) found.set(`${pid} ${what} ${argv}`, { argv, what, names });
      };
      note('argv', argv);
      note('environ', readProc(pid, 'environ'));
    }
  };
  const timer = setInterval(look, everyMs);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return [...found.values()];
    },
  };
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    // It has ended, or belongs to somebody else.
    return '';
  }
}
