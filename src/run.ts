import { setTimeout as delay } from 'node:timers/promises';
import { LooperError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { FanOut } from './notify/index.ts';
import type { Launcher } from './run/launch.ts';
import type { Planner, RunPlan, StartPlan } from './run/plan.ts';
import type { RunQueue } from './run/queue.ts';
import type { RunAnswer, RunRequest } from './run/request.ts';
import type { StaleAgents } from './run/stale.ts';
import type { GatedRunner, Standby } from './runner/spawn.ts';
import type { RunWatch } from './run-watch.ts';
import type { StoredRun } from './runs/store.ts';

/** A caller that found a launch under way may well succeed after the startup check. */
const BUSY_RETRY_SECONDS = 2;
/** How often a launch that is past calling off is looked at, until its run can be stopped. */
const CALL_OFF_LOOK_MS = 5;

/** A trigger that has passed every check; the rest happens whether or not somebody waits. */
export interface AcceptedRun {
  /** Null when there is nothing to start (`codex_prompt: ""`). */
  readonly runId: string | null;
  readonly answer: Promise<RunAnswer>;
}

export interface Runs {
  /**
   * Checks everything and takes the launch mutex, then, in the background: announce, find and stop
   * stale agents, start one run, look whether it starts well. Throws what the contract answers
   * before anything is announced or stopped.
   */
  accept(request: RunRequest): Promise<AcceptedRun>;
  /** The same, and waits for the answer. Whoever asked may go away meanwhile. */
  trigger(request: RunRequest): Promise<RunAnswer>;
  /** Takes a trigger out of the queue; false when it does not wait there (any more). */
  cancelQueued(runId: string): boolean;
  /**
   * Calls off the launch of this run as long as no agent was ordered, else waits until the run can
   * be stopped like any other. False when it is not being launched.
   */
  callOff(runId: string): Promise<boolean>;
  /** Starts what waits in the queue, unless something runs. Never throws. */
  startQueued(): Promise<void>;
  isLaunching(): boolean;
  /** Ends a launch that waits, and refuses new ones. Resolves when none is under way. */
  shutdown(): Promise<void>;
}

export interface RunDeps {
  readonly planner: Pick<Planner, 'plan'>;
  readonly watch: Pick<RunWatch, 'active' | 'stop'>;
  readonly stale: Pick<StaleAgents, 'stop'>;
  readonly standby: Standby;
  readonly launcher: Launcher;
  readonly queue: RunQueue;
  readonly announce: FanOut['announce'];
  readonly notifyRequired: boolean;
  readonly log: Logger;
}

export function createRuns(deps: RunDeps): Runs {
  const { planner, watch, standby, launcher, queue, log } = deps;
  let launch: Launch | null = null;
  let isClosing = false;

  const announce = async (request: RunRequest, runId: string | null, workspace: string | null) => {
    if (!request.announceStart) return { notified: false, output: '', failures: [] };
    const text = request.message;
    const announced = await deps.announce({ kind: 'start', text, runId, workspace });
    if (deps.notifyRequired && !announced.notified) {
      throw new LooperError(
        'NOTIFY_FAILED',
        `The announcement failed and LOOPER_NOTIFY_REQUIRED=1, so nothing was stopped or started: ${announced.output}`,
      );
    }
    return announced;
  };

  const clearTheWay = async (plan: RunPlan) => {
    const stopped = await watch.stop('replaced');
    const stale = await deps.stale.stop(plan.workspace);
    // It may have ended by itself meanwhile, or somebody else have stopped it first.
    const isReplaced = stopped?.record.outcome === 'replaced';
    return {
      replacedRunId: isReplaced ? stopped.record.run_id : null,
      killedPids: [...(stopped?.agentPids ?? []), ...stale.killedPids],
    };
  };

  /** Everything between the checks and the answer. `run` is null when nothing is to be started. */
  const carryOut = async (
    request: RunRequest,
    plan: RunPlan,
    run: StoredRun | null,
    off: AbortSignal,
  ): Promise<RunAnswer> => {
    let runner: GatedRunner | null = null;
    let isOrdered = false;
    try {
      if (run !== null) runner = standby.take();
      const announced = await announce(request, run?.record.run_id ?? null, plan.workspace);
      // The run that is active may be meant to outlive this daemon.
      off.throwIfAborted();
      const { replacedRunId, killedPids } = await clearTheWay(plan);
      if (request.delayMs > 0) {
        await delay(request.delayMs, undefined, { signal: off }).catch(() => undefined);
      }
      off.throwIfAborted();
      let agent = null;
      if (run !== null && runner !== null && plan.mode !== 'none') {
        const prepared = await launcher.prepare(request, plan, run);
        off.throwIfAborted();
        isOrdered = true;
        agent = await launcher.start(request, run, prepared, runner, off);
      }
      return {
        ...answerOf(request, plan, run),
        killedPids,
        replacedRunId,
        notified: announced.notified,
        announcement: announced.output,
        agent,
        warnings: [...request.warnings, ...plan.warnings, ...announced.failures],
      };
    } catch (error) {
      if (run !== null && !isOrdered) launcher.abandon(run, error);
      throw error;
    } finally {
      if (runner !== null && !isOrdered) standby.giveBack(runner);
    }
  };

  const carryOutAlone = (request: RunRequest, plan: RunPlan, run: StoredRun | null) => {
    const { requestId, trigger } = request;
    const about = { requestId, trigger, mode: plan.mode, runId: run?.record.run_id ?? null };
    log.info({ ...about, workspace: plan.workspace }, 'run.step');
    const off = new AbortController();
    const current = carryOut(request, plan, run, off.signal)
      .then(
        (answer) => {
          log.info({ ...about, replaced: answer.replacedRunId }, 'run.success');
          return answer;
        },
        (error: unknown) => {
          log.warn({ ...about, err: error }, 'run.fail');
          throw error;
        },
      )
      .finally(() => {
        launch = null;
        standby.refill();
        // Where nothing was started, nothing will end.
        void startQueued();
      });
    // Somebody may await the answer later, or nobody: the log has it.
    const done = current.catch(() => undefined);
    launch = { runId: about.runId, off, done };
    return current;
  };

  const enqueue = (request: RunRequest, plan: StartPlan, behind: string): AcceptedRun => {
    const run = launcher.create(request, plan, 'queued');
    queue.put({ run, request });
    const runId = run.record.run_id;
    log.info({ runId, behind }, 'run.queued');
    const warnings = [...request.warnings, ...plan.warnings, `queued behind run ${behind}`];
    return { runId, answer: Promise.resolve({ ...answerOf(request, plan, run), warnings }) };
  };

  const accept = async (request: RunRequest): Promise<AcceptedRun> => {
    const plan = await planner.plan(request);
    if (isClosing) throw shuttingDown();
    const active = watch.active()?.record.run_id ?? null;
    // Whoever calls from inside the active run would be killed in the middle of its request.
    const isCaller = active !== null && request.callerRunId === active;
    const shallWait = isCaller || request.onBusy === 'queue';
    if (active !== null && shallWait && plan.mode !== 'none') return enqueue(request, plan, active);
    if (launch !== null || (active !== null && request.onBusy === 'reject')) throw busy(active);
    const run = plan.mode === 'none' ? null : launcher.create(request, plan, 'starting');
    return { runId: run?.record.run_id ?? null, answer: carryOutAlone(request, plan, run) };
  };

  const startQueued = async (): Promise<void> => {
    const waiting = queue.peek();
    const mayStart = (): boolean => launch === null && watch.active() === null && !isClosing;
    if (waiting === null || !mayStart()) return;
    const { run, request } = waiting;
    const isStillThere = (): boolean => queue.peek()?.run.record.run_id === run.record.run_id;
    try {
      const plan = await planner.plan(request);
      if (!mayStart() || !isStillThere()) return;
      const next = plan.mode === 'none' ? null : launcher.dequeue(run, plan);
      queue.remove();
      // Its failure is on record already.
      carryOutAlone(request, plan, next).catch(() => undefined);
    } catch (error) {
      log.warn({ runId: run.record.run_id, err: error }, 'run.queued_failed');
      if (isStillThere()) queue.remove();
      launcher.abandon(run, error);
    }
  };

  return {
    accept,
    trigger: async (request) => (await accept(request)).answer,
    startQueued,
    cancelQueued: (runId) => {
      const waiting = queue.peek();
      if (waiting?.run.record.run_id !== runId) return false;
      queue.remove();
      launcher.abandon(waiting.run, takenOut());
      return true;
    },
    callOff: async (runId) => {
      const isLaunching = (): boolean => launch?.runId === runId;
      const wasLaunching = isLaunching();
      while (isLaunching() && watch.active()?.record.run_id !== runId) {
        launch?.off.abort(calledOff(runId));
        await Promise.race([launch?.done, delay(CALL_OFF_LOOK_MS)]);
      }
      return wasLaunching;
    },
    isLaunching: () => launch !== null,
    shutdown: async () => {
      isClosing = true;
      launch?.off.abort(shuttingDown());
      await launch?.done;
    },
  };
}

/** The launch that holds the mutex. */
interface Launch {
  readonly runId: string | null;
  /** Aborted with what its caller is told. */
  readonly off: AbortController;
  /** Never rejects. */
  readonly done: Promise<unknown>;
}

/** What an answer says before anything has happened. */
function answerOf(request: RunRequest, plan: RunPlan, run: StoredRun | null): RunAnswer {
  return {
    runId: run?.record.run_id ?? null,
    mode: plan.mode,
    workspace: plan.workspace,
    binary: plan.binary,
    killedPids: [],
    remainingPids: [],
    replacedRunId: null,
    notified: false,
    announcement: '',
    agent: null,
    warnings: request.warnings,
  };
}

function busy(activeRunId: string | null): LooperError {
  return new LooperError('RUN_IN_PROGRESS', 'busy: another run is in progress', {
    retryAfterSeconds: BUSY_RETRY_SECONDS,
    details: { active_run_id: activeRunId },
  });
}

function calledOff(runId: string): LooperError {
  return new LooperError('NOT_ACTIVE', `run ${runId} was stopped before its agent was started`);
}

function takenOut(): LooperError {
  return new LooperError('NOT_ACTIVE', 'A person stopped it while it waited in the queue.');
}

function shuttingDown(): LooperError {
  return new LooperError('SHUTTING_DOWN', 'Looper is shutting down; try again when it is back.');
}
