import { setTimeout as delay } from 'node:timers/promises';
import { LooperError } from '../errors.ts';
import type { RunEnd } from '../runs/end-file.ts';
import type { Outcome, TurnRecord } from '../runs/record.ts';
import { nextStep, startState, type Finish, type LoopEvent, type Step } from '../tickets/steps.ts';
import { createCurrentTicket } from './current-ticket.ts';
import type { TurnContext } from './execute-turn.ts';
import { RUN_TIMED_OUT } from './judge.ts';
import type { Messages } from './messages.ts';
import type { LoopOrder } from './order.ts';
import { createProgress, openGit } from './progress.ts';
import { endRun, summarise } from './run-end.ts';
import { createTally } from './tally.ts';
import { createTicketTurns } from './ticket-turns.ts';
import type { TurnExit } from './turn.ts';

const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 300_000;

/**
 * Drives a ticket loop from the end of its first turn, which the daemon prepared, to its outcome:
 * does what `nextStep` says and tells it what came of that. What must outlive this process is on
 * disk before every step.
 */
export async function driveLoop(
  context: TurnContext,
  loop: LoopOrder,
  messages: Messages,
  first: { readonly turn: TurnRecord; readonly exit: TurnExit },
): Promise<RunEnd> {
  const { order, writer } = context;
  const git = openGit(loop.repository, order.scratch);
  const tally = createTally(writer, loop);
  const ticket = createCurrentTicket(context, { loop, git, tally });
  const progress = createProgress(
    {
      workspace: writer.record.workspace,
      repository: loop.repository,
      scratch: order.scratch,
      ticketsDirectory: loop.ticketsDirectory,
    },
    loop.fingerprint,
  );
  const turns = createTicketTurns(context, { loop, messages, ticket, progress, tally });
  let state = startState(loop.ticket.ticket, loop.ticket.thread_id);
  let uncommitted: readonly string[] = [];

  const perform = async (step: Exclude<Step, Finish>): Promise<LoopEvent> => {
    switch (step.kind) {
      case 'select':
        return turns.select();
      case 'turn':
        return turns.take(step, state, uncommitted);
      case 'delay':
        await waitToRetry(step.attempt);
        return { kind: 'delayed' };
      case 'commit':
        tally.done.add(step.ticket);
        uncommitted = await ticket.settle();
        if (uncommitted.length > 0) markUncommitted();
        return { kind: 'committed', uncommitted };
    }
    return step satisfies never;
  };

  const waitToRetry = async (attempt: number): Promise<void> => {
    const left = (context.runDeadline ?? Infinity) - performance.now();
    const ms = Math.max(0, Math.min(retryMs(attempt), left));
    writer.event('warning', { message: `The next try begins in ${Math.ceil(ms / 1000)} s.` });
    await delay(ms, undefined, { signal: context.stop }).catch(() => undefined);
  };

  const markUncommitted = (): void => {
    const turn = writer.record.turns.at(-1);
    if (turn !== undefined) turn.outcome = 'uncommitted';
    writer.save();
  };

  const finish = (end: Finish): RunEnd => {
    const waiting = end.outcome === 'waiting' ? (end.question?.ticket ?? state.ticket) : null;
    const summary = summarise(context, {
      tickets_done: [...tally.done],
      tickets_waiting: waiting === null ? [] : [waiting],
      tickets_left: turns.left(),
      commits: tally.commits,
      warnings: tally.warnings,
    });
    return endRun(context, { ...end, summary, changed: progress.hasChanged() });
  };

  try {
    let event = await turns.judge(first.turn, first.exit, state);
    for (;;) {
      const next: ReturnType<typeof nextStep> = nextStep(state, event, order.limits);
      state = next.state;
      ticket.keep(state);
      const { step } = next;
      if (step.kind === 'finish') return finish(step);
      const end = interruption(context, step);
      if (end !== null) return finish(end);
      event = await perform(step);
    }
  } catch (error) {
    if (!(error instanceof LooperError)) throw error;
    // Tickets that cannot be listed are for a person to mend; a survivor is nobody's question.
    const outcome = error.code === 'TICKETS_UNREADABLE' ? 'waiting' : 'failed';
    return finish(finishAs(outcome, error.message));
  }
}

/** Doubles up to five minutes; a fifth of jitter, so that many Loopers do not come back at once. */
export function retryMs(attempt: number, random: () => number = Math.random): number {
  const doubled = Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LAST_RETRY_MS);
  return doubled * (0.8 + 0.4 * random());
}

/** What ends the run between two turns: a request to stop, its deadline. */
function interruption({ stop, runDeadline }: TurnContext, step: Step): Finish | null {
  // The runner knows whose request it was, and says so.
  if (stop.aborted) return finishAs('stopped', '');
  const isOver = runDeadline !== null && performance.now() >= runDeadline;
  // Finished work is committed first, however late it is.
  const isMoreWork = step.kind === 'turn' || step.kind === 'delay';
  return isOver && isMoreWork ? finishAs('timed_out', RUN_TIMED_OUT) : null;
}

function finishAs(outcome: Outcome, reason: string): Finish {
  return { kind: 'finish', outcome, reason, question: null, resetsAt: null };
}
