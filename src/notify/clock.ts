import { setTimeout as delay } from 'node:timers/promises';

const FIRST_RETRY_MS = 5_000;
const LAST_RETRY_MS = 300_000;
/** However long the other side asks for. */
const LONGEST_PAUSE_MS = 3_600_000;

export interface Clock {
  /** Milliseconds since the epoch: how old something is. */
  now(): number;
  /** Milliseconds that only ever pass: how long to wait, also when somebody sets the clock. */
  elapsed(): number;
  /** Rejects when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<unknown>;
  /** From 0 to 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal, ref: false }),
  random: Math.random,
};

/**
 * How long to wait after so many failures in a row: doubling from five seconds to five minutes, a
 * fifth more or less (`random` is from 0 to 1), and at least as long as the other side asked for.
 */
export function retryDelay(failures: number, askedMs: number | null, random: number): number {
  const grown = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20));
  return Math.min(LONGEST_PAUSE_MS, Math.max(grown * (0.8 + 0.4 * random), askedMs ?? 0));
}
