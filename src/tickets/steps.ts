import type { Outcome, RunQuestion, TurnOutcome } from '../runs/record.ts';

/**
 * The ticket loop as a pure function: what has happened goes in, what to do next comes out. The
 * driver does it and comes back with the next event.
 *
 *     select → turn → (commit → select | same ticket again | delay → same ticket | finish)
 *
 * After a turn the checks stand in this order, and the first that applies decides:
 *
 *  1. somebody stopped the run: finish;
 *  2. the ticket is done: commit it, before any guard, for finished work is finished however its
 *     turn ended; what the turn would have ended the run with is kept for after the commit;
 *  3. the agent asked a person and waits: finish as `waiting`;
 *  4. the ticket file is gone: select the next one;
 *  5. the ticket file is broken: ask the agent to repair it, three times;
 *  6. the turn itself failed: by kind, retried (network, lost thread, full context) or the end;
 *  7. nothing changed in two turns in a row: `no_progress`;
 *  8. otherwise the same ticket again, on its own thread, under the caps.
 */
export type LoopEvent =
  | { readonly kind: 'selected'; readonly selection: Selection }
  | { readonly kind: 'turn_ended'; readonly turn: JudgedTurn }
  /** `uncommitted` lists what a finished ticket left for the agent to commit. */
  | { readonly kind: 'committed'; readonly uncommitted: readonly string[] }
  | { readonly kind: 'delayed' };

/** The first ticket that is not done, as the queue has it now. */
export type Selection =
  | { readonly kind: 'none' }
  | { readonly kind: 'ticket'; readonly ticket: string }
  /** A ticket that no agent turn can move: a person's gate, an unknown agent, a broken file. */
  | { readonly kind: 'blocked'; readonly question: RunQuestion };

export interface JudgedTurn {
  readonly outcome: TurnOutcome;
  /** One sentence, in codex's words where it failed. */
  readonly message: string;
  readonly ticketState: 'done' | 'open' | 'broken' | 'gone';
  /** Null: could not be told, which never counts as standing still. */
  readonly changed: boolean | null;
  readonly threadId: string | null;
  readonly resetsAt: string | null;
  readonly question: RunQuestion | null;
}

export type PromptKind = 'first' | 'continue' | 'repair' | 'commit' | 'again';

export type Step =
  | { readonly kind: 'select' }
  | {
      readonly kind: 'turn';
      readonly ticket: string;
      readonly prompt: PromptKind;
      readonly threadId: string | null;
    }
  | { readonly kind: 'commit'; readonly ticket: string }
  | { readonly kind: 'delay'; readonly attempt: number }
  | Finish;

export interface Finish {
  readonly kind: 'finish';
  readonly outcome: Outcome;
  readonly reason: string;
  readonly question: RunQuestion | null;
  readonly resetsAt: string | null;
}

export interface LoopState {
  readonly ticket: string | null;
  readonly threadId: string | null;
  readonly runTurns: number;
  readonly ticketTurns: number;
  readonly unchangedTurns: number;
  readonly repairs: number;
  readonly commitRequests: number;
  readonly networkFailures: number;
  readonly overflows: number;
  /** How the run ends once the finished ticket is committed. */
  readonly pending: Finish | null;
}

export interface LoopLimits {
  readonly maxTurns: number;
  readonly maxTurnsPerTicket: number;
}

export const MAX_REPAIRS = 3;
export const MAX_COMMIT_REQUESTS = 2;
export const MAX_UNCHANGED_TURNS = 2;
/** With delays that double from 2 s to 5 min: about twenty minutes of a network that is down. */
export const MAX_NETWORK_FAILURES = 10;

/** `threadId`: of the same ticket's thread in an earlier run, where there is one to continue. */
export function startState(ticket: string, threadId: string | null): LoopState {
  return { ...freshTicket(ticket), threadId, runTurns: 0, networkFailures: 0, pending: null };
}

/** The next step and the state after it. */
export function nextStep(
  state: LoopState,
  event: LoopEvent,
  limits: LoopLimits,
): { readonly state: LoopState; readonly step: Step } {
  switch (event.kind) {
    case 'selected':
      return afterSelection(state, event.selection, limits);
    case 'turn_ended':
      return afterTurn(countTurn(state, event.turn), event.turn, limits);
    case 'committed':
      return afterCommit(state, event.uncommitted, limits);
    case 'delayed':
      return turn(state, state.threadId === null ? 'first' : 'continue', limits);
  }
}

type Next = ReturnType<typeof nextStep>;

function afterSelection(state: LoopState, selection: Selection, limits: LoopLimits): Next {
  const { pending } = state;
  if (pending?.outcome === 'waiting') return { state, step: pending };
  if (selection.kind === 'none') return finish(state, 'succeeded', 'Every ticket is done.');
  if (pending !== null) return { state, step: pending };
  if (selection.kind === 'blocked') {
    const { question } = selection;
    return finish(state, 'waiting', question.title, { question });
  }
  const { ticket } = selection;
  if (ticket === state.ticket) {
    return turn(state, state.threadId === null ? 'first' : 'continue', limits);
  }
  return turn({ ...state, ...freshTicket(ticket) }, 'first', limits);
}

