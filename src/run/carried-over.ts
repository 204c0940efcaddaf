import { basename } from 'node:path';
import { isPlainName } from '../plain-name.ts';
import { readTurnReport } from '../codex/turn-report.ts';
import { systemErrorCode } from '../errors.ts';
import type { Git } from '../git/safe-git.ts';
import { dropCarried, keepCarried, readCarried, type CarriedTicket } from '../runner/carry.ts';
import { MAX_FINAL_MESSAGE_CHARS } from '../runner/judge.ts';
import { isSameTicket } from '../runner/known-replies.ts';
import type { LoopOrder } from '../runner/order.ts';
import { makeUpCommit } from '../runner/settle-ticket.ts';
import type { RunStore } from '../runs/store.ts';
import { isDone, type Queue, type QueueEntry } from '../tickets/queue.ts';

/** What earlier runs of a workspace left: for the tickets that are finished, and for the next one. */
export interface CarriedOver {
  /** The ticket to work on, where a turn of it has begun before. */
  readonly ticket: CarriedTicket | null;
  /** Made up for now. */
  readonly commits: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Settles what runs that were cut off left unsettled: commits finished tickets, forgets those that
 * are gone, and completes what is known of the ticket that comes next.
 */
export async function takeCarriedOver(options: {
  readonly store: RunStore;
  readonly workspace: string;
  readonly runId: string;
  readonly queue: Queue;
  /** The ticket that comes next; null: none. */
  readonly entry: QueueEntry | null;
  readonly policy: LoopOrder['commit'];
  readonly git: Git | null;
}): Promise<CarriedOver> {
  const { store, workspace, runId, queue, entry, policy, git } = options;
  const commits: string[] = [];
  const warnings: string[] = [];
  let next: CarriedTicket | null = null;
  const warn = (sentence: string): void => {
    warnings.push(sentence);
  };
  for (const known of readCarried(store.directory, workspace, warn)) {
    const carried = await completed(store, known);
    const found = queue.entries.find(({ fileName }) => isSameTicket(fileName, carried.ticket));
    if (found === entry && carried.worked) next = carried;
    if (found !== undefined && !isDone(found) && carried.worked) {
      if (carried !== known) keepCarried(store.directory, workspace, carried);
      continue;
    }
    if (found !== undefined && carried.worked) {
      const { directory: ticketsDirectory } = queue;
      const ticket = { ...carried, ticket: found.fileName };
      const made = await makeUpCommit(git, { policy, carried: ticket, ticketsDirectory, runId });
      commits.push(...made.commits);
      warnings.push(...made.warnings);
      if (made.uncommitted.length > 0) {
        warn(
          `${carried.id} is done, but not committed: ${made.uncommitted.slice(0, 5).join(', ')}.`,
        );
      }
    }
    dropCarried(store.directory, workspace, carried.id);
  }
  return { ticket: next, commits, warnings };
}

/** With the turns that a runner did not live to note: their log tells thread and last message. */
async function completed(store: RunStore, known: CarriedTicket): Promise<CarriedTicket> {
  const run = store.find(known.run_id);
  let carried = known;
  for (const turn of run?.record.turns.slice(known.turns) ?? []) {
    if (turn.ticket === null || !isSameTicket(basename(turn.ticket), known.ticket)) continue;
    const end = turn.log_end ?? Number.MAX_SAFE_INTEGER;
    const report = await readReport(run?.record.log_path ?? '', turn.log_start, end);
    if (report === null || !report.turnStarted) continue;
    const { usage, finalMessage } = report;
    const threadId = report.threadId ?? turn.thread_id;
    const isSameThread = threadId !== null && threadId === carried.thread_id;
    carried = {
      ...carried,
      turns: run?.record.turns.length ?? carried.turns,
      worked: true,
      thread_id: threadId !== null && isPlainName(threadId) ? threadId : null,
      usage: usage ?? (isSameThread ? carried.usage : null),
      final_message: finalMessage?.slice(0, MAX_FINAL_MESSAGE_CHARS) ?? carried.final_message,
    };
  }
  return carried;
}

async function readReport(path: string, start: number, end: number) {
  try {
    return await readTurnReport(path, start, end);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
