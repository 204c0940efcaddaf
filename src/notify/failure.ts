import { LooperError } from '../errors.ts';

/** Why an attempt failed, as far as it matters for the next one. */
export interface Failure {
  readonly sentence: string;
  /** It may have been delivered all the same: the answer is missing, not the arrival. */
  readonly isInDoubt: boolean;
  /** This message was refused; another one may well be accepted. */
  readonly isRefusal: boolean;
  /** How long the other side wants to be left alone. */
  readonly retryAfterMs: number | null;
}

type About = Omit<Failure, 'sentence'>;

const PLAIN: About = { isInDoubt: false, isRefusal: false, retryAfterMs: null };
const known = new WeakMap<LooperError, About>();

/** The error of a channel: a sentence for people, and what the next attempt has to know. */
export function notifyFailed(
  sentence: string,
  about: Partial<About> = {},
  cause?: unknown,
): LooperError {
  const error = new LooperError('NOTIFY_FAILED', sentence, { cause });
  known.set(error, { ...PLAIN, ...about });
  return error;
}

/** What a channel's error says; null: it is none of ours, but a bug. */
export function failureOf(error: unknown): Failure | null {
  if (!(error instanceof LooperError)) return null;
  const { isInDoubt, isRefusal, retryAfterMs } = known.get(error) ?? PLAIN;
  return { sentence: error.message, isInDoubt, isRefusal, retryAfterMs };
}