function countTurn(state: LoopState, { outcome, threadId, changed }: JudgedTurn): LoopState {
  if (outcome === 'network_error') {
    return { ...state, threadId, networkFailures: state.networkFailures + 1 };
  }
  if (outcome === 'resume_failed') return { ...state, threadId: null };
  return {
    ...state,
    threadId: outcome === 'context_overflow' ? null : threadId,
    runTurns: state.runTurns + 1,
    ticketTurns: state.ticketTurns + 1,
    unchangedTurns: changed === false ? state.unchangedTurns + 1 : 0,
    networkFailures: 0,
  };
}

function afterTurn(state: LoopState, turnEnd: JudgedTurn, limits: LoopLimits): Next {
  const { outcome, ticketState, message, question } = turnEnd;
  if (outcome === 'stopped') return finish(state, 'stopped', message);

  const ending = endingOf(turnEnd);
  if (ticketState === 'done' && state.ticket !== null) {
    return {
      state: { ...state, pending: ending },
      step: { kind: 'commit', ticket: state.ticket },
    };
  }
  if (question !== null && ending !== null) return { state, step: ending };
  if (ticketState === 'gone') return { state, step: { kind: 'select' } };
  if (ticketState === 'broken') {
    if (state.repairs >= MAX_REPAIRS) {
      return finish(state, 'waiting', `${state.ticket ?? 'The ticket'} is still broken: ${message}`);
    }
    return turn({ ...state, repairs: state.repairs + 1 }, 'repair', limits);
  }
  if (ending !== null) return { state, step: ending };
  switch (outcome) {
    case 'network_error':
      if (state.networkFailures >= MAX_NETWORK_FAILURES) return finish(state, 'failed', message);
      return { state, step: { kind: 'delay', attempt: state.networkFailures } };
    case 'resume_failed':
      return turn(state, 'again', limits);
    case 'context_overflow':
      if (state.overflows > 0) return finish(state, 'failed', message);
      return turn({ ...state, overflows: 1 }, 'again', limits);
    default:
      break;
  }
  if (state.unchangedTurns >= MAX_UNCHANGED_TURNS) return finish(state, 'no_progress', message);
  return turn(state, state.threadId === null ? 'again' : 'continue', limits);
}

function afterCommit(state: LoopState, uncommitted: readonly string[], limits: LoopLimits): Next {
  if (uncommitted.length === 0) return { state, step: { kind: 'select' } };
  if (state.commitRequests >= MAX_COMMIT_REQUESTS) {
    const paths = uncommitted.slice(0, 5).join(', ');
    return finish(
      state,
      'waiting',
      `${state.ticket ?? 'A ticket'} is done, but its changes are not committed: ${paths}`,
    );
  }
  return turn({ ...state, commitRequests: state.commitRequests + 1 }, 'commit', limits);
}

/** The end that a turn brings about by itself; null when the loop may go on after it. */
function endingOf({ outcome, message, question, resetsAt }: JudgedTurn): Finish | null {
  const end = (as: Outcome): Finish => ({
    kind: 'finish',
    outcome: as,
    reason: message,
    question: null,
    resetsAt: null,
  });
  if (question !== null) return { ...end('waiting'), reason: question.title, question };
  switch (outcome) {
    case 'usage_limited':
      return { ...end('usage_limited'), resetsAt };
    case 'sandbox_unusable':
      return end('waiting');
    case 'auth_error':
    case 'failed':
      return end('failed');
    case 'log_limit':
      return end('limit_reached');
    case 'stalled':
    case 'timed_out':
    case 'spawn_failed':
      return end(outcome);
    default:
      return null;
  }
}

function turn(state: LoopState, prompt: PromptKind, limits: LoopLimits): Next {
  const ticket = state.ticket ?? '';
  if (state.runTurns >= limits.maxTurns) {
    return finish(state, 'limit_reached', `The run has had its ${limits.maxTurns} turns.`);
  }
  if (state.ticketTurns >= limits.maxTurnsPerTicket) {
    return finish(
      state,
      'limit_reached',
      `${ticket} has had its ${limits.maxTurnsPerTicket} turns in this run and is not done.`,
    );
  }
  return { state, step: { kind: 'turn', ticket, prompt, threadId: state.threadId } };
}

function finish(
  state: LoopState,
  outcome: Outcome,
  reason: string,
  { question = null }: { readonly question?: RunQuestion | null } = {},
): Next {
  return { state, step: { kind: 'finish', outcome, reason, question, resetsAt: null } };
}

function freshTicket(
  ticket: string,
): Omit<LoopState, 'runTurns' | 'networkFailures' | 'pending'> {
  return {
    ticket,
    threadId: null,
    ticketTurns: 0,
    unchangedTurns: 0,
    repairs: 0,
    commitRequests: 0,
    overflows: 0,
  };
}
