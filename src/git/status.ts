import { isUtf8 } from 'node:buffer';
import { GitError } from './git-error.ts';
import type { Git } from './safe-git.ts';

/** Looper's own files and those of the ticket tool whose packs it runs: never counted as work. */
export const NEVER_COUNTED = ['.looper', '.codex-autorunner'];

export interface StatusEntry {
  readonly kind: 'changed' | 'untracked' | 'unmerged';
  /** Relative to the work tree, with `/`; a repository inside it ends with one. */
  readonly path: string;
  /** False where the name is not UTF-8: `path` is then only good to be shown. */
  readonly nameable: boolean;
}

export interface Status {
  /** Commit of HEAD, null before the first commit. */
  readonly head: string | null;
  readonly entries: readonly StatusEntry[];
  /** What git said, byte for byte: states, modes and object ids of the index too. */
  readonly raw: Buffer;
  /** The index, by path. */
  readonly index: ReadonlyMap<string, IndexEntry>;
}

export interface IndexEntry {
  readonly mode: string;
  readonly id: string;
}

export const SUBMODULE_MODE = '160000';

/** Commit of HEAD, null before the first commit. Throws `GitError`. */
export async function readHead(git: Git): Promise<string | null> {
  const answer = await git.run(['rev-parse', '--verify', '--quiet', 'HEAD'], { accept: [1] });
  const head = answer.toString('latin1').trim();
  return head === '' ? null : head;
}

/**
 * What differs from HEAD in the workspace, without `NEVER_COUNTED` and `exclude` (paths relative
 * to the workspace). Submodules and repositories inside it are not entered: they could lead
 * anywhere. Renames are shown as what they are on disk, a path that is gone and a path that is new.
 */
export async function readStatus(git: Git, exclude: readonly string[] = []): Promise<Status> {
  const index = parseIndex(await git.run(['ls-files', '--stage', '-z']));
  const submodules = [...index].filter(([, entry]) => entry.mode === SUBMODULE_MODE);
  const below = (path: string): string =>
    git.repository.prefix === '' ? path : `${git.repository.prefix}/${path}`;
  const raw = await git.run([
    'status',
    '--porcelain=v2',
    '--branch',
    '--no-ahead-behind',
    '-z',
    '--untracked-files=all',
    '--ignore-submodules=all',
    '--no-renames',
    '--',
    ...(git.repository.prefix === '' ? [] : [`:(top,literal)${git.repository.prefix}`]),
    ...[...NEVER_COUNTED, ...exclude].map((path) => `:(top,exclude,literal)${below(path)}`),
    ...submodules.map(([path]) => `:(top,exclude,literal)${path}`),
  ]);
  return { ...parseStatus(raw), raw, index };
}

/**
 * Reads `git status --porcelain=v2 --branch -z` as asked for above. Throws `GitError` for a record
 * that cannot be there, rather than to overlook a change.
 */
export function parseStatus(raw: Buffer): Pick<Status, 'head' | 'entries'> {
  let head: string | null = null;
  const entries: StatusEntry[] = [];
  for (const record of records(raw)) {
    const oid = /^# branch\.oid ([0-9a-f]+)$/.exec(record)?.[1];
    if (oid !== undefined) head = oid;
    if (record.startsWith('# ')) continue;
    const kind = KINDS[record.slice(0, 2)];
    const path = kind === undefined ? undefined : fieldsThenPath(record, FIELDS_BEFORE_PATH[kind]);
    if (kind === undefined || path === undefined) {
      throw new GitError('failed', `git status gave an unknown record: ${record.slice(0, 100)}`);
    }
    entries.push({ kind, ...decodeName(path) });
  }
  return { head, entries };
}

const KINDS: Readonly<Record<string, StatusEntry['kind']>> = {
  '1 ': 'changed',
  'u ': 'unmerged',
  '? ': 'untracked',
};
/** The record's letter included. */
const FIELDS_BEFORE_PATH = { changed: 8, unmerged: 10, untracked: 1 };

/** Reads `git ls-files --stage -z`: `<mode> <id> <stage>\t<path>`. */
export function parseIndex(raw: Buffer): Map<string, IndexEntry> {
  const entries = new Map<string, IndexEntry>();
  for (const record of records(raw)) {
    const [mode = '', id = ''] = record.split(' ', 2);
    const { path, nameable } = decodeName(record.slice(record.indexOf('\t') + 1));
    if (nameable) entries.set(path, { mode, id });
  }
  return entries;
}

/** One character per byte: names are bytes until they are known to be UTF-8. */
function records(raw: Buffer): string[] {
  return raw
    .toString('latin1')
    .split('\0')
    .filter((record) => record !== '');
}

function fieldsThenPath(record: string, fields: number): string | undefined {
  let at = 0;
  for (let field = 0; field < fields; field += 1) {
    const space = record.indexOf(' ', at);
    if (space === -1) return undefined;
    at = space + 1;
  }
  return at < record.length ? record.slice(at) : undefined;
}

function decodeName(bytes: string): { readonly path: string; readonly nameable: boolean } {
  const name = Buffer.from(bytes, 'latin1');
  return { path: name.toString('utf8'), nameable: isUtf8(name) };
}
