import { readTurnReport } from '../codex/turn-report.ts';
import type { KnownReply } from '../runner/order.ts';
import type { RunRecord, TurnRecord } from '../runs/record.ts';
import type { RunStore } from '../runs/store.ts';
import type { Queue } from '../tickets/queue.ts';
import { listReplies } from '../tickets/replies.ts';
import { USER_AGENT } from '../tickets/ticket.ts';

/** Runs of a workspace that are searched for answers; older ones were acted upon long ago. */
const SEARCHED_RUNS = 50;

/**
 * The answers of people in a workspace, and which threads have seen each. All of it is in the
 * files: a turn's record names the replies of its prompt, and its log tells whether the prompt
 * arrived. So no death at any moment loses an answer or shows it twice to one thread.
 */
export async function collectReplies(
  store: RunStore,
  workspace: string,
  queue: Queue,
): Promise<KnownReply[]> {
  const records = store
    .list({ limit: SEARCHED_RUNS })
    .filter((record) => record.workspace === workspace)
    .toReversed();
  const shown = await readShown(records);
  return records.flatMap((record) => {
    const directory = store.find(record.run_id)?.files.replies;
    const replies = directory === undefined ? [] : listReplies(directory);
    return replies.map(({ name: file, text }) => {
      const name = `${record.run_id}/${file}`;
      return { name, ticket: ticketOf(record, queue), text, shownIn: shown.get(name) ?? [] };
    });
  });
}

/** Null for a gate: its answer is for whoever works next. */
function ticketOf({ question }: RunRecord, queue: Queue): string | null {
  const ticket = question?.ticket ?? null;
  const entry = queue.entries.find(({ fileName }) => fileName === ticket);
  const isGate = entry?.kind === 'ticket' && entry.ticket.agent === USER_AGENT;
  return isGate ? null : ticket;
}

async function readShown(records: readonly RunRecord[]): Promise<Map<string, string[]>> {
  const shown = new Map<string, string[]>();
  for (const record of records) {
    for (const turn of record.turns) {
      if (turn.replies === undefined || turn.replies.length === 0) continue;
      const thread = await threadThatSaw(record, turn);
      if (thread === null) continue;
      for (const name of turn.replies) shown.set(name, [...(shown.get(name) ?? []), thread]);
    }
  }
  return shown;
}

/** Null when the agent never began its turn: its prompt may not have been read. */
async function threadThatSaw(record: RunRecord, turn: TurnRecord): Promise<string | null> {
  const end = turn.log_end ?? Number.MAX_SAFE_INTEGER;
  const report = await readTurnReport(record.log_path, turn.log_start, end);
  return report.turnStarted ? (report.threadId ?? turn.thread_id) : null;
}
