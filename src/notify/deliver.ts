import { setTimeout as delay } from 'node:timers/promises';
import { failureOf, notifyFailed, type Failure } from './failure.ts';
import type { Delivery, Message, Notifier, NotifyLog } from './index.ts';

/** How long a channel may take, once its time is over, to say whether the message has left. */
const LAST_WORD_MS = 50;

export type Attempt =
  { readonly kind: 'delivered'; readonly output: string } | ({ readonly kind: 'failed' } & Failure);

export interface DeliverOptions {
  readonly timeoutMs: number;
  readonly log: NotifyLog;
  /** Ends the attempt before its deadline. */
  readonly signal?: AbortSignal;
}

/** One attempt, under a deadline that holds even for a channel that ignores its signal. Never rejects. */
export async function deliver(
  notifier: Notifier,
  message: Message,
  { timeoutMs, log, signal }: DeliverOptions,
): Promise<Attempt> {
  const about = { channel: notifier.name, kind: message.kind, runId: message.runId };
  try {
    const { output } = await sendWithin(notifier, message, timeoutMs, signal);
    log.info({ ...about, output }, 'notify.sent');
    return { kind: 'delivered', output };
  } catch (error) {
    const failure = failureOf(error);
    if (failure !== null) {
      log.warn({ ...about, error: failure.sentence }, 'notify.failed');
      return { kind: 'failed', ...failure };
    }
    // A bug: the log gets the stack and the caller no detail, yet the run and the others go on.
    log.warn({ ...about, err: error }, 'notify.failed');
    const sentence = 'internal error, see the server log';
    return { kind: 'failed', sentence, isInDoubt: true, isRefusal: true, retryAfterMs: null };
  }
}

async function sendWithin(
  notifier: Notifier,
  message: Message,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Delivery> {
  const time = new AbortController();
  const over = delay(timeoutMs, undefined, {
    signal: signal === undefined ? time.signal : AbortSignal.any([time.signal, signal]),
  }).then(
    () => `no answer within ${timeoutMs / 1000} s (LOOPER_NOTIFY_TIMEOUT_SECONDS)`,
    () => 'given up, because Looper is shutting down',
  );
  const channel = new AbortController();
  const sending = (async () => notifier.send(message, channel.signal))();
  const answered = sending.then(
    () => null,
    () => null,
  );
  const why = await Promise.race([answered, over]);
  time.abort();
  if (why === null) return sending;
  channel.abort(notifyFailed(why));
  const silence = delay(LAST_WORD_MS, null, { ref: false });
  if ((await Promise.race([sending.catch((error: unknown) => error), silence])) === null) {
    throw notifyFailed(why, { isInDoubt: true });
  }
  return sending.catch((error: unknown) => {
    throw notifyFailed(why, { isInDoubt: failureOf(error)?.isInDoubt ?? true });
  });
}
