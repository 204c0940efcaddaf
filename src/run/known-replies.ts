import { readdirSync } from 'node:fs';
import { readTurnReport } from '../codex/turn-report.ts';
import { systemErrorCode } from '../errors.ts';
import { withShown } from '../runner/known-replies.ts';
import type { KnownReply } from '../runner/order.ts';
import type { RunRecord, TurnRecord } from '../runs/record.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';
import type { Queue } from '../tickets/queue.ts';
import { listReplies } from '../tickets/replies.ts';
import { USER_AGENT } from '../tickets/ticket.ts';
import { recentRuns } from './recent-runs.ts';

/** Whether a turn began stands at the beginning of its log. */
const SEARCHED_BYTES = 1024 ** 2;
const ENDING = '.replies';

/**
 * The answers of people in a workspace, and which threads have seen each. All of it is in the
 * files: a turn's record names the replies of its prompt, and its log tells whether the prompt
 * arrived. So no death at any moment loses an answer or shows it twice to one thread. Of runs that
 * many others have followed, answers are no longer looked for.
 */
export async function collectReplies(
  store: RunStore,
  workspace: string,
  queue: Queue,
): Promise<readonly KnownReply[]> {
  const answered = answeredRuns(store.directory);
  const runs: StoredRun[] = [];
  for (const run of recentRuns(store, workspace)) {
    if (answered.size === 0) break;
    answered.delete(run.files.base);
    runs.push(run);
  }
  let replies: readonly KnownReply[] = [];
  for (const { files, record } of runs.toReversed()) {
    for (const turn of record.turns) {
      const shown = await arrivedTurn(record, turn);
      if (shown !== null) replies = withShown(replies, shown);
    }
    const ticket = ticketOf(record, queue);
    const own = listReplies(files.replies).map(({ name, text }) => ({
      name: `${record.run_id}/${name}`,
      ticket,
      text,
      shownIn: [],
    }));
    replies = [...replies, ...own];
  }
  return replies;
}

/** By a look at names, which spares most launches the reading of records. */
function answeredRuns(directory: string): Set<string> {
  const names = readdirSync(directory).filter((name) => name.endsWith(ENDING));
  return new Set(names.map((name) => name.slice(0, -ENDING.length)));
}

/** Null for a gate: its answer is for whichever ticket works next. */
function ticketOf({ question }: StoredRun['record'], queue: Queue): string | null {
  const ticket = question?.ticket ?? null;
  const entry = queue.entries.find(({ fileName }) => fileName === ticket);
  const isGate = entry?.kind === 'ticket' && entry.ticket.agent === USER_AGENT;
  return isGate ? null : ticket;
}

/** The turn with its thread, when its prompt carried replies and the agent began it. */
async function arrivedTurn(
  { log_path }: RunRecord,
  turn: TurnRecord,
): Promise<Pick<TurnRecord, 'ticket' | 'thread_id' | 'replies'> | null> {
  const { ticket, replies, log_start, log_end } = turn;
  if (replies === undefined || replies.length === 0) return null;
  const end = Math.min(log_end ?? Infinity, log_start + SEARCHED_BYTES);
  try {
    const report = await readTurnReport(log_path, log_start, end);
    if (!report.turnStarted) return null;
    return { ticket, replies, thread_id: report.threadId ?? turn.thread_id };
  } catch (error) {
    // Somebody has removed the log: rather show an answer twice than never.
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
