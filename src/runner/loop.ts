import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { commitTicket } from '../git/commit.ts';
import { newDirt, readDirty } from '../git/dirty.ts';
import { GitError } from '../git/git-error.ts';
import type { DirtyPaths } from '../git/repository.ts';
import type { Git } from '../git/safe-git.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';
import type { RunEnd } from '../runs/end-file.ts';
import type { RunQuestion, TurnRecord } from '../runs/record.ts';
import {
  createQueueCache,
  isDone,
  loadQueue,
  type Queue,
  type QueueEntry,
} from '../tickets/queue.ts';
import {
  nextStep,
  startState,
  type Finish,
  type JudgedTurn,
  type LoopEvent,
  type LoopState,
  type Step,
} from '../tickets/steps.ts';
import { dropCarry, writeCarry } from './carry.ts';
import { composeTurn, describeProblems, selectTicket } from './compose-turn.ts';
import { endRun, recordTurnEnd, summarise } from './run-end.ts';
import { endTurn, startTurn, type TurnContext } from './execute-turn.ts';
import { createJudge } from './judge.ts';
import type { Messages } from './messages.ts';
import type { KnownReply, LoopOrder } from './order.ts';
import { openGit, readWorkFingerprint } from './progress.ts';
import type { TurnExit } from './turn.ts';

const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 300_000;

/**
 * Drives a ticket loop from the end of its first turn, which the daemon prepared, to its outcome:
 * does what `nextStep` says and tells it what came of that. What must outlive this process (which
 * thread works on which ticket, what was dirty before it) is on disk before every step.
 */
