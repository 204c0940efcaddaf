import {
  createQueueCache,
  firstOpen,
  loadQueue,
  type Queue,
  type QueueEntry,
} from '../tickets/queue.ts';
import { commitTicket } from '../git/commit.ts';
import { readDirty } from '../git/dirty.ts';
import { GitError } from '../git/git-error.ts';
import type { DirtyPaths, Repository } from '../git/repository.ts';
import { LooperError } from '../errors.ts';
import type { Config } from '../config.ts';
import { dropCarry, readCarry, type Carry } from '../runner/carry.ts';
import { composeTurn, selectTicket } from '../runner/compose-turn.ts';
import type { LoopOrder, TurnPlan } from '../runner/order.ts';
import { openGit, readWorkFingerprint } from '../runner/progress.ts';
import type { RunStore } from '../runs/store.ts';
import { hasOpenQuestion } from '../runs/store.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import { startState } from '../tickets/steps.ts';
import { collectReplies } from './known-replies.ts';

/** The tickets of a workspace in which at least one is not done. */
export interface TicketWork {
  readonly directory: string;
  readonly isCarPack: boolean;
  readonly queue: Queue;
  readonly entry: QueueEntry;
}

/** One cache will do: a daemon looks at one workspace again and again. */
const cache = createQueueCache();

/** Null when the workspace has no tickets, or none is open. Throws `TICKETS_UNREADABLE`. */
export async function findTickets(
  workspace: string,
  override: string | undefined,
): Promise<TicketWork | null> {
  const found = resolveTicketsDirectory(workspace, override);
  if (found.kind === 'none') return null;
  const queue = await loadQueue({ directory: found.directory, cache });
  const entry = firstOpen(queue);
  if (entry === null) return null;
  return { directory: found.directory, isCarPack: found.source === 'car', queue, entry };
}

/** Throws, with what stands in the way, when no agent turn can move the first open ticket. */
export function requireRunnable({ queue, entry }: TicketWork, workspace: string): void {
  const selection = selectTicket(queue, workspace);
  if (selection.kind !== 'blocked') return;
  const { title, text } = selection.question;
  throw new LooperError(
    entry.kind === 'bad' ? 'TICKETS_UNREADABLE' : 'NOTHING_TO_RUN',
    `Nothing can be started in ${workspace}: ${title}. ${text}`,
  );
}

interface PrepareOptions {
  readonly work: TicketWork;
  readonly workspace: string;
  readonly runId: string;
  readonly repository: Repository | null;
  readonly scratch: string;
  readonly config: Config;
  readonly store: RunStore;
}

export interface PreparedTickets {
  readonly prompt: string;
  readonly firstTurn: TurnPlan;
  readonly loop: LoopOrder;
}

/**
 * The first turn of a ticket loop, and the state of the work before it. Picks up what an earlier
 * run left: the thread of an unfinished ticket, and the commit of a finished one.
 */
export async function prepareTickets(options: PrepareOptions): Promise<PreparedTickets> {
  const { workspace, runId, repository, scratch, config, store } = options;
  const { queue, entry, directory, isCarPack } = await currentWork(options);
  const warnings = openQuestionWarnings(store, workspace);
  const carry = await settleCarry(options, queue, entry, warnings);
  const commit = config.codex.commit;
  const replies = await collectReplies(store, workspace, queue);
  const state = startState(entry.fileName, carry?.thread_id ?? null);
  const before = carry === null ? await dirtyNow(options, warnings) : carry.before;
  const loop = { ticketsDirectory: directory, isCarPack, commit, repository };
  const composed = composeTurn({
    runId,
    workspace,
    sandbox: config.codex.sandbox,
    hasNetwork: config.codex.network,
    limits: config.limits,
    loop,
    replies,
    queue,
    state,
    prompt: carry === null ? 'first' : carry.thread_id === null ? 'again' : 'continue',
    entry,
    warnings,
    previousOutput: carry?.final_message ?? null,
    uncommitted: [],
  });
  const fingerprint = await readWorkFingerprint({
    workspace,
    repository,
    scratch,
    ticketsDirectory: directory,
    ticketFile: entry.fileName,
  });
  return {
    prompt: composed.prompt,
    firstTurn: composed.plan,
    loop: { ...loop, before, fingerprint, replies, warnings },
  };
}

/** A run that was replaced may have changed the tickets since the trigger was checked. */
async function currentWork({ work, workspace, config }: PrepareOptions): Promise<TicketWork> {
  const current = await findTickets(workspace, config.tickets.directory);
  if (current === null) {
    throw new LooperError(
      'NOTHING_TO_RUN',
      `There is nothing to run in ${workspace} any more: ${work.entry.fileName} was the last open ticket and is done now.`,
    );
  }
  requireRunnable(current, workspace);
  return current;
}

/**
 * What an earlier run carries over for this ticket. Where it was about another ticket that is done
 * by now, its runner died between the work and the commit: the commit is made up for first.
 */
async function settleCarry(
  { workspace, runId, repository, scratch, config }: PrepareOptions,
  queue: Queue,
  entry: QueueEntry,
  warnings: string[],
): Promise<Carry | null> {
  const { directory: logDirectory } = config.logs;
  const carry = readCarry(logDirectory, workspace);
  if (carry === null || carry.ticket === entry.fileName) return carry;
  const carried = queue.entries.find(({ fileName }) => fileName === carry.ticket);
  const isDone = carried?.kind === 'ticket' && carried.ticket.done;
  const git = openGit(repository, scratch);
  if (isDone && config.codex.commit === 'looper' && git !== null && carry.before !== null) {
    const { id, title, before } = carry;
    const ticketPath = `${queue.directory}/${carry.ticket}`;
    const result = await commitTicket(git, { before, title, id, runId, ticketPath });
    if (result.kind === 'failed') {
      warnings.push(`${id} of an earlier run could not be committed: ${result.message}`);
    }
  }
  dropCarry(logDirectory, workspace);
  return null;
}

function openQuestionWarnings(store: RunStore, workspace: string): string[] {
  const latest = store.list({ limit: 10 }).find((record) => record.workspace === workspace);
  const run = latest === undefined ? null : store.find(latest.run_id);
  if (run === null || !hasOpenQuestion(run)) return [];
  return [
    `The question "${run.record.question?.title}" of run ${run.record.run_id} was not answered.`,
  ];
}

async function dirtyNow(
  { repository, scratch }: PrepareOptions,
  warnings: string[],
): Promise<DirtyPaths | null> {
  const git = openGit(repository, scratch);
  if (git === null) return null;
  try {
    return await readDirty(git);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    warnings.push(`Nothing will be committed: ${error.message}`);
    return null;
  }
}
