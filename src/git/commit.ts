import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { chooseWork, type LeftAlone } from './choose.ts';
import { markEntries } from './dirty.ts';
import { filteredPaths } from './filtered.ts';
import { GitError } from './git-error.ts';
import { statsOf } from './marks.ts';
import { commitMessage } from './message.ts';
import type { DirtyPaths } from './repository.ts';
import type { Git } from './safe-git.ts';
import { readStatus } from './status.ts';
import { writeCommit } from './write-commit.ts';

export interface TicketCommit {
  /** From `readDirty` when the ticket began. */
  readonly before: DirtyPaths;
  readonly title: string;
  readonly id: string;
  readonly runId: string;
  /** Absolute. Goes into the commit where git tracks it, in whatever state it is. */
  readonly ticketPath: string;
}

export type CommitResult =
  | {
      readonly kind: 'committed';
      readonly commit: string;
      readonly files: readonly string[];
      readonly leftAlone: readonly LeftAlone[];
    }
  | { readonly kind: 'nothing'; readonly leftAlone: readonly LeftAlone[] }
  | { readonly kind: 'failed'; readonly message: string };

/** What git leaves in its directory while it waits for a person to finish something. */
const UNDER_WAY: readonly (readonly [file: string, what: string])[] = [
  ['MERGE_HEAD', 'merge'],
  ['CHERRY_PICK_HEAD', 'cherry-pick'],
  ['REVERT_HEAD', 'revert'],
  ['rebase-merge', 'rebase'],
  ['rebase-apply', 'rebase'],
  ['sequencer', 'sequence of commits'],
  ['BISECT_LOG', 'bisect'],
];

/**
 * Commits what a finished ticket has changed in the workspace: what was clean when it began and is
 * dirty now. What the person has staged for other paths, their own changes, and everything
 * outside the workspace stay as they are. Never throws for a git that failed; then nothing has
 * changed and the message says why.
 */
export async function commitTicket(git: Git, ticket: TicketCommit): Promise<CommitResult> {
  try {
    return await commit(git, ticket);
  } catch (error) {
    if (error instanceof GitError) return { kind: 'failed', message: error.message };
    throw error;
  }
}

async function commit(git: Git, ticket: TicketCommit): Promise<CommitResult> {
  const { workTree, gitDir } = git.repository;
  for (const [file, what] of UNDER_WAY) {
    if ((await statsOf(join(gitDir, file))) !== null) return unfinished(`a ${what}`, workTree);
  }
  const status = await readStatus(git);
  if (status.entries.some((entry) => entry.kind === 'unmerged')) {
    return unfinished('a merge', workTree);
  }

  const chosen = chooseWork(ticket.before.paths, await markEntries(git, status.entries));
  const ticketFile = await withinWorkTree(workTree, ticket.ticketPath);
  const isTracked = ticketFile !== null && status.index.has(ticketFile);
  const paths = [...new Set(isTracked ? [...chosen.work, ticketFile] : chosen.work)];
  const leftAlone = chosen.leftAlone.filter(({ path }) => !isTracked || path !== ticketFile);

  const filtered = await filteredPaths(git, paths);
  for (const [path, filter] of filtered) {
    const why = `goes through the filter "${filter}", which Looper does not run; commit it yourself`;
    leftAlone.push({ path, why });
  }
  const written = await writeCommit(git, {
    status,
    paths: paths.filter((path) => !filtered.has(path)),
    message: commitMessage(ticket),
  });
  leftAlone.push(...written.leftAlone);
  if (written.commit === null) return { kind: 'nothing', leftAlone };
  return { kind: 'committed', commit: written.commit, files: written.files, leftAlone };
}

function unfinished(what: string, workTree: string): CommitResult {
  const message = `${what} is under way in ${workTree}; nothing was committed. Finish or abort it.`;
  return { kind: 'failed', message };
}

async function withinWorkTree(workTree: string, path: string): Promise<string | null> {
  const folder = await realpath(dirname(path)).catch(() => null);
  if (folder === null) return null;
  const way = relative(workTree, join(folder, basename(path)));
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return null;
  return way.split(sep).join('/');
}
