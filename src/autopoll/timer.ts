import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { startCronClock } from '../cron-clock.ts';

/** Late enough for the start-up log to be read, early enough to be noticed. */
const FIRST_TICK_MS = 2_000;

export interface TickTimer {
  /** Milliseconds since the epoch; null when there is no next tick. */
  nextAt(): number | null;
  /** No tick begins after this. */
  stop(): void;
}

/**
 * Ticks every interval, counted from the end of a tick on the monotonic clock, or at the times of
 * the cron expression. Ticks that were missed (a suspended machine) are not made up for.
 */
export function startTimer(
  config: Pick<Config['autopoll'], 'intervalMs' | 'cron'>,
  tick: () => Promise<unknown>,
  now: () => number,
): TickTimer {
  return config.cron === undefined
    ? startInterval(config.intervalMs, tick, now)
    : startCron(config.cron, tick);
}

function startInterval(
  intervalMs: number,
  tick: () => Promise<unknown>,
  now: () => number,
): TickTimer {
  const stopping = new AbortController();
  const { signal } = stopping;
  let nextAt: number | null = null;
  const run = async (): Promise<void> => {
    for (let waitMs = Math.min(FIRST_TICK_MS, intervalMs); ; waitMs = intervalMs) {
      nextAt = now() + waitMs;
      await delay(waitMs, undefined, { signal });
      await tick();
    }
  };
  run().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return {
    nextAt: () => (signal.aborted ? null : nextAt),
    stop: () => stopping.abort(),
  };
}

/** Times that were missed, or that come while a tick is under way, are left out. */
function startCron(expression: string, tick: () => Promise<unknown>): TickTimer {
  let isStopped = false;
  let isTicking = false;
  const tickAlone = async (): Promise<void> => {
    if (isTicking) return;
    isTicking = true;
    await tick();
    isTicking = false;
  };
  const clock = startCronClock({
    expression,
    timezone: null,
    onTime: () => void tickAlone(),
    onMissed: () => undefined,
  });
  return {
    nextAt: () => (isStopped ? null : clock.next().getTime()),
    stop: () => {
      isStopped = true;
      clock.stop();
    },
  };
}
