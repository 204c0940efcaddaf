import { LooperError } from '../errors.ts';

export type AnnouncementKind = 'start' | 'end' | 'question' | 'failed' | 'usage_limited';

/** One thing that people should hear about. */
export interface Announcement {
  readonly kind: AnnouncementKind;
  readonly text: string;
  /** Overrides the channel's own topic where the channel has topics. */
  readonly topic?: string;
  readonly runId: string | null;
}

/** `output` is one sentence for the trigger's answer (`zulip_output`) and the log. */
export interface Delivery {
  readonly output: string;
}

/** One way to reach people: one file in this folder for each kind. */
export interface Notifier {
  readonly name: string;
  /** Delivers or throws `LooperError('NOTIFY_FAILED', sentence)`; gives up when `signal` aborts. */
  send(announcement: Announcement, signal: AbortSignal): Promise<Delivery>;
}

/** What this folder needs of a logger; pino's fits. */
export interface NotifyLog {
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
}

export interface Announced {
  /** At least one channel delivered. The log alone does not count. */
  readonly notified: boolean;
  /** What the channels that delivered said; without any, why nobody was reached. */
  readonly output: string;
  /** One sentence for each channel that failed, opened by its name. */
  readonly failures: string[];
}

export interface FanOut {
  /** Never rejects and never takes longer than the deadline: a run must not hang on a chat. */
  announce(announcement: Announcement): Promise<Announced>;
}

/** Where announcements go when nothing else is configured: the server log. */
export function createLogChannel(log: NotifyLog): Notifier {
  return {
    name: 'log',
    async send({ kind, runId, topic, text }) {
      log.info({ kind, runId, topic, text }, 'notify.logged');
      return { output: 'no announcement channel is configured: written to the server log only' };
    },
  };
}

/**
 * Sends every announcement through all channels at once, each under a deadline of `timeoutMs`, so
 * that the slowest or broken one costs nothing but its own failure.
 */
export function createFanOut(
  notifiers: readonly Notifier[],
  { timeoutMs, log }: { readonly timeoutMs: number; readonly log: NotifyLog },
): FanOut {
  async function attempt(notifier: Notifier, announcement: Announcement): Promise<Attempt> {
    const { kind, runId } = announcement;
    const about = { channel: notifier.name, kind, runId };
    try {
      const { output } = await sendWithin(notifier, announcement, timeoutMs);
      log.info({ ...about, output }, 'notify.sent');
      return { delivered: true, sentence: output };
    } catch (error) {
      if (error instanceof LooperError) {
        log.warn({ ...about, error: error.message }, 'notify.failed');
        return { delivered: false, sentence: `${notifier.name}: ${error.message}` };
      }
      // A bug: the log gets the stack and the caller no detail, yet the run and the others go on.
      log.warn({ ...about, err: error }, 'notify.failed');
      return {
        delivered: false,
        sentence: `${notifier.name}: internal error, see the server log`,
      };
    }
  }

  return {
    async announce(announcement) {
      if (notifiers.length === 0) {
        const { sentence } = await attempt(createLogChannel(log), announcement);
        return { notified: false, output: sentence, failures: [] };
      }
      const attempts = await Promise.all(notifiers.map((one) => attempt(one, announcement)));
      const deliveries = attempts.filter((one) => one.delivered).map((one) => one.sentence);
      const failures = attempts.filter((one) => !one.delivered).map((one) => one.sentence);
      const notified = deliveries.length > 0;
      return { notified, output: (notified ? deliveries : failures).join('; '), failures };
    },
  };
}

interface Attempt {
  readonly delivered: boolean;
  readonly sentence: string;
}

/** Ends at the deadline even when the channel ignores its signal. */
async function sendWithin(
  notifier: Notifier,
  announcement: Announcement,
  timeoutMs: number,
): Promise<Delivery> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const late = new LooperError(
        'NOTIFY_FAILED',
        `no answer within ${timeoutMs / 1000} s (LOOPER_NOTIFY_TIMEOUT_SECONDS)`,
      );
      reject(late);
      controller.abort(late);
    }, timeoutMs);
  });
  try {
    return await Promise.race([notifier.send(announcement, controller.signal), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
