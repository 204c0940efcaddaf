import { existsSync } from 'node:fs';
import { formatCommand } from '../codex/command.ts';
import { descriptorShortage, LooperError, messageOf, systemErrorCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isAlive, sendSignal } from '../processes/identity.ts';
import type { RunOrder, RunnerReply } from '../runner/order.ts';
import type { GatedRunner, Standby } from '../runner/spawn.ts';
import type { RunWatch } from '../run-watch.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';
import { createRunId } from '../runs/files.ts';
import { bareEnd, type RunEnd } from '../runs/end-file.ts';
import { finishRun, writeRecord } from '../runs/finish.ts';
import type { RunRecord } from '../runs/record.ts';
import { readLogTail, returnCodeOf } from '../runs/log-file.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';
import { turnCommand } from '../runner/execute-turn.ts';
import type { Planner, PreparedRun, StartPlan } from './plan.ts';
import type { RunRequest, StartedAgent } from './request.ts';

/** From the order to the agent's start: the lock, a sweep, two small files, a spawn. */
const START_MS = 15_000;
/** A runner that died before it touched anything is replaced by another. */
const MAX_RUNNERS = 6;
const TAIL_BYTES = 2_000;

export interface Launcher {
  /** Puts a run on record before anything happens for it. Throws `LOG_DIR_UNUSABLE`. */
  create(request: RunRequest, plan: StartPlan, status: 'starting' | 'queued'): StoredRun;
  /** A run that has waited in the queue, as it is when its turn has come. */
  dequeue(run: StoredRun, plan: StartPlan): StoredRun;
  /** Once the way is clear: the first turn, on disk and ready to be ordered. */
  prepare(request: RunRequest, plan: StartPlan, run: StoredRun): Promise<PreparedRun>;
  /** Opens the runner's gate for one run and looks whether its agent starts well. */
  start(
    request: RunRequest,
    run: StoredRun,
    prepared: PreparedRun,
    runner: GatedRunner,
    off: AbortSignal,
  ): Promise<StartedAgent>;
  /** Ends a run that no runner was ordered to carry out, as the error says. Never throws. */
  abandon(run: StoredRun, why: unknown): void;
}

export interface LauncherDeps {
  readonly store: RunStore;
  readonly watch: RunWatch;
  readonly standby: Standby;
  readonly prepare: Planner['prepare'];
  /** Told of runs that ended before they began. */
  readonly onAbandon: (record: RunRecord) => void;
  readonly log: Logger;
}

export function createLauncher(deps: LauncherDeps): Launcher {
  const { store, watch, standby, log } = deps;

  /** Hands the order over until a runner takes it; a run's order is carried out at most once. */
  const order = async (
    run: StoredRun,
    first: GatedRunner,
    orderFor: (runner: GatedRunner) => RunOrder,
  ): Promise<{ runner: GatedRunner; reply: RunnerReply }> => {
    let runner = first;
    try {
      for (let attempt = 1; ; attempt += 1) {
        runner.order(orderFor(runner));
        const reply = await runner.nextReply(START_MS);
        if (reply !== null && reply.kind !== 'busy') return { runner, reply };
        await sendAway(runner);
        log.warn({ runId: run.record.run_id, attempt, reply }, 'run.runner_lost');
        if (attempt === MAX_RUNNERS || mayHaveStarted(run)) {
          throw new LooperError('RUNNER_FAILED', runnerLostSentence(reply));
        }
        runner = standby.take();
      }
    } catch (error) {
      await sendAway(runner);
      if (mayHaveStarted(run)) await watch.close(run);
      else abandon(run, error);
      throw error;
    }
  };

  const abandon = ({ files, record }: StoredRun, why: unknown): void => {
    try {
      const end = bareEnd(outcomeOf(why), messageOf(why));
      deps.onAbandon(finishRun(files, record, end).record);
    } catch (error) {
      log.error({ runId: record.run_id, err: error }, 'run.abandon_failed');
    }
  };

  return {
    create: (request, plan, status) =>
      whileDiskHolds(store.directory, () =>
        store.create({
          version: 1,
          run_id: createRunId(request.trigger === 'autopoll'),
          trigger: request.trigger,
          mode: plan.mode,
          workspace: plan.workspace,
          status,
          outcome: null,
          reason: null,
          created_at: new Date().toISOString(),
          started_at: null,
          finished_at: null,
          runner: null,
          agent: null,
          turns: [],
        }),
      ),

    dequeue: (run, plan) => {
      const { mode, workspace } = plan;
      const record: RunRecord = { ...run.record, mode, workspace, status: 'starting' };
      return whileDiskHolds(store.directory, () => {
        writeRecord(run.files, record);
        return { ...run, record };
      });
    },

    prepare: async (request, plan, run) => {
      const prepared = await deps.prepare(request, plan, run.record.run_id);
      whileDiskHolds(store.directory, () => {
        writeFileAtomic(run.files.prompt(1), prepared.prompt);
      });
      return prepared;
    },

    start: async (request, run, prepared, firstRunner, off) => {
      const { runner, reply } = await order(run, firstRunner, (next) => {
        const record = { ...run.record, runner: next.identity };
        // So that whoever finds this run later knows whom it was given to.
        whileDiskHolds(store.directory, () => writeRecord(run.files, record));
        return {
          ...prepared.order,
          record,
          base: run.files.base,
          logDirectory: store.directory,
          requestId: request.requestId,
        };
      });
      watch.follow({ ...run, record: { ...run.record, runner: runner.identity } });
      if (reply.kind !== 'started') throw refusedError(reply);
      const command = formatCommand(
        turnCommand(prepared.order.command, prepared.order.firstTurn, run.files.lastMessage(1)),
      );
      log.info({ runId: run.record.run_id, childPid: reply.pid, command }, 'cmd.start');

      const { exit, hasEnded } = await startupCheck(runner, request.startupCheckMs, off);
      const startupReturnCode = exit === null ? null : returnCodeOf(exit);
      if (hasEnded && startupReturnCode !== null && startupReturnCode !== 0) {
        await watch.ended();
        throw exitedEarly(startupReturnCode, run.files.log);
      }
      return {
        pid: reply.pid,
        command,
        logPath: run.files.log,
        startupReturnCode,
      };
    },

    abandon,
  };
}

