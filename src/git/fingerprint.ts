import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { contentMarks } from './content.ts';
import { GitError } from './git-error.ts';
import type { Git } from './safe-git.ts';
import { NEVER_COUNTED, readStatus, SUBMODULE_MODE } from './status.ts';
import { walk, WALK_LIMITS, type WalkLimits } from './walk.ts';

/**
 * A hex string that changes when the work in the workspace does: HEAD, index, and the content of
 * whatever is not committed. Without a repository, and in the repositories inside one, path, size
 * and time of every file instead. `.looper/` and `.codex-autorunner/` do not count, nor does
 * `exclude` (paths relative to the workspace). Null: too much to look at, or git failed, so nobody
 * knows whether anything changed.
 */
export async function fingerprint(
  git: Git | null,
  workspace: string,
  exclude: readonly string[] = [],
  limits: WalkLimits = WALK_LIMITS,
): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    const known =
      git === null
        ? await addFolder(hash, workspace, [...NEVER_COUNTED, ...exclude], limits)
        : await addRepository(hash, git, exclude, limits);
    return known ? hash.digest('hex') : null;
  } catch (error) {
    if (error instanceof GitError) return null;
    throw error;
  }
}

type Hash = ReturnType<typeof createHash>;

async function addRepository(
  hash: Hash,
  git: Git,
  exclude: readonly string[],
  limits: WalkLimits,
): Promise<boolean> {
  const { workTree, prefix } = git.repository;
  const status = await readStatus(git, exclude);
  hash.update(JSON.stringify([status.head, status.raw.toString('latin1')]));
  const named = status.entries.filter((entry) => entry.nameable).map((entry) => entry.path);
  const nested = named.filter((path) => path.endsWith('/'));
  const files = named.filter((path) => !path.endsWith('/'));
  hash.update(JSON.stringify(await contentMarks(workTree, files)));

  for (const [path, entry] of status.index) {
    const isOurs = prefix === '' || path.startsWith(`${prefix}/`);
    if (entry.mode === SUBMODULE_MODE && isOurs) nested.push(path);
  }
  for (const path of nested) {
    if (!(await addFolder(hash, join(workTree, path), [], limits))) return false;
  }
  return true;
}

async function addFolder(
  hash: Hash,
  folder: string,
  exclude: readonly string[],
  limits: WalkLimits,
): Promise<boolean> {
  const lines = await walk(folder, exclude, limits);
  if (lines === null) return false;
  hash.update(JSON.stringify([folder, lines]));
  return true;
}
