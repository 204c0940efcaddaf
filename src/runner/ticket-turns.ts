import { LooperError, messageOf, systemErrorCode } from '../errors.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';
import type { TurnOutcome, TurnRecord } from '../runs/record.ts';
import { createQueueCache, isDone, loadQueue, type Queue } from '../tickets/queue.ts';
import type { JudgedTurn, LoopEvent, LoopState, Step } from '../tickets/steps.ts';
import { composeTurn } from './compose-turn.ts';
import type { CurrentTicket } from './current-ticket.ts';
import { endTurn, startTurn, type StartedTurn, type TurnContext } from './execute-turn.ts';
import { createJudge } from './judge.ts';
import { withShown } from './known-replies.ts';
import type { Messages } from './messages.ts';
import type { LoopOrder } from './order.ts';
import type { Progress } from './progress.ts';
import { recordTurnEnd } from './run-end.ts';
import { describeProblems, selectTicket } from './select-ticket.ts';
import type { Tally } from './tally.ts';
import type { TurnExit } from './turn.ts';

type TurnStep = Extract<Step, { kind: 'turn' }>;

/** Executes the turns of a ticket run and tells what came of each. */
export interface TicketTurns {
  /** What there is to do, as the tickets are now. */
  select(): Promise<LoopEvent>;
  /** `uncommitted`: what a finished ticket's agent has still to commit. */
  take(step: TurnStep, state: LoopState, uncommitted: readonly string[]): Promise<LoopEvent>;
  /** Judges a turn that is over by its log and by what has become of its ticket. */
  judge(turn: TurnRecord, exit: TurnExit, state: LoopState): Promise<LoopEvent>;
  /** Tickets that are not done, as of the last look. */
  left(): number;
}

export interface TicketTurnsDeps {
  readonly loop: LoopOrder;
  readonly messages: Messages;
  readonly ticket: CurrentTicket;
  readonly progress: Progress;
  readonly tally: Tally;
}

export function createTicketTurns(context: TurnContext, deps: TicketTurnsDeps): TicketTurns {
  const { order, writer } = context;
  const { loop, messages, ticket, progress, tally } = deps;
  const { workspace, run_id: runId } = writer.record;
  const judge = createJudge(writer.files.log, loop.ticket);
  const cache = createQueueCache();
  let queue: Queue | null = null;
  let replies = loop.replies;

  const look = async (): Promise<Queue> => {
    queue = await loadQueue({ directory: loop.ticketsDirectory, cache });
    return queue;
  };
  const select = async (): Promise<LoopEvent> => ({
    kind: 'selected',
    selection: selectTicket(await look(), workspace),
  });

  /** Null when the ticket is no longer there. */
  const start = async (
    step: TurnStep,
    state: LoopState,
    uncommitted: readonly string[],
  ): Promise<StartedTurn | null> => {
    const current = queue ?? (await look());
    const entry = current.entries.find(({ fileName }) => fileName === step.ticket);
    if (entry === undefined) return null;
    if (ticket.carried()?.ticket !== step.ticket && entry.kind === 'ticket') {
      await Promise.all([ticket.begin(entry.ticket), progress.reset(step.ticket)]);
    }
    const isBegun = ticket.carried()?.worked === true;
    const composed = composeTurn({
      runId,
      workspace,
      sandbox: order.command.sandbox,
      hasNetwork: order.command.network,
      limits: order.limits,
      loop,
      replies,
      queue: current,
      state,
      prompt: step.prompt === 'first' && isBegun ? 'again' : step.prompt,
      entry,
      warnings: [],
      previousOutput: ticket.carried()?.final_message ?? null,
      previousTicket: ticket.previous(),
      uncommitted,
    });
    if (composed === null) return null;
    writeFileAtomic(writer.files.prompt(writer.record.turns.length + 1), composed.prompt);
    return startTurn(context, composed.plan);
  };

  const judgeTurn: TicketTurns['judge'] = async (turn, exit, state) => {
    const verdict = await judge.judge(turn, exit);
    const question = await messages.settle(state.ticket);
    if (verdict.turnStarted) replies = withShown(replies, turn);
    ticket.noteTurn(turn, verdict);
    const found = stateOf(await look(), state.ticket);
    if (verdict.outcome === 'finished') turn.outcome = OUTCOME_OF[found.state];
    recordTurnEnd(context, verdict);
    tally.warnings.push(...verdict.warnings);
    if (exit.survivors.length > 0) throw survived(exit.survivors);
    return turnEnded({
      outcome: turn.outcome ?? verdict.outcome,
      message: found.problems ?? verdict.message,
      ticketState: found.state,
      changed: await progress.look(state.ticket),
      threadId: turn.thread_id,
      resetsAt: verdict.resetsAt,
      question,
    });
  };

  return {
    select,
    judge: judgeTurn,
    take: async (step, state, uncommitted) => {
      let started: StartedTurn | null;
      try {
        started = await start(step, state, uncommitted);
      } catch (error) {
        // A full disk, a workspace that is gone: the run ends with what the system said.
        if (systemErrorCode(error) === undefined) throw error;
        return notStarted(`The next turn could not be prepared: ${messageOf(error)}`, state);
      }
      if (started === null) return select();
      if (started.kind === 'spawn_failed') return notStarted(started.message, state);
      return judgeTurn(started.turn, await endTurn(context, started), state);
    },
    left: () => queue?.entries.filter((entry) => !isDone(entry)).length ?? 0,
  };
}

/** How a completed turn goes on record, by what it left of its ticket. */
const OUTCOME_OF = {
  done: 'finished',
  gone: 'finished',
  open: 'unfinished',
  broken: 'broken_ticket',
} as const satisfies Record<JudgedTurn['ticketState'], TurnOutcome>;

function stateOf(
  { entries }: Queue,
  fileName: string | null,
): { readonly state: JudgedTurn['ticketState']; readonly problems: string | null } {
  const entry = entries.find((candidate) => candidate.fileName === fileName);
  if (entry === undefined) return { state: 'gone', problems: null };
  if (isDone(entry)) return { state: 'done', problems: null };
  if (entry.kind === 'ticket') return { state: 'open', problems: null };
  return { state: 'broken', problems: describeProblems(entry.problems) };
}

function turnEnded(turn: JudgedTurn): LoopEvent {
  return { kind: 'turn_ended', turn };
}

function notStarted(message: string, { threadId }: LoopState): LoopEvent {
  const nothing = { changed: null, resetsAt: null, question: null } as const;
  const outcome = 'spawn_failed';
  return turnEnded({ ...nothing, outcome, message, ticketState: 'open', threadId });
}

function survived(pids: readonly number[]): LooperError {
  return new LooperError(
    'STALE_RUN_SURVIVED',
    `Processes of the turn survived SIGKILL (pids ${pids.join(', ')}), so no further turn was started. Look at them with ps and remove the cause.`,
  );
}
