import { messageOf } from '../errors.ts';
import { commitTicket } from '../git/commit.ts';
import { commitsSince, newDirt } from '../git/dirty.ts';
import { GitError } from '../git/git-error.ts';
import type { DirtyPaths } from '../git/repository.ts';
import type { Git } from '../git/safe-git.ts';
import { printable } from '../tickets/text.ts';
import type { CarriedTicket } from './carry.ts';
import type { LoopOrder } from './order.ts';

/** What became of a finished ticket's changes. */
export interface Settlement {
  readonly commits: readonly string[];
  /** What its agent, who commits by itself, has still to commit. */
  readonly uncommitted: readonly string[];
  readonly warnings: readonly string[];
}

export interface FinishedTicket {
  readonly policy: LoopOrder['commit'];
  readonly carried: CarriedTicket;
  readonly ticketsDirectory: string;
  readonly runId: string;
}

/** Paths that are named one by one when they were left alone. */
const MAX_LEFT_ALONE = 20;
const NOTHING: Settlement = { commits: [], uncommitted: [], warnings: [] };

/**
 * Sees to it that a finished ticket's changes are committed, by whoever has to. A git that fails
 * costs the commit, not the run: the warnings say so.
 */
export async function settleTicket(git: Git | null, ticket: FinishedTicket): Promise<Settlement> {
  const { policy, carried } = ticket;
  if (policy === 'off' || git === null) return NOTHING;
  const { before, id } = carried;
  if (before === null) {
    return warning(`${id} is done and not committed: what was dirty when it began is not known.`);
  }
  return policy === 'looper' ? commit(git, before, ticket) : checkAgent(git, before, id);
}

/**
 * The same for a ticket whose runner died between the work and the commit, or right after it:
 * what is committed already is not committed again.
 */
export async function makeUpCommit(git: Git | null, ticket: FinishedTicket): Promise<Settlement> {
  const { policy, carried } = ticket;
  try {
    const isMade = policy === 'looper' && git !== null && (await isCommitted(git, carried));
    if (isMade) return NOTHING;
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return warning(`Whether ${carried.id} is committed is unknown: ${error.message}`);
  }
  return settleTicket(git, ticket);
}

async function commit(
  git: Git,
  before: DirtyPaths,
  { carried, ticketsDirectory, runId }: FinishedTicket,
): Promise<Settlement> {
  const { id, title } = carried;
  const ticketPath = `${ticketsDirectory}/${carried.ticket}`;
  const result = await commitTicket(git, { before, title, id, runId, ticketPath });
  if (result.kind === 'failed') {
    return warning(`${id} is done, but its changes could not be committed: ${result.message}`);
  }
  const warnings = result.leftAlone
    .slice(0, MAX_LEFT_ALONE)
    .map(({ path, why }) => `${id}: ${printable(path)} was not committed: it ${why}.`);
  const more = result.leftAlone.length - warnings.length;
  if (more > 0) warnings.push(`${id}: ${more} more paths were not committed.`);
  return {
    commits: result.kind === 'committed' ? [result.commit] : [],
    uncommitted: [],
    warnings,
  };
}

async function checkAgent(git: Git, before: DirtyPaths, id: string): Promise<Settlement> {
  try {
    const uncommitted = await newDirt(git, before);
    const commits = uncommitted.length > 0 ? [] : await commitsSince(git, before.head);
    return { commits: commits.toReversed(), uncommitted, warnings: [] };
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return warning(`Whether the work of ${id} is committed is unknown: ${messageOf(error)}`);
  }
}

/** By the trailers that Looper gives its commits, among those made since the ticket began. */
async function isCommitted(git: Git, { id, before }: CarriedTicket): Promise<boolean> {
  if (before === null || (await commitsSince(git, before.head)).length === 0) return false;
  const found = await git.run([
    'rev-list',
    '--max-count=1',
    '--all-match',
    '--extended-regexp',
    `--grep=^Ticket: ${id.replaceAll('.', String.raw`\.`)}$`,
    '--grep=^Looper-Run: ',
    '--ignore-missing',
    'HEAD',
    ...(before.head === null ? [] : [`^${before.head}`]),
    '--',
  ]);
  return found.length > 0;
}

function warning(sentence: string): Settlement {
  return { ...NOTHING, warnings: [sentence] };
}
