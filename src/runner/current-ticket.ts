import { messageOf, systemErrorCode } from '../errors.ts';
import { readDirty } from '../git/dirty.ts';
import { GitError } from '../git/git-error.ts';
import type { DirtyPaths } from '../git/repository.ts';
import type { Git } from '../git/safe-git.ts';
import type { TurnRecord } from '../runs/record.ts';
import type { LoopState } from '../tickets/steps.ts';
import type { Ticket } from '../tickets/ticket.ts';
import { dropCarried, keepCarried, readCarried, type CarriedTicket } from './carry.ts';
import type { TurnContext } from './execute-turn.ts';
import type { Verdict } from './judge.ts';
import type { LoopOrder } from './order.ts';
import { settleTicket } from './settle-ticket.ts';
import type { Tally } from './tally.ts';

/**
 * The ticket that the loop works on: what was dirty before it, its thread, its last message. All of
 * it is on disk before every step, so that the next run goes on where this one dies.
 */
export interface CurrentTicket {
  /** Null between a settled ticket and the next one. */
  carried(): CarriedTicket | null;
  /** The ticket that this run settled last, with its agent's last word. */
  previous(): { readonly id: string; readonly text: string } | null;
  /** Another ticket, or a settled one that was opened again. */
  begin(ticket: Ticket): Promise<void>;
  noteTurn(turn: TurnRecord, verdict: Verdict): void;
  /** Puts on disk what is new since it was last put there. */
  keep(state: LoopState): void;
  /** The ticket is done: sees to its commit. Returns what its agent has still to commit. */
  settle(): Promise<readonly string[]>;
}

export function createCurrentTicket(
  { order, writer }: TurnContext,
  {
    loop,
    git,
    tally,
  }: { readonly loop: LoopOrder; readonly git: Git | null; readonly tally: Tally },
): CurrentTicket {
  const { logDirectory } = order;
  const { workspace, run_id: runId } = writer.record;
  let carried: CarriedTicket | null = loop.ticket;
  let onDisk: CarriedTicket | null = loop.ticket;
  let previous: { id: string; text: string } | null = null;

  /** A full disk costs what the next run would go on with, never the run. */
  const write = (change: () => void): void => {
    try {
      change();
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      tally.warn(`The state of a ticket was not written: ${messageOf(error)}`);
    }
  };
  const save = (): void => {
    if (carried === null || carried === onDisk) return;
    const current = carried;
    onDisk = current;
    write(() => keepCarried(logDirectory, workspace, current));
  };
  return {
    carried: () => carried,
    previous: () => previous,
    begin: async ({ fileName, id, title }) => {
      // The same ticket under another name, or one that an earlier run has left unfinished.
      const known = carried?.id === id ? carried : findCarried(logDirectory, workspace, id, tally);
      carried = {
        ticket: fileName,
        id,
        title,
        run_id: runId,
        turns: writer.record.turns.length,
        worked: known !== null,
        thread_id: null,
        usage: null,
        final_message: known?.final_message ?? null,
        before: known === null ? await dirtyNow(git, id, loop, tally) : known.before,
      };
      save();
    },
    noteTurn: (turn, { turnStarted, threadUsage }) => {
      if (carried === null) return;
      carried = {
        ...carried,
        run_id: runId,
        turns: writer.record.turns.length,
        worked: carried.worked || turnStarted,
        thread_id: turn.thread_id,
        usage: threadUsage,
        final_message: turn.final_message ?? carried.final_message,
      };
    },
    keep: ({ ticket, threadId }) => {
      // A lost thread is not gone back to.
      const isLost = threadId === null && carried?.ticket === ticket && carried?.thread_id !== null;
      if (carried !== null && isLost) carried = { ...carried, thread_id: null, usage: null };
      save();
    },
    settle: async () => {
      if (carried === null) return [];
      const { id, final_message } = carried;
      const { ticketsDirectory, commit: policy } = loop;
      const settled = await settleTicket(git, { policy, carried, ticketsDirectory, runId });
      for (const sentence of settled.warnings) tally.warn(sentence);
      tally.commits.push(...settled.commits);
      if (settled.uncommitted.length > 0) return settled.uncommitted;
      previous = final_message === null ? null : { id, text: final_message };
      carried = null;
      write(() => dropCarried(logDirectory, workspace, id));
      return [];
    },
  };
}

function findCarried(
  logDirectory: string,
  workspace: string,
  id: string,
  { warn }: Tally,
): CarriedTicket | null {
  const carried = readCarried(logDirectory, workspace, warn);
  return carried.find((ticket) => ticket.id === id && ticket.worked) ?? null;
}

/** The baseline of a ticket; null where nothing will be committed, or nobody can tell. */
export async function dirtyNow(
  git: Git | null,
  id: string,
  { commit }: Pick<LoopOrder, 'commit'>,
  { warn }: Pick<Tally, 'warn'>,
): Promise<DirtyPaths | null> {
  if (git === null || commit === 'off') return null;
  try {
    return await readDirty(git);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    warn(`What is dirty before ${id} cannot be told: ${error.message}`);
    return null;
  }
}
