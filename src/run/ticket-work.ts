import type { Config } from '../config.ts';
import { LooperError } from '../errors.ts';
import type { Repository } from '../git/repository.ts';
import { keepCarried, type CarriedTicket } from '../runner/carry.ts';
import { composeTurn } from '../runner/compose-turn.ts';
import { dirtyNow } from '../runner/current-ticket.ts';
import type { LoopOrder, TurnPlan } from '../runner/order.ts';
import { openGit, readWorkFingerprint } from '../runner/progress.ts';
import { selectTicket } from '../runner/select-ticket.ts';
import type { RunStore } from '../runs/store.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import {
  createQueueCache,
  firstOpen,
  loadQueue,
  type Queue,
  type QueueEntry,
} from '../tickets/queue.ts';
import { prepareOutbox } from '../tickets/outbox.ts';
import { startState } from '../tickets/steps.ts';
import { takeCarriedOver } from './carried-over.ts';
import { collectReplies } from './known-replies.ts';
import { findUnanswered } from './unanswered.ts';

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
 * run left: the thread of an unfinished ticket, the commit of a finished one, answers and questions.
 */
export async function prepareTickets(options: PrepareOptions): Promise<PreparedTickets> {
  const { workspace, runId, repository, scratch, config, store } = options;
  const { queue, entry, directory: ticketsDirectory, isCarPack } = await currentWork(options);
  const { commit, sandbox, network: hasNetwork } = config.codex;
  const git = openGit(repository, scratch);
  const over = await takeCarriedOver({ ...options, queue, entry, policy: commit, git });
  const warnings = [...over.warnings, ...(await findUnanswered(store, workspace))];
  const warn = (sentence: string): void => {
    warnings.push(sentence);
  };
  const obstacle = prepareOutbox(workspace, runId);
  if (obstacle !== null) warn(`The agent cannot reach people: outbox: ${obstacle}.`);
  const id = entry.kind === 'ticket' ? entry.ticket.id : entry.fileName;
  const work = { workspace, repository, scratch, ticketsDirectory, ticketFile: entry.fileName };
  const [replies, before, fingerprint] = await Promise.all([
    collectReplies(store, workspace, queue),
    over.ticket === null ? dirtyNow(git, id, { commit }, { warn }) : over.ticket.before,
    readWorkFingerprint(work),
  ]);
  const ticket = begunTicket(entry, runId, over.ticket, before);
  const loop = { ticketsDirectory, isCarPack, commit, repository };
  const composed = composeTurn({
    runId,
    workspace,
    sandbox,
    hasNetwork,
    limits: config.limits,
    loop,
    replies,
    queue,
    state: startState(entry.fileName, ticket.thread_id),
    prompt: ticket.thread_id !== null ? 'continue' : ticket.worked ? 'again' : 'first',
    entry,
    warnings,
    previousOutput: ticket.final_message,
    previousTicket: null,
    uncommitted: [],
  });
  if (composed === null) throw changedMeanwhile(entry);
  // Before the agent starts: should the runner die in this turn, the next run goes on here.
  keepCarried(store.directory, workspace, ticket);
  return {
    prompt: composed.prompt,
    firstTurn: composed.plan,
    loop: { ...loop, ticket, fingerprint, replies, commits: over.commits, warnings },
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

function begunTicket(
  entry: QueueEntry,
  runId: string,
  known: CarriedTicket | null,
  before: CarriedTicket['before'],
): CarriedTicket {
  if (entry.kind !== 'ticket') throw changedMeanwhile(entry);
  const { fileName, id, title } = entry.ticket;
  const now = { ticket: fileName, id, title, run_id: runId, turns: 0, before };
  const nothing = { worked: false, thread_id: null, usage: null, final_message: null };
  return known === null ? { ...nothing, ...now } : { ...known, ...now };
}

function changedMeanwhile({ fileName }: QueueEntry): LooperError {
  return new LooperError(
    'TICKETS_UNREADABLE',
    `${fileName} changed while it was being read, so nothing was started. Trigger again.`,
  );
}