/** A launch that was called off ends as a run would have. */
function outcomeOf(why: unknown): RunEnd['outcome'] {
  const code = why instanceof LooperError ? why.code : null;
  if (code === 'SHUTTING_DOWN') return 'shutdown';
  return code === 'NOT_ACTIVE' ? 'stopped' : 'spawn_failed';
}

type TurnExited = Extract<RunnerReply, { kind: 'turn_exited' }>;

/** Listens to the runner for as long as the check lasts, or until it has nothing more to say. */
async function startupCheck(
  runner: GatedRunner,
  checkMs: number,
  off: AbortSignal,
): Promise<{ exit: TurnExited | null; hasEnded: boolean }> {
  const cut = new Promise<null>((resolve) => {
    off.addEventListener('abort', () => resolve(null), { once: true });
  });
  const deadline = performance.now() + checkMs;
  let exit: TurnExited | null = null;
  for (;;) {
    const leftMs = deadline - performance.now();
    const isOver = leftMs <= 0 || off.aborted;
    const reply = isOver ? null : await Promise.race([runner.nextReply(leftMs), cut]);
    if (reply === null) return { exit, hasEnded: false };
    if (reply.kind === 'turn_exited') exit = reply;
    if (reply.kind === 'ended') return { exit, hasEnded: true };
  }
}

/** The log is created once the lock is held: with it the runner may have started the agent. */
function mayHaveStarted({ files }: StoredRun): boolean {
  return existsSync(files.log);
}

/** Makes sure that a runner we gave up cannot carry out its order after all. */
async function sendAway(runner: GatedRunner): Promise<void> {
  runner.closeGate();
  sendSignal(runner.identity, 'SIGKILL');
  const deadline = performance.now() + START_MS;
  while (isAlive(runner.identity) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function whileDiskHolds<T>(directory: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    const shortage = descriptorShortage(error);
    if (shortage !== null) throw shortage;
    throw new LooperError(
      'LOG_DIR_UNUSABLE',
      `The log directory ${directory} cannot be written (${code}), so nothing was started. Make room there, or name another one in LOOPER_LOG_DIR.`,
      { cause: error },
    );
  }
}

function refusedError(reply: RunnerReply): LooperError {
  if (reply.kind !== 'refused') {
    return new LooperError(
      'RUNNER_FAILED',
      `The runner ended before its agent started (${reply.kind}).`,
    );
  }
  const code = reply.survivors.length > 0 ? 'STALE_RUN_SURVIVED' : 'AGENT_FAILED';
  return new LooperError(code, reply.reason, {
    details: { remaining_codex_exec_pids: reply.survivors },
  });
}

function runnerLostSentence(reply: RunnerReply | null): string {
  return reply?.kind === 'busy'
    ? `The run lock of the log directory is held by ${reply.holder ?? 'a process that does not answer'}; nothing was started. End that process and trigger again.`
    : 'The runner died before its agent started. Look at server/runner-stderr.log in the log directory and at the free memory, then trigger again.';
}

function exitedEarly(returnCode: number, logPath: string): LooperError {
  const tail = readLogTail(logPath, TAIL_BYTES);
  return new LooperError(
    'AGENT_FAILED',
    `codex exec exited early (rc=${returnCode}, log_path=${logPath}, tail=${tail})`,
    { details: { return_code: returnCode, log_path: logPath } },
  );
}
