import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { decide, type Decision, type SkipReason } from './autopoll/decision.ts';
import { readHistory } from './autopoll/facts.ts';
import { createMemory } from './autopoll/memory.ts';
import type { AutopollStateFile } from './autopoll/state.ts';
import { startTimer, type TickTimer } from './autopoll/timer.ts';
import type { Config } from './config.ts';
import { LooperError, messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Runs } from './run.ts';
import type { RunWatch } from './run-watch.ts';
import type { RunRecord } from './runs/record.ts';
import type { RunStore } from './runs/store.ts';

/** How long the end of the service waits for a tick; a launch is ended by those who run it. */
const STOP_MS = 1_000;

export interface AutopollStatus {
  readonly enabled: boolean;
  readonly paused: boolean;
  readonly interval_seconds: number | null;
  readonly cron: string | null;
  readonly next_tick_at: string | null;
  /** Why the last tick started nothing; null when it did, or before the first one. */
  readonly waiting: { readonly reason: string; readonly detail: string } | null;
  readonly failures: number;
  readonly runs_today: number;
  readonly max_runs_per_day: number;
}

/** Starts work by itself when nothing runs. Its ticks never overlap. */
export interface Autopoll {
  start(): void;
  /** No run is started after this; waits a moment for what is under way. */
  stop(): Promise<void>;
  /** One look: starts a run, or says why not. Never rejects. */
  tick(): Promise<Decision>;
  pause(): AutopollStatus;
  resume(): AutopollStatus;
  status(): AutopollStatus;
  /**
   * Every run's end counts for the back-off, whoever started it. One that nobody told of (the
   * service was down) is noticed by the next tick.
   */
  noteEnd(record: RunRecord): void;
}

export interface AutopollDeps {
  readonly config: Config['autopoll'];
  readonly workspace: string | null;
  readonly runDefaults: Config['runs'];
  readonly runs: Pick<Runs, 'trigger' | 'isLaunching'>;
  readonly watch: Pick<RunWatch, 'active'>;
  readonly store: Pick<RunStore, 'latest' | 'list' | 'find'>;
  readonly liveAgents: (workspace: string) => Promise<readonly number[]>;
  /** Changes when the tickets or the commits of a workspace change; null where that is unknown. */
  readonly workFingerprint: (workspace: string) => Promise<string | null>;
  readonly state: AutopollStateFile;
  /** Told of every look that starts nothing. */
  readonly onSkip?: (reason: SkipReason) => void;
  readonly log: Logger;
  readonly now?: () => number;
}

