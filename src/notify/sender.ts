import { retryDelay, type Clock } from './clock.ts';
import { deliver, type Attempt } from './deliver.ts';
import type { Channel, NotifyLog } from './index.ts';
import type { Letter, LetterFiles } from './letters.ts';

const HOUR_MS = 3_600_000;
/** News gets old; a start first. */
const LIFE_MS = 24 * HOUR_MS;
const START_LIFE_MS = HOUR_MS / 4;
/** More than this is not read by anybody; the oldest is given up. */
const MAX_WAITING = 500;

export interface SenderOptions {
  readonly files: LetterFiles;
  readonly timeoutMs: number;
  readonly log: NotifyLog;
  readonly clock: Clock;
  /** Waits end, what is due is still sent. */
  readonly closing: AbortSignal;
  /** Everything ends. */
  readonly cut: AbortSignal;
}

/** The letters to one channel, oldest first and one at a time. */
export interface Sender {
  /** Null: it is not configured any more, and its letters wait for it until they are too old. */
  use(channel: Channel | null): void;
  add(letter: Letter): void;
  /** One attempt at once, whatever waits; what fails is not queued. */
  sendNow(letter: Letter): Promise<Attempt>;
  /** Drops letters that wait; those under way go on. */
  withdraw(isUnwanted: (letter: Letter) => boolean): void;
  /** Resolves once it has stopped to work; call it when `closing` is aborted. */
  stopped(): Promise<void>;
}

interface Waiting {
  readonly letter: Letter;
  failures: number;
  /** On the clock that only ever goes on. */
  notBefore: number;
}

/**
 * Sends what is due and waits for what is not. A channel that fails rests as a whole, longer every
 * time, so that what it missed arrives in order; a message that was refused as such rests alone.
 */
export function createSender(name: string, options: SenderOptions): Sender {
  const { files, timeoutMs, log, clock, closing, cut } = options;
  let channel: Channel | null = null;
  let waiting: Waiting[] = [];
  let failures = 0;
  let pausedUntil = 0;
  let working: Promise<void> | null = null;
  let isStale = false;
  let wakeUp = new AbortController();

  const attempt = async (to: Channel, letter: Letter): Promise<Attempt> => {
    const { announcement } = letter;
    if (announcement === null) return { kind: 'delivered', output: '' };
    const isRepeated = letter.state === 'sending';
    files.move(letter, 'sending');
    const text = isRepeated ? `(repeated) ${announcement.text}` : announcement.text;
    const message = { ...announcement, text, id: `looper_${letter.run}_${letter.event}` };
    const result = await deliver(to, message, { timeoutMs, log, signal: cut });
    if (result.kind === 'delivered') {
      failures = 0;
      pausedUntil = 0;
      // Nobody announces a start twice, so there is nothing to remember.
      if (announcement.kind === 'start') files.remove(letter);
      else files.move(letter, 'sent');
    } else if (!result.isInDoubt && !isRepeated) {
      files.move(letter, 'waiting');
    }
    return result;
  };

  const giveUp = (letter: Letter, why: string): void => {
    waiting = waiting.filter((one) => one.letter !== letter);
    const { run, event, state } = letter;
    // Its end will say more than a start that nobody saw.
    if (letter.announcement?.kind === 'start') files.remove(letter);
    else if (state !== 'sent') files.move(letter, 'dead');
    log.warn({ channel: name, runId: run, event, why }, 'notify.given_up');
  };

  const dropOld = (): void => {
    const now = clock.now();
    for (const { letter } of waiting) {
      const lifeMs = letter.announcement?.kind === 'start' ? START_LIFE_MS : LIFE_MS;
      if (now - letter.createdAt > lifeMs) giveUp(letter, 'too old');
    }
    for (const { letter } of waiting.slice(0, -MAX_WAITING)) giveUp(letter, 'too many');
  };

  const sendNext = async (to: Channel, next: Waiting): Promise<void> => {
    const result = await attempt(to, next.letter);
    if (result.kind === 'delivered') {
      waiting = waiting.filter((one) => one !== next);
      return;
    }
    if (result.isRefusal) {
      next.failures += 1;
      next.notBefore =
        clock.elapsed() + retryDelay(next.failures, result.retryAfterMs, clock.random());
    } else {
      failures += 1;
      pausedUntil = clock.elapsed() + retryDelay(failures, result.retryAfterMs, clock.random());
    }
  };

  const work = async (): Promise<void> => {
    while (!cut.aborted) {
      isStale = false;
      dropOld();
      const to = channel;
      const dueAt = ({ notBefore }: Waiting): number => Math.max(notBefore, pausedUntil);
      const next = waiting.reduce<Waiting | null>(
        (first, one) => (first === null || dueAt(one) < dueAt(first) ? one : first),
        null,
      );
      if (to === null || next === null) return;
      const waitMs = dueAt(next) - clock.elapsed();
      if (waitMs <= 0) {
        await sendNext(to, next);
        continue;
      }
      if (closing.aborted) return;
      const signal = AbortSignal.any([closing, wakeUp.signal]);
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  };

  const start = (): void => {
    isStale = false;
    working = work().finally(() => {
      working = null;
      // Something came in between its last look and here.
      if (isStale) start();
    });
  };
  const wake = (): void => {
    wakeUp.abort();
    wakeUp = new AbortController();
    isStale = true;
    if (working === null) start();
  };

  return {
    use: (next) => {
      channel = next;
      wake();
    },
    add: (letter) => {
      if (waiting.some((one) => one.letter === letter)) return;
      waiting.push({ letter, failures: 0, notBefore: 0 });
      wake();
    },
    sendNow: async (letter) => {
      if (channel !== null) return attempt(channel, letter);
      const sentence = 'the channel is gone';
      return { kind: 'failed', sentence, isInDoubt: false, isRefusal: false, retryAfterMs: null };
    },
    withdraw: (isUnwanted) => {
      const unwanted = waiting.filter(({ letter }) => isUnwanted(letter));
      waiting = waiting.filter((one) => !unwanted.includes(one));
      for (const { letter } of unwanted) files.remove(letter);
    },
    stopped: async () => {
      for (let work = working; work !== null; work = working) await work;
    },
  };
}
