import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './logger.ts';
import { isAlive, readBootId, sendSignal } from './processes/identity.ts';
import { searchRunCgroups } from './processes/cgroup.ts';
import { sweepMarked } from './processes/stop.ts';
import { bareEnd, readEnd, type RunEnd } from './runs/end-file.ts';
import { finishRun } from './runs/finish.ts';
import { acquireLock, askHolder } from './runs/lock.ts';
import { returnCodeOf } from './runs/log-file.ts';
import type { RunRecord } from './runs/record.ts';
import { createRunIdLookup } from './runs/run-ids.ts';
import { requestStop, STOP_REASONS, type StopReason } from './runs/stop-file.ts';
import type { RunStore, StoredRun } from './runs/store.ts';
import { messageOf } from './errors.ts';

const LOOK_MS = 100;
/** While somebody waits for the end. */
const HURRIED_LOOK_MS = 2;
/** What a runner may take for itself beyond the agent's grace (contract, rule 11). */
const RUNNER_EXTRA_MS = 5_000;
const LOCK_WAIT_MS = 2_000;
const SWEEP_GRACE_MS = 2_000;
/** A run that could not be closed is tried again after this; doubles up to the last. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

/** A lost run's agent was swept. */
const ENDED_BY_OTHERS: ReadonlySet<RunRecord['outcome']> = new Set([...STOP_REASONS, 'lost']);

export interface StoppedRun {
  readonly record: RunRecord;
  /** The agent that was alive when the stop began, unless the run then ended by itself. */
  readonly agentPids: readonly number[];
}

/**
 * The daemon's view of the one active run: it adopts what an earlier daemon left, notices the end
 * of a run however it comes, and ends one on request. The runner does the work and writes the
 * files; only where it is dead does the daemon take the run lock and complete them.
 */
export interface RunWatch {
  active(): StoredRun | null;
  /** Follows the run that is alive, if any, and closes those whose runner is gone. */
  adopt(): Promise<void>;
  /** Follows a run whose runner holds, or is about to take, the run lock. */
  follow(run: StoredRun): void;
  /** Ends the active run and waits until its tree is gone; null when nothing runs. */
  stop(reason: StopReason): Promise<StoppedRun | null>;
  /**
   * Closes a run whose runner never came to hold the lock, or died: sweeps what it left, writes its
   * end. Where that cannot be done now it is done later, so this never throws.
   */
  close(run: StoredRun, end?: Partial<RunEnd>): Promise<void>;
  /** Resolves when the active run has ended, or at once when nothing runs. */
  ended(): Promise<void>;
  /** Stops looking; the run goes on. */
  detach(): void;
}

interface Followed {
  readonly run: StoredRun;
  readonly done: Promise<void>;
  /** Aborted when somebody waits for the end: look more often. */
  readonly hurry: AbortController;
  /** What the run's end says where its runner could not write one. */
  end: Partial<RunEnd>;
}

interface RunWatchOptions {
  readonly store: RunStore;
  readonly graceMs: number;
  readonly log: Logger;
  /** Called with the active run about ten times a second. */
  readonly onLook: (run: StoredRun) => void;
  /** Called once a run has its end, and waited for before anything else may start. Never throws. */
  readonly afterRun: (run: StoredRun) => Promise<void>;
  /** Called once per run that ends while this daemon watches; nobody waits for what it starts. */
  readonly onEnd: (record: RunRecord) => void;
}

