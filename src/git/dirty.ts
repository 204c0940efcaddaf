import { contentMarks } from './content.ts';
import { filteredPaths } from './filtered.ts';
import type { DirtyPaths } from './repository.ts';
import type { Git } from './safe-git.ts';
import { readHead, readStatus, type StatusEntry } from './status.ts';

/** What is dirty now; taken when a ticket begins. Throws `GitError`. */
export async function readDirty(git: Git): Promise<DirtyPaths> {
  const status = await readStatus(git);
  return { head: status.head, paths: await markEntries(git, status.entries) };
}

/** Each dirty path once, with a mark of its content. */
export async function markEntries(
  git: Git,
  entries: readonly StatusEntry[],
): Promise<DirtyPaths['paths']> {
  const named = new Set(entries.filter((entry) => entry.nameable).map(({ path }) => path));
  const unnamed = new Set(entries.filter((entry) => !entry.nameable).map(({ path }) => path));
  return [
    ...(await contentMarks(git.repository.workTree, [...named])),
    ...[...unnamed].map((path) => [path, 'not UTF-8'] as const),
  ];
}

/**
 * Paths that are dirty now and were not before, or have changed since. Not judged: what a filter
 * stands behind, for only the filter knows whether that differs. Throws `GitError`.
 */
export async function newDirt(git: Git, before: DirtyPaths): Promise<string[]> {
  const earlier = new Map(before.paths);
  const { paths } = await readDirty(git);
  const fresh = paths.filter(([path, mark]) => earlier.get(path) !== mark).map(([path]) => path);
  const filtered = await filteredPaths(git, fresh);
  return fresh.filter((path) => !filtered.has(path));
}

/**
 * Commits reachable from HEAD and not from `head` (null: from nothing), newest first, at most
 * 1,000. Throws `GitError`.
 */
export async function commitsSince(git: Git, head: string | null): Promise<string[]> {
  const now = await readHead(git);
  if (now === null || now === head) return [];
  const known = head === null ? [] : [`^${head}`];
  const found = await git.run([
    'rev-list',
    '--max-count=1000',
    // A commit that was thrown away and collected since excludes nothing.
    '--ignore-missing',
    now,
    ...known,
    '--',
  ]);
  return found
    .toString('latin1')
    .split('\n')
    .filter((line) => line !== '');
}
