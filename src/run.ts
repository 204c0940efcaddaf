import { setTimeout as delay } from 'node:timers/promises';
import { LooperError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { FanOut } from './notify/index.ts';
import type { StaleAgents } from './run/stale.ts';
import type { Launcher } from './run/launch.ts';
import type { Planner, RunPlan } from './run/plan.ts';
import type { RunAnswer, RunRequest } from './run/request.ts';
import type { Standby } from './runner/spawn.ts';
import type { RunWatch } from './run-watch.ts';

/** A caller that found a launch under way may well succeed after the startup check. */
const BUSY_RETRY_SECONDS = 2;

export interface Runs {
  /**
   * The whole use case: check everything, take the launch mutex, announce, find and stop stale
   * agents, start one run, look whether it starts well. Whoever asked may go away meanwhile.
   * Throws `LooperError`s only for what a person can mend.
   */
  trigger(request: RunRequest): Promise<RunAnswer>;
  isLaunching(): boolean;
  /** Ends a launch that waits, and refuses new ones. Resolves when none is under way. */
  shutdown(): Promise<void>;
}

export interface RunDeps {
  readonly planner: Planner;
  readonly watch: RunWatch;
  readonly stale: StaleAgents;
  readonly standby: Standby;
  readonly launcher: Launcher;
  readonly announce: FanOut['announce'];
  readonly notifyRequired: boolean;
  readonly log: Logger;
}

export function createRuns(deps: RunDeps): Runs {
  const { planner, watch, standby, launcher, log } = deps;
  const closing = new AbortController();
  let launch: Promise<unknown> | null = null;

  const announce = async (request: RunRequest): ReturnType<FanOut['announce']> => {
    if (!request.announceStart) return { notified: false, output: '', failures: [] };
    const announced = await deps.announce({ kind: 'start', text: request.message, runId: null });
    if (deps.notifyRequired && !announced.notified) {
      throw new LooperError(
        'NOTIFY_FAILED',
        `The announcement failed and LOOPER_NOTIFY_REQUIRED=1, so nothing was stopped or started: ${announced.output}`,
      );
    }
    return announced;
  };

  const clearTheWay = async (plan: RunPlan) => {
    const replaced = await watch.stop('replaced');
    const stale = await deps.stale.stop(plan.workspace);
    return {
      replacedRunId: replaced?.record.run_id ?? null,
      killedPids: [...(replaced?.agentPids ?? []), ...stale.killedPids],
    };
  };

  const runLaunch = async (request: RunRequest, plan: RunPlan): Promise<RunAnswer> => {
    const runner = plan.mode === 'none' ? null : standby.take();
    let isOrdered = false;
    try {
      const announced = await announce(request);
      const { replacedRunId, killedPids } = await clearTheWay(plan);
      await delay(request.delayMs, undefined, { signal: closing.signal }).catch(() => {
        throw shuttingDown();
      });
      isOrdered = runner !== null;
      const started =
        runner === null || plan.mode === 'none'
          ? null
          : await launcher.start(request, plan, runner);
      return {
        runId: started?.runId ?? null,
        mode: plan.mode,
        workspace: plan.workspace,
        binary: plan.binary,
        killedPids,
        remainingPids: [],
        replacedRunId,
        notified: announced.notified,
        announcement: announced.output,
        agent: started?.agent ?? null,
        warnings: [...request.warnings, ...plan.warnings, ...announced.failures],
      };
    } finally {
      if (runner !== null && !isOrdered) standby.giveBack(runner);
    }
  };

  const refuseWhenBusy = (request: RunRequest): void => {
    if (closing.signal.aborted) throw shuttingDown();
    const active = watch.active();
    const isBusy = launch !== null || (active !== null && request.onBusy === 'reject');
    if (!isBusy) return;
    throw new LooperError('RUN_IN_PROGRESS', 'busy: another run is in progress', {
      retryAfterSeconds: BUSY_RETRY_SECONDS,
      details: { active_run_id: active?.record.run_id ?? null },
    });
  };

  return {
    isLaunching: () => launch !== null,
    trigger: async (request) => {
      const plan = await planner.plan(request);
      refuseWhenBusy(request);
      const step = { requestId: request.requestId, trigger: request.trigger, mode: plan.mode };
      log.info({ ...step, workspace: plan.workspace }, 'run.step');
      const current = runLaunch(request, plan);
      launch = current;
      try {
        const answer = await current;
        log.info({ ...step, runId: answer.runId, replaced: answer.replacedRunId }, 'run.success');
        return answer;
      } catch (error) {
        log.warn({ ...step, err: error }, 'run.fail');
        throw error;
      } finally {
        launch = null;
        standby.refill();
      }
    },
    shutdown: async () => {
      closing.abort();
      await launch?.catch(() => undefined);
    },
  };
}

function shuttingDown(): LooperError {
  return new LooperError('SHUTTING_DOWN', 'Looper is shutting down; try again when it is back.');
}
