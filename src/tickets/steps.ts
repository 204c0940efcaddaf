import type { Outcome, RunQuestion, TurnOutcome } from '../runs/record.ts';
import { printable } from './text.ts';

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
 *  4. the ticket file is gone: select the next one, unless the turn ended the run;
 *  5. the turn itself failed: by kind, the end, or tried again (network, lost thread, full context);
 *  6. the ticket file is broken: ask the agent to repair it, three times;
 *  7. nothing changed in two turns in a row: `no_progress`;
 *  8. otherwise the same ticket again, on its own thread, under the caps.
 *
 * The failed turn stands before the broken file: a limit that was hit is not hit three times more
 * by asking for a repair.
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
  /** After the last turn; before the first one `open`. */
  readonly ticketState: JudgedTurn['ticketState'];
  /** Turns that left the ticket file broken: so many repairs have been asked for. */
  readonly repairs: number;
  readonly commitRequests: number;
  /** In a row, whatever the ticket: it is the network that fails, not the ticket. */
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
const SHOWN_PATHS = 5;
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
      return again(state, limits);
  }
  return event satisfies never;
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
  // Somebody opened it again, or it is back.
  if (ticket === state.ticket) return again({ ...state, ticketState: 'open' }, limits);
  return turn({ ...state, ...freshTicket(ticket) }, 'first', limits);
}

/**
 * A turn that the network or a lost thread kept from working is none: it counts against no cap but
 * its own. A thread can be lost only once, so what is called so without one counts like any turn.
 */
function countTurn(state: LoopState, turnEnd: JudgedTurn): LoopState {
  const { outcome, threadId, changed, ticketState } = turnEnd;
  const repairs = state.repairs + (ticketState === 'broken' ? 1 : 0);
  const kept = { ...state, ticketState, threadId: threadId ?? state.threadId };
  if (outcome === 'network_error') {
    // What it kept from being heard was not asked for.
    const commitRequests = state.commitRequests - (state.ticketState === 'done' ? 1 : 0);
    return { ...kept, commitRequests, networkFailures: state.networkFailures + 1 };
  }
  if (outcome === 'resume_failed' && state.threadId !== null) {
    return { ...kept, threadId: null, repairs };
  }
  const isThreadLost = outcome === 'resume_failed' || outcome === 'context_overflow';
  return {
    ...kept,
    ...(isThreadLost ? { threadId: null } : {}),
    runTurns: state.runTurns + 1,
    ticketTurns: state.ticketTurns + 1,
    unchangedTurns: changed === false ? state.unchangedTurns + 1 : 0,
    repairs,
    networkFailures: 0,
  };
}

function afterTurn(state: LoopState, turnEnd: JudgedTurn, limits: LoopLimits): Next {
  const { outcome, ticketState, message } = turnEnd;
  if (outcome === 'stopped') return finish(state, 'stopped', message);

  // The first end stands: a question must not be lost to the turn that was asked to commit.
  const ending = state.pending ?? endingOf(state, turnEnd);
  const ended = { ...state, pending: ending };
  if (ticketState === 'done' && state.ticket !== null) {
    return { state: ended, step: { kind: 'commit', ticket: state.ticket } };
  }
  if (ending !== null && ending.question !== null) return { state, step: ending };
  if (ticketState === 'gone') return { state: ended, step: { kind: 'select' } };
  if (ending !== null) return { state, step: ending };
  if (outcome === 'network_error') return retryLater(state);
  if (ticketState === 'broken' && state.repairs > MAX_REPAIRS) {
    const asked = `after ${MAX_REPAIRS} requests to repair it`;
    return finish(state, 'waiting', `${nameOf(state)} is still broken ${asked}: ${message}`);
  }
  if (outcome === 'context_overflow') return again({ ...state, overflows: 1 }, limits);
  if (outcome === 'resume_failed') return again(state, limits);
  if (state.unchangedTurns >= MAX_UNCHANGED_TURNS && ticketState !== 'broken') {
    const still = `${nameOf(state)} is not done, and ${MAX_UNCHANGED_TURNS} turns in a row changed nothing`;
    return finish(state, 'no_progress', `${still}. The last one ended with: ${message}`);
  }
  return again(state, limits);
}

