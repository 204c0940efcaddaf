import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { LeftAlone } from './choose.ts';
import { standingAt } from './content.ts';
import { GitError } from './git-error.ts';
import type { Git, RunOptions } from './safe-git.ts';
import { readHead, type Status } from './status.ts';

export interface CommitPlan {
  readonly status: Status;
  /** Paths whose present state is committed; relative to the work tree. */
  readonly paths: readonly string[];
  readonly message: string;
}

export interface WrittenCommit {
  /** Null: the paths are what HEAD already holds. */
  readonly commit: string | null;
  readonly files: readonly string[];
  readonly leftAlone: readonly LeftAlone[];
}

/** Added one by one when git refuses one of them, to learn which. */
const MAX_ADDED_SINGLY = 200;
/** An editor that looks at the repository holds its index for a moment. */
const INDEX_LOCK_TRIES = 20;
const INDEX_LOCK_WAIT_MS = 250;

/**
 * Commits exactly `paths` on top of HEAD, by git's building blocks: none of them starts an
 * editor, a hook, a signing program or a clean-up. The tree is made in an index of its own; the
 * person's index gets these paths' new entries and keeps every other one. Throws `GitError`, and
 * then HEAD and the index are as they were.
 */
export async function writeCommit(git: Git, plan: CommitPlan): Promise<WrittenCommit> {
  if (plan.paths.length === 0) return { commit: null, files: [], leftAlone: [] };
  return git.withTemporary(async (folder) => {
    const { head } = plan.status;
    const identity = identityFor(git);
    const own = { indexFile: join(folder, 'index') };
    await git.run(['read-tree', ...(head === null ? ['--empty'] : [head])], own);
    const leftAlone = await stage(git, plan.paths, own);
    const tree = await line(git, ['write-tree', '--missing-ok'], own);
    const headTree =
      head === null
        ? await line(git, ['mktree'], { stdin: '' })
        : await line(git, ['rev-parse', '--verify', `${head}^{tree}`]);
    const changed = parseTreeDiff(
      await git.run(['diff-tree', '-r', '-z', '--no-renames', '--no-ext-diff', headTree, tree]),
    );
    if (changed.length === 0) return { commit: null, files: [], leftAlone };

    const files = changed.map(({ path }) => path);
    const parents = head === null ? [] : ['-p', head];
    const commit = await line(git, ['commit-tree', tree, ...parents, '-F', '-'], {
      stdin: plan.message,
      identity,
    });
    // The index first: should we die in between, the work is staged, not seemingly reverted.
    await writeIndex(git, changed);
    try {
      const subject = plan.message.slice(0, plan.message.indexOf('\n'));
      const none = '0'.repeat(commit.length);
      const log = `commit${head === null ? ' (initial)' : ''}: ${subject}`;
      await git.run(['update-ref', '-m', log, 'HEAD', commit, head ?? none], { identity });
    } catch (error) {
      // A deadline may pass after the work was done.
      if ((await readHead(git)) === commit) return { commit, files, leftAlone };
      await writeIndex(git, earlierEntries(plan.status, changed));
      throw error;
    }
    return { commit, files, leftAlone };
  });
}

interface EntryChange {
  readonly path: string;
  /** Mode `0`: the path leaves the index. */
  readonly mode: string;
  readonly id: string;
}

/** Reads raw `git diff-tree -z`: `:<mode> <mode> <id> <id> <letter>\0<path>\0`; the new side of each. */
export function parseTreeDiff(raw: Buffer): EntryChange[] {
  const parts = raw.toString('utf8').split('\0');
  const changes: EntryChange[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [, mode = '', , id = '', letter] = (parts[at] ?? '').split(' ');
    changes.push({ path: parts[at + 1] ?? '', mode: letter === 'D' ? '0' : mode, id });
  }
  return changes;
}

/** Brings `paths` into the index of `own` as they are on disk. Resolves to what git would not take. */
async function stage(git: Git, paths: readonly string[], own: RunOptions): Promise<LeftAlone[]> {
  const gone: EntryChange[] = [];
  const there: string[] = [];
  for (const path of paths) {
    const standing = await standingAt(git.repository.workTree, path);
    if (standing === 'file' || standing === 'link') there.push(path);
    else gone.push({ path, mode: '0', id: '' });
  }
  // First, so that a file may take the place of a folder.
  await git.run(['update-index', '-z', '--index-info'], { ...own, stdin: indexInfo(git, gone) });
  const add = (some: readonly string[]): Promise<Buffer> =>
    git.run(['update-index', '--add', '--replace', '-z', '--stdin'], {
      ...own,
      stdin: some.map((path) => `${path}\0`).join(''),
    });
  try {
    await add(there);
    return [];
  } catch (error) {
    const isRefusal = error instanceof GitError && error.kind === 'failed';
    if (!isRefusal || there.length > MAX_ADDED_SINGLY) throw error;
  }
  const refused: LeftAlone[] = [];
  for (const path of there) {
    await add([path]).catch((error: unknown) => {
      if (!(error instanceof GitError) || error.kind !== 'failed') throw error;
      refused.push({ path, why: `is not taken by git: ${messageOf(error)}` });
    });
  }
  return refused;
}

async function writeIndex(git: Git, changes: readonly EntryChange[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await git.run(['update-index', '-z', '--index-info'], { stdin: indexInfo(git, changes) });
      break;
    } catch (error) {
      const isLocked = messageOf(error).includes('index.lock');
      if (!isLocked || attempt >= INDEX_LOCK_TRIES) throw error;
      await delay(INDEX_LOCK_WAIT_MS);
    }
  }
  // Sizes and times of the new entries, so that the next look need not read the files. Exit code
  // 1 says that some path differs, which is no failure; a lock at this point costs time only.
  await git.run(['update-index', '-q', '--ignore-submodules', '--refresh'], { accept: [1, 128] });
}

/** What the index held for these paths before `writeIndex`. */
function earlierEntries(status: Status, changes: readonly EntryChange[]): EntryChange[] {
  return changes.map(({ path }) => ({
    path,
    ...(status.index.get(path) ?? { mode: '0', id: '' }),
  }));
}

function indexInfo(git: Git, changes: readonly EntryChange[]): string {
  // A removal wants an id too, of the repository's length, and looks at none.
  const isSha256 = git.repository.settings.some(
    ([key, value]) => key === 'extensions.objectformat' && value === 'sha256',
  );
  const none = '0'.repeat(isSha256 ? 64 : 40);
  return changes
    .map(({ path, mode, id }) => `${mode} ${mode === '0' ? none : id}\t${path}\0`)
    .join('');
}

function identityFor(git: Git): { readonly name: string; readonly email: string } {
  const setting = (key: string): string | undefined =>
    git.repository.settings.find(([name]) => name === key)?.[1].trim() || undefined;
  const name = setting('user.name');
  const email = setting('user.email');
  if (name === undefined || email === undefined) {
    return { name: 'Looper', email: 'looper@localhost' };
  }
  return { name, email };
}

async function line(git: Git, args: readonly string[], options?: RunOptions): Promise<string> {
  return (await git.run(args, options)).toString('latin1').trim();
}
