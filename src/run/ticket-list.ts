import { basename } from 'node:path';
import type { RunRecord } from '../runs/record.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import { lintQueue, type LintResult } from '../tickets/lint.ts';
import { firstOpen, isDone, loadQueue, type QueueEntry } from '../tickets/queue.ts';
import { printable } from '../tickets/text.ts';
import { CODEX_AGENT, defaultTicketId } from '../tickets/ticket.ts';

/** `waiting`: its turn has come, and it needs a person first. */
export type TicketState = 'done' | 'active' | 'waiting' | 'open' | 'bad';

export interface ListedTicket {
  /** Printable. */
  readonly file: string;
  readonly number: number;
  readonly id: string;
  readonly title: string;
  readonly agent: string | null;
  readonly state: TicketState;
  readonly goal: string | null;
}

export interface TicketList {
  /** Where the tickets are, or would go. */
  readonly directory: string;
  /** `none`: the workspace has no tickets. */
  readonly source: 'looper' | 'car' | 'named' | 'none';
  /** In the order in which they are worked on. */
  readonly tickets: readonly ListedTicket[];
  readonly lint: LintResult;
}

/** What is known of the workspace's runs. */
export interface TicketContext {
  /** The run that is active there. */
  readonly active: RunRecord | null;
  /** File name of the ticket about which a person was asked and has not answered. */
  readonly questionAbout: string | null;
}

/** The queue of a workspace, for people. Throws `TICKETS_UNREADABLE`. */
export async function listTickets(
  workspace: string,
  override: string | undefined,
  context: TicketContext,
): Promise<TicketList> {
  const found = resolveTicketsDirectory(workspace, override);
  if (found.kind === 'none') {
    const lint = { findings: [], remarks: [] };
    return { directory: found.expected, source: 'none', tickets: [], lint };
  }
  const { directory, source } = found;
  const queue = await loadQueue({ directory });
  const next = firstOpen(queue)?.fileName ?? null;
  const tickets = queue.entries.map((entry) =>
    listed(entry, stateOf(entry, entry.fileName === next, context)),
  );
  return { directory, source, tickets, lint: lintQueue(queue) };
}

function stateOf(
  entry: QueueEntry,
  isNext: boolean,
  { active, questionAbout }: TicketContext,
): TicketState {
  if (isDone(entry)) return 'done';
  const current = active?.turns.at(-1)?.ticket ?? null;
  if (current !== null && basename(current) === entry.fileName) return 'active';
  if (entry.kind === 'bad') return 'bad';
  const needsPerson = entry.ticket.agent !== CODEX_AGENT || entry.fileName === questionAbout;
  return isNext && needsPerson ? 'waiting' : 'open';
}

function listed(entry: QueueEntry, state: TicketState): ListedTicket {
  const { number } = entry;
  const file = printable(entry.fileName);
  if (entry.kind === 'bad') {
    const id = defaultTicketId(number);
    return { file, number, id, title: id, agent: null, state, goal: null };
  }
  const { id, title, agent, goal } = entry.ticket;
  return { file, number, id, title, agent, state, goal: goal ?? null };
}