function afterCommit(state: LoopState, uncommitted: readonly string[], limits: LoopLimits): Next {
  const { pending } = state;
  if (uncommitted.length === 0) return { state, step: { kind: 'select' } };
  const mayAsk =
    state.commitRequests < MAX_COMMIT_REQUESTS &&
    state.networkFailures < MAX_NETWORK_FAILURES &&
    spentCap(state, limits) === null &&
    // Whoever cannot work, cannot commit either; whoever waits for an answer can.
    (pending === null || pending.question !== null);
  if (mayAsk) {
    const asking = { ...state, commitRequests: state.commitRequests + 1 };
    return state.networkFailures > 0 ? retryLater(asking) : again(asking, limits);
  }
  const left = `${nameOf(state)} is done, but its changes are not committed: ${someOf(uncommitted)}`;
  if (pending === null) return finish(state, 'waiting', left);
  return { state, step: { ...pending, reason: `${pending.reason} (${left})` } };
}

function retryLater(state: LoopState): Next {
  return { state, step: { kind: 'delay', attempt: state.networkFailures } };
}

/** The same ticket once more, asked for what its last turn left. */
function again(state: LoopState, limits: LoopLimits): Next {
  if (state.ticketState === 'broken') return turn(state, 'repair', limits);
  if (state.ticketState === 'done') return turn(state, 'commit', limits);
  return turn(state, state.threadId === null ? 'again' : 'continue', limits);
}

/** The end that a turn brings about by itself; null when the loop may go on after it. */
function endingOf(
  { networkFailures, overflows }: LoopState,
  { outcome, message, question, resetsAt }: JudgedTurn,
): Finish | null {
  const end = (as: Outcome, reason = message): Finish => ({
    kind: 'finish',
    outcome: as,
    reason,
    question: null,
    resetsAt: null,
  });
  if (question !== null) return { ...end('waiting', question.title), question };
  switch (outcome) {
    case 'network_error':
      if (networkFailures < MAX_NETWORK_FAILURES) return null;
      return end(
        'failed',
        `The model could not be reached ${networkFailures} times in a row: ${message}`,
      );
    case 'context_overflow':
      if (overflows === 0) return null;
      return end('failed', `The context overflowed in a fresh thread too: ${message}`);
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
  const spent = spentCap(state, limits);
  if (spent !== null) return finish(state, 'limit_reached', spent);
  return {
    state,
    step: { kind: 'turn', ticket: state.ticket ?? '', prompt, threadId: state.threadId },
  };
}

/** Which cap leaves no turn, as a sentence; null when there is one left. */
function spentCap(state: LoopState, { maxTurns, maxTurnsPerTicket }: LoopLimits): string | null {
  if (state.runTurns >= maxTurns) {
    return `The run has had its ${maxTurns} turns (LOOPER_MAX_TURNS), and ${nameOf(state)} is not done.`;
  }
  if (state.ticketTurns >= maxTurnsPerTicket) {
    return `${nameOf(state)} has had its ${maxTurnsPerTicket} turns in this run (LOOPER_MAX_TURNS_PER_TICKET) and is not done.`;
  }
  return null;
}

function finish(
  state: LoopState,
  outcome: Outcome,
  reason: string,
  { question = null }: { readonly question?: RunQuestion | null } = {},
): Next {
  return { state, step: { kind: 'finish', outcome, reason, question, resetsAt: null } };
}

function freshTicket(ticket: string): Omit<LoopState, 'runTurns' | 'networkFailures' | 'pending'> {
  return {
    ticket,
    threadId: null,
    ticketTurns: 0,
    unchangedTurns: 0,
    repairs: 0,
    ticketState: 'open',
    commitRequests: 0,
    overflows: 0,
  };
}

function nameOf({ ticket }: LoopState): string {
  return ticket === null ? 'The ticket' : printable(ticket);
}

function someOf(paths: readonly string[]): string {
  const more = paths.length - SHOWN_PATHS;
  const shown = paths.slice(0, SHOWN_PATHS).map(printable).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}