export function createAutopoll(deps: AutopollDeps): Autopoll {
  const { config, workspace, runs, watch, store, state, log } = deps;
  const now = deps.now ?? Date.now;
  const memory = createMemory({
    state,
    store,
    readWork: async () => (workspace === null ? null : deps.workFingerprint(workspace)),
    intervalMs: config.intervalMs,
    now,
    log,
  });
  let isStopping = false;
  let timer: TickTimer | null = null;
  let ticking: Promise<Decision> | null = null;
  let lastDecision: Decision | null = null;
  let noting: Promise<void> = Promise.resolve();

  const look = async (): Promise<Decision> => {
    await noting;
    const latest = store.latest();
    if (latest?.record.status === 'finished') await memory.noteEnd(latest.record);
    const active = watch.active();
    const isIdle = !state.read().paused && !runs.isLaunching() && active === null;
    const liveAgentPids = isIdle && workspace !== null ? await deps.liveAgents(workspace) : [];
    if (isIdle) await memory.noticeChangedWork();
    const { paused, failures, released_run } = state.read();
    const decision = decide({
      now: now(),
      isPaused: paused,
      workspace,
      isLaunching: runs.isLaunching(),
      activeRunId: active?.record.run_id ?? null,
      liveAgentPids,
      logStaleMs: config.logStaleMs,
      ...readHistory(store, workspace, released_run),
      failures,
      notBefore: memory.notBefore(),
      autoRunsToday: memory.startsToday(),
      maxRunsPerDay: config.maxRunsPerDay,
    });
    if (decision.kind === 'skip') return decision;
    return isStopping ? skip('cannot_start', 'the service is shutting down') : startRun();
  };

  const startRun = async (): Promise<Decision> => {
    const newestRun = (): string | undefined => store.latest()?.record.run_id;
    const newestBefore = newestRun();
    // Counted first: a service that dies of what it starts must not start it without end.
    const giveBack = memory.reserveStart();
    try {
      const answer = await runs.trigger(automaticRequest(deps.runDefaults, workspace));
      log.info({ runId: answer.runId }, 'codex.exec.autopoll.started');
      return { kind: 'start' };
    } catch (error) {
      const detail = messageOf(error);
      // A run that failed at once has an end of its own, which is noted like any other.
      if (newestRun() !== newestBefore) return skip('cannot_start', detail);
      giveBack();
      const code = error instanceof LooperError ? error.code : null;
      if (code === 'NOTHING_TO_RUN') return skip('nothing_to_run', detail);
      if (code === 'RUN_IN_PROGRESS') return skip('launching', detail);
      if (code === null) throw error;
      if (code !== 'SHUTTING_DOWN') memory.countFailure();
      return skip('cannot_start', detail);
    }
  };

  const lookSafely = async (): Promise<Decision> => {
    try {
      return await look();
    } catch (error) {
      memory.countFailure();
      log.error({ err: error }, 'codex.exec.autopoll.failed');
      return skip('cannot_start', messageOf(error));
    }
  };

  const tick = (): Promise<Decision> => {
    ticking ??= lookSafely().then((decision) => {
      ticking = null;
      lastDecision = decision;
      if (decision.kind === 'skip') {
        const { reason, detail } = decision;
        log.info({ reason, detail }, 'codex.exec.autopoll.skip');
        deps.onSkip?.(reason);
      }
      return decision;
    });
    return ticking;
  };

  const status = (): AutopollStatus => {
    const nextTickAt = timer?.nextAt() ?? null;
    return {
      enabled: config.enabled,
      paused: state.read().paused,
      interval_seconds: config.cron === undefined ? config.intervalMs / 1000 : null,
      cron: config.cron ?? null,
      next_tick_at: nextTickAt === null ? null : new Date(nextTickAt).toISOString(),
      waiting:
        lastDecision?.kind === 'skip'
          ? { reason: lastDecision.reason, detail: lastDecision.detail }
          : null,
      failures: state.read().failures,
      runs_today: memory.startsToday(),
      max_runs_per_day: config.maxRunsPerDay,
    };
  };

  return {
    tick,
    status,
    start: () => {
      if (!config.enabled) {
        log.info({ variable: 'LOOPER_AUTO_START_WHEN_IDLE' }, 'codex.exec.autopoll.off');
        return;
      }
      timer = startTimer(config, tick, now);
      log.info(startUpNote(config, workspace), 'codex.exec.autopoll.on');
    },
    stop: async () => {
      isStopping = true;
      timer?.stop();
      await Promise.race([
        Promise.all([ticking, noting]),
        delay(STOP_MS, undefined, { ref: false }),
      ]);
    },
    pause: () => {
      state.update({ paused: true });
      log.info({}, 'codex.exec.autopoll.paused');
      return status();
    },
    resume: () => {
      state.update({ paused: false });
      memory.release();
      log.info({}, 'codex.exec.autopoll.resumed');
      return status();
    },
    noteEnd: (record) => {
      noting = noting
        .then(() => memory.noteEnd(record))
        .catch((error: unknown) => log.error({ err: error }, 'codex.exec.autopoll.note_failed'));
    },
  };
}

function skip(reason: SkipReason, detail: string): Decision {
  return { kind: 'skip', reason, detail };
}

function automaticRequest(defaults: Config['runs'], workspace: string | null) {
  return {
    message: 'Looper was idle and started work by itself.',
    prompt: null,
    workspace,
    binary: null,
    delayMs: defaults.delayMs,
    startupCheckMs: defaults.startupCheckMs,
    // Between this look and the launch somebody else may have started a run: it stays.
    onBusy: 'reject',
    model: null,
    reasoning: null,
    trigger: 'autopoll',
    requestId: `autopoll-${randomUUID()}`,
    callerRunId: null,
    announceStart: false,
    warnings: [],
  } as const;
}

function startUpNote(config: Config['autopoll'], workspace: string | null) {
  return {
    workspace,
    every: config.cron ?? `${config.intervalMs / 1000} s`,
    starts: 'the first open ticket of the workspace, else the default prompt',
    turn_off: 'LOOPER_AUTO_START_WHEN_IDLE=0',
  };
}