export function createRunWatch(options: RunWatchOptions): RunWatch {
  const { store, graceMs, log } = options;
  const detached = new AbortController();
  let current: Followed | null = null;

  const reread = (run: StoredRun): RunRecord => store.find(run.record.run_id)?.record ?? run.record;

  const complete = async (run: StoredRun, end: Partial<RunEnd>): Promise<RunRecord> => {
    const lock = await acquireLock({
      directory: store.directory,
      lock: 'run',
      holder: `daemon ${process.pid}`,
      waitMs: LOCK_WAIT_MS,
    });
    if (lock.kind === 'refused') {
      throw new Error(
        `run ${run.record.run_id} could not be closed: the run lock is held by ${lock.holder ?? 'a process that does not answer'}`,
      );
    }
    try {
      const marker = createRunIdLookup(store.directory);
      const swept = await sweepMarked({
        marker,
        // The runner may have lived in another session or service than this daemon.
        cgroups: searchRunCgroups(marker),
        graceMs: SWEEP_GRACE_MS,
      });
      if (swept.survivors.length > 0) log.error({ pids: swept.survivors }, 'run.leftover_survived');
      const record = reread(run);
      const finished = finishRun(run.files, record, readEnd(run.files.end) ?? lostEnd(record, end));
      for (const failure of finished.failures) log.warn({ failure }, 'run.end_incomplete');
      return finished.record;
    } finally {
      await lock.release();
    }
  };

  let complaint = '';
  /** Somebody moved the log directory, the disk fails: the run goes on, and so must its watch. */
  const lookAt = (run: StoredRun): void => {
    try {
      options.onLook(run);
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== complaint) log.warn({ runId: run.record.run_id, reason }, 'run.look_failed');
      complaint = reason;
    }
  };

  const watch = async (run: StoredRun, hurry: AbortSignal): Promise<void> => {
    const { runner } = run.record;
    const isWorking = (): boolean => runner !== null && isAlive(runner);
    while (isWorking()) {
      if (hurry.aborted) await delay(HURRIED_LOOK_MS);
      else await delay(LOOK_MS, undefined, { signal: hurry }).catch(() => undefined);
      detached.signal.throwIfAborted();
      lookAt(run);
    }
    await close(run, current?.run === run ? current.end : {});
  };

  /** Its runner is gone: takes over what that left undone, and tells whoever wants to know. */
  const settle = async (run: StoredRun, end: Partial<RunEnd>): Promise<void> => {
    const record = store.isComplete(run) ? reread(run) : await complete(run, end);
    // Closed late, with a newer run at work: that one has settled what this one left.
    if (current === null || current.run === run) await options.afterRun({ ...run, record });
    if (current?.run === run) current = null;
    log.info({ runId: record.run_id, outcome: record.outcome, reason: record.reason }, 'run.end');
    options.onEnd(record);
  };

  /**
   * Never throws: what cannot be completed now is tried again. The lock of a runner that was killed
   * while it spawned stays held until its child has executed the agent; then a newer run may have it.
   */
  const close = async (
    run: StoredRun,
    end: Partial<RunEnd> = {},
    retryMs = FIRST_RETRY_MS,
  ): Promise<void> => {
    try {
      await settle(run, end);
    } catch (error) {
      if (current?.run === run) current = null;
      const { run_id: runId } = run.record;
      log.error({ runId, reason: messageOf(error), retryMs }, 'run.close_failed');
      void delay(retryMs, undefined, { signal: detached.signal, ref: false }).then(
        () => close(run, end, Math.min(2 * retryMs, LAST_RETRY_MS)),
        () => undefined,
      );
    }
  };

  const follow = (run: StoredRun): void => {
    const hurry = new AbortController();
    const done = watch(run, AbortSignal.any([hurry.signal, detached.signal])).catch(
      (error: unknown) => {
        if (detached.signal.aborted) return;
        if (current?.run === run) current = null;
        log.error({ runId: run.record.run_id, err: error }, 'run.watch_failed');
      },
    );
    current = { run, done, hurry, end: {} };
  };

  return {
    active: () => {
      if (current === null) return null;
      return { files: current.run.files, record: reread(current.run) };
    },
    follow,
    close,
    adopt: async () => {
      const holder = await askHolder(store.directory, 'run');
      for (const run of store.unfinished()) {
        const { record } = run;
        if (holder === record.run_id || (record.runner !== null && isAlive(record.runner))) {
          log.info({ runId: record.run_id }, 'run.adopted');
          follow(run);
        } else {
          await close(run);
        }
      }
    },
    stop: async (reason) => {
      if (current === null) return null;
      const followed = current;
      const { run, done, hurry } = followed;
      const { agent, runner } = reread(run);
      const standing = askToStop(run, reason, log);
      hurry.abort();
      if (runner !== null) sendSignal(runner, 'SIGTERM');
      const inTime = await settledWithin(done, graceMs + RUNNER_EXTRA_MS);
      if (!inTime) {
        log.warn({ runId: run.record.run_id }, 'run.runner_killed');
        followed.end = { outcome: standing, reason: 'Its runner did not stop and was killed.' };
        if (runner !== null) sendSignal(runner, 'SIGKILL');
        await done;
      }
      const record = reread(run);
      const wasEnded = ENDED_BY_OTHERS.has(record.outcome);
      return { record, agentPids: agent === null || !wasEnded ? [] : [agent.pid] };
    },
    ended: async () => current?.done,
    detach: () => detached.abort(),
  };
}

function askToStop(run: StoredRun, reason: StopReason, log: Logger): StopReason {
  try {
    return requestStop(run.files.stop, reason);
  } catch (error) {
    log.warn({ runId: run.record.run_id, reason: messageOf(error) }, 'run.stop_reason_unwritten');
    return reason;
  }
}

async function settledWithin(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  const timer = new AbortController();
  const expired = delay(timeoutMs, false, { signal: timer.signal, ref: false }).catch(() => false);
  const result = await Promise.race([promise.then(() => true), expired]);
  timer.abort();
  return result;
}

function lostEnd(record: RunRecord, end: Partial<RunEnd>): RunEnd {
  const last = record.turns.at(-1);
  return {
    ...bareEnd('lost', whyLost(record)),
    // The runner may have died between the trailer of the log and the end: then both say the same.
    return_code:
      last === undefined ? null : returnCodeOf({ exitCode: last.exit_code, signal: last.signal }),
    ...end,
  };
}

function whyLost({ runner, started_at }: RunRecord): string {
  if (runner !== null && !runner.start_time.startsWith(readBootId())) {
    return 'The machine was restarted while it ran.';
  }
  return started_at === null
    ? 'It was never started: the service or its runner died first.'
    : 'Its runner was killed.';
}
