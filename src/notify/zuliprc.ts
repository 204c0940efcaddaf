import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LooperError, messageOf, systemErrorCode } from '../errors.ts';

/** A real one has four lines. */
const MAX_FILE_BYTES = 64 * 1024;

export interface ZulipCredentials {
  /** Normalised by `parseSite`. */
  readonly site: string;
  readonly email: string;
  readonly apiKey: string;
  /** For people: `env-only`, or `zuliprc:<path> [<profile>]` when the file gave at least one. */
  readonly source: string;
}

export interface ZulipCredentialSettings {
  /** `ZULIPRC_PATH`; undefined is `~/.zuliprc`, which may be absent. A leading `~/` is the home. */
  readonly rcPath: string | undefined;
  /** `ZULIP_PROFILE`: the section of the file. */
  readonly profile: string;
  readonly site: string | undefined;
  readonly email: string | undefined;
  readonly apiKey: string | undefined;
  readonly home?: string;
}

/**
 * The credentials for Zulip: each value from the environment, else from the file. Null when there is
 * nothing of either; `CONFIG_INVALID` naming what is missing or wrong when there is only a part.
 * `warn` gets a sentence for what works but should not stay so.
 */
export function resolveZulipCredentials(
  settings: ZulipCredentialSettings,
  warn: (sentence: string) => void,
): ZulipCredentials | null {
  const { profile, home = homedir() } = settings;
  const given = { site: settings.site, email: settings.email, key: settings.apiKey };
  const isComplete = Object.values(given).every((value) => value !== undefined);
  const path = expandHome(settings.rcPath ?? '~/.zuliprc', home);
  const text = isComplete ? null : loadZuliprc(path, warn);
  if (text === null && !isComplete && settings.rcPath !== undefined) {
    throw new LooperError(
      'CONFIG_INVALID',
      `ZULIPRC_PATH: ${path} does not exist. Name a file that does, or set ZULIP_SITE, ZULIP_BOT_EMAIL and ZULIP_BOT_API_KEY.`,
    );
  }
  const sections = parseZuliprc(text ?? '');
  const section = sections.get(profile);
  const pick = (key: keyof typeof given) => given[key] ?? (section?.get(key) || undefined);
  const [site, email, apiKey] = [pick('site'), pick('email'), pick('key')];

  if (site === undefined || email === undefined || apiKey === undefined) {
    const isUntouched = Object.values(given).every((value) => value === undefined);
    if (text === null && isUntouched) return null;
    const missing = [
      ...(site === undefined ? ['ZULIP_SITE (site)'] : []),
      ...(email === undefined ? ['ZULIP_BOT_EMAIL (email)'] : []),
      ...(apiKey === undefined ? ['ZULIP_BOT_API_KEY (key)'] : []),
    ];
    throw new LooperError(
      'CONFIG_INVALID',
      `Zulip is configured in part; missing: ${missing.join(', ')}. ${describeFile(path, text, profile, sections)}`,
    );
  }
  const url = parseSite(site);
  if (url.startsWith('http:') && !isLoopback(url)) {
    warn(`ZULIP_SITE: ${url} is not encrypted, the API key can be read on the way. Use https.`);
  }
  const source = isComplete ? 'env-only' : `zuliprc:${path} [${profile}]`;
  return { site: url, email, apiKey, source };
}

/** The sections of an INI file, key names in lower case. Lines outside of a section do not count. */
export function parseZuliprc(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let current: Map<string, string> | undefined;
  for (const line of text.replace(/^\uFEFF/u, '').split(/\r?\n/u)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) continue;
    const name = /^\[(.+)\]$/u.exec(trimmed)?.[1]?.trim();
    if (name !== undefined) {
      current = sections.get(name) ?? new Map<string, string>();
      sections.set(name, current);
      continue;
    }
    // Zulip's own Python client reads `key: value` too.
    const pair = /^([^=:\s]+)\s*[=:]\s*(.*)$/u.exec(trimmed);
    if (pair?.[1] !== undefined) {
      const value = pair[2] ?? '';
      current?.set(pair[1].toLowerCase(), /^(["'])(.*)\1$/u.exec(value)?.[2] ?? value);
    }
  }
  return sections;
}

/** The address below which `/api/v1` is: http or https, without the trailing slash. */
export function parseSite(site: string): string {
  const url = URL.canParse(site) ? new URL(site) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new LooperError(
      'CONFIG_INVALID',
      `ZULIP_SITE: "${site}" is not an http(s) address. Write it like https://zulip.example.com.`,
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    // The value is not repeated: what stands before the @ may be a password.
    throw new LooperError(
      'CONFIG_INVALID',
      `ZULIP_SITE: the address of ${url.host} holds a user name, a query or a fragment. Write only https://${url.host}.`,
    );
  }
  return url.origin + url.pathname.replace(/\/+$/u, '');
}

/** The text of the file, or null when there is none. */
function loadZuliprc(path: string, warn: (sentence: string) => void): string | null {
  let fd: number;
  try {
    // Without O_NONBLOCK a FIFO of that name would hold the start for ever.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw new LooperError('CONFIG_INVALID', `ZULIPRC_PATH: cannot read: ${messageOf(error)}.`, {
      cause: error,
    });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) {
      throw new LooperError(
        'CONFIG_INVALID',
        `ZULIPRC_PATH: ${path} is not a regular file of at most ${MAX_FILE_BYTES} B.`,
      );
    }
    if ((stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
      warn(`${path} holds an API key and others may read it (mode ${mode}): chmod 600 it.`);
    }
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function describeFile(
  path: string,
  text: string | null,
  profile: string,
  sections: ReadonlyMap<string, unknown>,
): string {
  if (text === null) return `Set them, or write them into ${path} below [${profile}].`;
  if (sections.has(profile)) return `Set them, or add them to ${path} below [${profile}].`;
  const names = [...sections.keys()].map((name) => `[${name}]`).join(', ') || 'no section';
  return `Set them; ${path} has no [${profile}] but ${names} (ZULIP_PROFILE chooses).`;
}

function isLoopback(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/u.test(new URL(url).hostname);
}

function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;
}
