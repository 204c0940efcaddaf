import { setTimeout as delay } from 'node:timers/promises';
import { notifyFailed, type Failure } from './failure.ts';

/** Before the second attempt, where the answer does not say how long. */
export const DEFAULT_RETRY_MS = 250;

/** When a call must have ended; `endsAt` is on the clock of `performance.now()`. */
export interface Deadline {
  readonly signal: AbortSignal;
  readonly endsAt: number;
}

export type Verdict<T> =
  | { readonly kind: 'success'; readonly answer: T }
  /** `retryAfterMs` is null where asking again would get the same answer or might post it twice. */
  | ({ readonly kind: 'failed' } & Failure);

/**
 * One retry where a retry can help and nothing can have arrived (429, 5xx, no connection), as late
 * as the other side asks for, within the deadline. Throws the last failure.
 */
export async function tryTwice<T>(
  once: (signal: AbortSignal) => Promise<Verdict<T>>,
  { signal, endsAt }: Deadline,
  onRetry: (sentence: string) => void,
): Promise<T> {
  const first = await once(signal);
  if (first.kind === 'success') return first.answer;
  const { sentence, retryAfterMs } = first;
  if (retryAfterMs === null) throw notifyFailed(sentence, first);
  if (performance.now() + retryAfterMs >= endsAt) {
    const seconds = retryAfterMs / 1000;
    throw notifyFailed(`${sentence} (a retry in ${seconds} s would be after the deadline)`, first);
  }
  onRetry(sentence);
  try {
    await delay(retryAfterMs, undefined, { signal });
  } catch (error) {
    throw notifyFailed(sentence, first, error);
  }
  const second = await once(signal);
  if (second.kind === 'success') return second.answer;
  throw notifyFailed(`${second.sentence} (at the second attempt)`, second);
}

/** Milliseconds from a `Retry-After` in its two forms: seconds, or a date. */
export function parseRetryAfter(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+(\.\d+)?$/u.test(header.trim())) return Number(header) * 1000;
  // Date.parse alone would make a year of "-1".
  const date = /^[A-Z][a-z]+, /u.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