export async function driveLoop(
  context: TurnContext,
  loop: LoopOrder,
  messages: Messages,
  firstTurn: TurnRecord,
  firstExit: TurnExit,
): Promise<RunEnd> {
  const { order, writer } = context;
  const { workspace, run_id: runId } = writer.record;
  const { ticketsDirectory } = loop;
  const git = openGit(loop.repository, order.scratch);
  const judge = createJudge(writer.files.log);
  const cache = createQueueCache();

  let queue = await look();
  let state = startState(fileNameOf(firstTurn), order.firstTurn.resumeThreadId);
  let before = loop.before;
  let fingerprint = loop.fingerprint;
  let replies: readonly KnownReply[] = loop.replies;
  let lastMessage: string | null = null;
  let uncommitted: readonly string[] = [];
  const done: string[] = [];
  const commits: string[] = [];
  const warnings: string[] = [...loop.warnings];
  let changed: boolean | null = false;

  keepCarry();

  let event: LoopEvent = {
    kind: 'turn_ended',
    turn: await judgeTurn(firstTurn, firstExit),
  };
  for (;;) {
    const next: { state: LoopState; step: Step } = nextStep(state, event, order.limits);
    state = next.state;
    const { step } = next;
    if (step.kind === 'finish') return finish(step);
    if (context.stop.aborted) return finish(stopped());
    event = await perform(step);
  }

  async function perform(step: Exclude<Step, Finish>): Promise<LoopEvent> {
    switch (step.kind) {
      case 'select':
        queue = await look();
        return { kind: 'selected', selection: selectTicket(queue, workspace) };
      case 'delay':
        await delay(retryMs(step.attempt), undefined, { signal: context.stop }).catch(
          () => undefined,
        );
        return { kind: 'delayed' };
      case 'commit':
        done.push(step.ticket);
        return { kind: 'committed', uncommitted: await commit(step.ticket) };
      case 'turn':
        return { kind: 'turn_ended', turn: await takeTurn(step) };
    }
    return step satisfies never;
  }

  async function takeTurn(step: Extract<Step, { kind: 'turn' }>): Promise<JudgedTurn> {
    const entry = entryOf(step.ticket);
    if (entry === null) return failedTurn('gone', `${step.ticket} is gone.`);
    if (step.prompt === 'first' && state.ticketTurns === 0) await beginTicket();
    const composed = composeTurn({
      runId,
      workspace,
      sandbox: order.command.sandbox,
      hasNetwork: order.command.network,
      limits: order.limits,
      loop,
      replies,
      queue,
      state,
      prompt: step.prompt,
      entry,
      warnings: [],
      previousOutput: lastMessage,
      uncommitted,
    });
    const number = writer.record.turns.length + 1;
    writeFileAtomic(writer.files.prompt(number), composed.prompt);
    const started = await startTurn(context, composed.plan);
    if (started.kind === 'spawn_failed') return failedTurn('open', started.message, 'spawn_failed');
    return judgeTurn(started.turn, await endTurn(context, started));
  }

  /** A new ticket: its own baseline, and nothing of the last one's. */
  async function beginTicket(): Promise<void> {
    lastMessage = null;
    before = git === null ? null : await dirtyNow(git);
    keepCarry();
    fingerprint = await work();
  }

  async function judgeTurn(turn: TurnRecord, exit: TurnExit): Promise<JudgedTurn> {
    const verdict = await judge.judge(turn, exit);
    const question = await messages.settle(state.ticket);
    recordTurnEnd(context, verdict);
    if (verdict.report.turnStarted) markShown(turn);
    if (exit.survivors.length > 0) {
      throw new Error(`processes of the turn survived SIGKILL: ${exit.survivors.join(', ')}`);
    }
    lastMessage = turn.final_message ?? lastMessage;
    keepCarry(turn.thread_id);
    queue = await look();
    const now = await work();
    const hasChanged = now === null || fingerprint === null ? null : now !== fingerprint;
    fingerprint = now;
    changed = changed === true || hasChanged === true ? true : (hasChanged ?? changed);
    const entry = state.ticket === null ? null : entryOf(state.ticket);
    const ticketState = stateOfTicket(entry);
    return {
      outcome:
        verdict.outcome === 'finished' && ticketState !== 'done' ? 'unfinished' : verdict.outcome,
      message:
        entry?.kind === 'bad' && ticketState === 'broken'
          ? describeProblems(entry.problems)
          : verdict.message,
      ticketState,
      changed: hasChanged,
      threadId: turn.thread_id,
      resetsAt: verdict.resetsAt,
      question,
    };
  }

  /** Commits a finished ticket, or lists what its agent has still to commit. */
  async function commit(fileName: string): Promise<readonly string[]> {
    const entry = entryOf(fileName);
    if (loop.commit === 'off' || git === null || before === null || entry?.kind !== 'ticket') {
      dropCarry(order.logDirectory, workspace);
      return [];
    }
    const { id, title } = entry.ticket;
    if (loop.commit === 'agent') {
      uncommitted = await dirtSince(git, before);
      if (uncommitted.length === 0) dropCarry(order.logDirectory, workspace);
      return uncommitted;
    }
    const ticketPath = `${ticketsDirectory}/${fileName}`;
    const result = await commitTicket(git, { before, title, id, runId, ticketPath });
    if (result.kind === 'failed') {
      warn(`${id} is done, but its changes could not be committed: ${result.message}`);
    } else {
      for (const { path, why } of result.leftAlone)
        warn(`${id}: ${path} was not committed: ${why}`);
      if (result.kind === 'committed') commits.push(result.commit);
    }
    dropCarry(order.logDirectory, workspace);
    return [];
  }

  function finish(step: Finish): RunEnd {
    const waiting = step.outcome === 'waiting' && state.ticket !== null ? [state.ticket] : [];
    return endRun(context, {
      ...step,
      changed,
      summary: summarise(context, {
        tickets_done: [...new Set(done)],
        tickets_waiting: step.question?.ticket == null ? waiting : [step.question.ticket],
        tickets_left: queue.entries.filter((entry) => !isDone(entry)).length,
        commits,
        warnings,
      }),
    });
  }

  function look(): Promise<Queue> {
    return loadQueue({ directory: ticketsDirectory, cache });
  }

  function work(): Promise<string | null> {
    const { repository } = loop;
    const ticketFile = state.ticket;
    return readWorkFingerprint({
      workspace,
      repository,
      scratch: order.scratch,
      ticketsDirectory,
      ticketFile,
    });
  }

  async function dirtyNow(opened: Git): Promise<DirtyPaths | null> {
    try {
      return await readDirty(opened);
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      warn(`Nothing will be committed for ${state.ticket ?? 'this ticket'}: ${error.message}`);
      return null;
    }
  }

  async function dirtSince(opened: Git, since: DirtyPaths): Promise<readonly string[]> {
    try {
      return await newDirt(opened, since);
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      warn(`Whether everything is committed is unknown: ${messageOf(error)}`);
      return [];
    }
  }

  function keepCarry(threadId: string | null = state.threadId): void {
    const entry = state.ticket === null ? null : entryOf(state.ticket);
    if (entry?.kind !== 'ticket') return;
    const { id, title } = entry.ticket;
    writeCarry(order.logDirectory, {
      version: 1,
      workspace,
      run_id: runId,
      ticket: entry.fileName,
      title,
      id,
      thread_id: threadId,
      final_message: lastMessage,
      before,
    });
  }

  function markShown(turn: TurnRecord): void {
    const { thread_id: thread } = turn;
    if (thread === null) return;
    replies = replies.map((reply) =>
      turn.replies?.includes(reply.name) === true
        ? { ...reply, shownIn: [...reply.shownIn, thread] }
        : reply,
    );
  }

  function entryOf(fileName: string): QueueEntry | null {
    return queue.entries.find((entry) => entry.fileName === fileName) ?? null;
  }

  function warn(message: string): void {
    warnings.push(message);
    writer.event('warning', { message });
  }
}

function stateOfTicket(entry: QueueEntry | null): JudgedTurn['ticketState'] {
  if (entry === null) return 'gone';
  if (isDone(entry)) return 'done';
  return entry.kind === 'bad' ? 'broken' : 'open';
}

function failedTurn(
  ticketState: JudgedTurn['ticketState'],
  message: string,
  outcome: JudgedTurn['outcome'] = 'unfinished',
): JudgedTurn {
  return {
    outcome,
    message,
    ticketState,
    changed: null,
    threadId: null,
    resetsAt: null,
    question: null as RunQuestion | null,
  };
}

function stopped(): Finish {
  return { kind: 'finish', outcome: 'stopped', reason: '', question: null, resetsAt: null };
}

function fileNameOf(turn: TurnRecord): string {
  return turn.ticket?.split('/').at(-1) ?? '';
}

/** Doubles up to five minutes; a fifth of jitter, so that many Loopers do not come back at once. */
function retryMs(attempt: number): number {
  const doubled = Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LAST_RETRY_MS);
  return doubled * (0.8 + 0.4 * Math.random());
}
