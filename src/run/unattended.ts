import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { LooperError, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { AcceptedRun, Runs } from '../run.ts';
import type { RunRequest } from './request.ts';

/** While a launch is under way, nothing can be queued behind it yet. */
const RETRY_MS = 1_000;
const MAX_RETRIES = 60;

/** Not worth a message to people: nothing is broken, or they hear of it in another way. */
const QUIET_CODES: readonly string[] = ['NOTHING_TO_RUN', 'NOTIFY_FAILED', 'SHUTTING_DOWN'];

/** A trigger of a hook, a schedule or a chat; null stands for the service's default. */
export interface Trigger {
  /** `hook:<name>`, `schedule:<name>`, `chat` */
  readonly trigger: string;
  readonly message: string;
  readonly prompt: string | null;
  readonly workspace: string | null;
  readonly onBusy: RunRequest['onBusy'] | null;
  readonly requestId: string;
}

/** Triggers for which nobody waits at the other end of a request. */
export interface Unattended {
  /** Starts a run in the background; what keeps it from starting is logged and announced. */
  start(trigger: Trigger): void;
  /** Checks it and throws what is against it; what happens then is logged. */
  accept(trigger: Trigger): Promise<AcceptedRun>;
  /** Waits for what `start` has under way. */
  settled(): Promise<void>;
}

export function createUnattended(deps: {
  readonly runs: Pick<Runs, 'accept'>;
  readonly runDefaults: Config['runs'];
  /** Tells people about what broke. */
  readonly announceFailure: (text: string, workspace: string | null) => void;
  readonly log: Logger;
}): Unattended {
  const { runs, runDefaults, log } = deps;
  const underWay = new Set<Promise<void>>();

  /** `on_busy: queue` is a promise, so a launch that happens to be under way is waited for. */
  const acceptPatiently = async (request: RunRequest): Promise<AcceptedRun> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await runs.accept(request);
      } catch (error) {
        const shallWait = isBusy(error) && request.onBusy === 'queue' && attempt <= MAX_RETRIES;
        if (!shallWait) throw error;
        await delay(RETRY_MS, undefined, { ref: false });
      }
    }
  };

  const begin = async (trigger: Trigger): Promise<void> => {
    const request = toRequest(trigger, runDefaults);
    const about = { trigger: trigger.trigger, requestId: trigger.requestId };
    try {
      const { runId } = await acceptPatiently(request);
      log.info({ ...about, runId }, 'trigger.accepted');
    } catch (error) {
      log.error({ ...about, err: error }, 'trigger.refused');
      if (!isWorthTelling(error, request)) return;
      const why = error instanceof LooperError ? messageOf(error) : 'internal error, see the log';
      deps.announceFailure(`${trigger.trigger} could not start a run: ${why}`, trigger.workspace);
    }
  };

  return {
    accept: (trigger) => runs.accept(toRequest(trigger, runDefaults)),
    start: (trigger) => {
      const beginning: Promise<void> = begin(trigger).finally(() => underWay.delete(beginning));
      underWay.add(beginning);
    },
    settled: async () => {
      await Promise.all(underWay);
    },
  };
}

function toRequest(trigger: Trigger, defaults: Config['runs']): RunRequest {
  return {
    ...trigger,
    binary: null,
    delayMs: defaults.delayMs,
    startupCheckMs: defaults.startupCheckMs,
    onBusy: trigger.onBusy ?? defaults.onBusy,
    model: null,
    reasoning: null,
    callerRunId: null,
    announceStart: true,
    warnings: [],
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof LooperError && error.code === 'RUN_IN_PROGRESS';
}

function isWorthTelling(error: unknown, { onBusy }: RunRequest): boolean {
  if (isBusy(error)) return onBusy !== 'reject';
  return !(error instanceof LooperError && QUIET_CODES.includes(error.code));
}
