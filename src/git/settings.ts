import { isAbsolute, join } from 'node:path';

export type Settings = readonly (readonly [key: string, value: string])[];

/** One line of a git configuration; keys as git prints them, in lower case where it ignores case. */
export interface ConfigEntry {
  readonly key: string;
  readonly value: string;
}

/** How content is stored and who commits. None of these names a program or a file. */
const FROM_ANYWHERE = [
  'core.filemode',
  'core.symlinks',
  'core.ignorecase',
  'core.precomposeunicode',
  'core.autocrlf',
  'core.eol',
  'core.trustctime',
  'core.checkstat',
  'core.logallrefupdates',
  'core.sharedrepository',
  'core.sparsecheckout',
  'core.sparsecheckoutcone',
  'user.name',
  'user.email',
];
/** Without these the repository would be misread. */
const FROM_REPOSITORY = [
  'core.repositoryformatversion',
  'extensions.objectformat',
  'extensions.compatobjectformat',
  'extensions.refstorage',
];
/** Files of patterns: taken where the person named them, never where the repository does. */
const PERSON_FILES = [
  { key: 'core.excludesfile', standard: 'ignore' },
  { key: 'core.attributesfile', standard: 'attributes' },
];
/** Extensions that change nothing for Looper's calls, or that it handles itself. */
const HARMLESS_EXTENSIONS = new Set([
  'noop',
  'noop-v1',
  'partialclone',
  'preciousobjects',
  'relativeworktrees',
  'worktreeconfig',
]);

/** Reads `git config --list -z`: `key\nvalue\0`, a key alone being true. */
export function parseConfigList(text: string): ConfigEntry[] {
  return text
    .split('\0')
    .filter((record) => record !== '')
    .map((record) => {
      const end = record.indexOf('\n');
      if (end === -1) return { key: record, value: 'true' };
      return { key: record.slice(0, end), value: record.slice(end + 1) };
    });
}

/** Reads `git config --list -z --show-scope`: a scope before each entry. */
export function parseScopedConfigList(text: string): (ConfigEntry & { readonly scope: string })[] {
  const parts = text.split('\0');
  const entries: (ConfigEntry & { readonly scope: string })[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [entry] = parseConfigList(`${parts[at + 1] ?? ''}\0`);
    if (entry !== undefined) entries.push({ ...entry, scope: parts[at] ?? '' });
  }
  return entries;
}

export function valueOf(entries: readonly ConfigEntry[], key: string): string | undefined {
  return entries.findLast((entry) => entry.key === key)?.value;
}

/**
 * The only settings that Looper's git calls ever see, chosen from the person's configuration and
 * the repository's by a list of harmless keys: what git may learn to execute next year is not on
 * it either. Returns a sentence when the repository uses an extension that Looper does not know.
 */
export function chooseSettings(sources: {
  readonly person: readonly ConfigEntry[];
  readonly repository: readonly ConfigEntry[];
  readonly home: string;
  readonly configHome: string | undefined;
}): Settings | string {
  const { person, repository } = sources;
  const unknown = repository.find(
    ({ key }) =>
      key.startsWith('extensions.') &&
      !FROM_REPOSITORY.includes(key) &&
      !HARMLESS_EXTENSIONS.has(key.slice('extensions.'.length)),
  );
  if (unknown !== undefined) return `it uses ${unknown.key}, which Looper does not know`;

  const chosen: [string, string][] = [];
  const take = (key: string, value: string | undefined): void => {
    if (value !== undefined) chosen.push([key, value]);
  };
  for (const key of FROM_ANYWHERE) take(key, valueOf([...person, ...repository], key));
  for (const key of FROM_REPOSITORY) take(key, valueOf(repository, key));
  const configHome = sources.configHome ?? join(sources.home, '.config');
  for (const { key, standard } of PERSON_FILES) {
    const named = valueOf(person, key) ?? join(configHome, 'git', standard);
    const path = named.startsWith('~/') ? join(sources.home, named.slice(2)) : named;
    if (isAbsolute(path)) take(key, path);
  }
  return chosen;
}

/** The text of a git configuration file that holds these settings and nothing else. */
export function configText(settings: Settings): string {
  return settings
    .map(([key, value]) => {
      const dot = key.indexOf('.');
      return `[${key.slice(0, dot)}]\n\t${key.slice(dot + 1)} = ${quoted(value)}\n`;
    })
    .join('');
}

function quoted(value: string): string {
  const escaped = value.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\t', '\\t');
  return `"${escaped}"`;
}
