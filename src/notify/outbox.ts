import { randomBytes } from 'node:crypto';
import { systemClock, type Clock } from './clock.ts';
import type { Attempt } from './deliver.ts';
import type { Announced, Announcement, Channel, FanOut, NotifyLog } from './index.ts';
import { createLetterFiles, type Letter } from './letters.ts';
import { createSender, type Sender } from './sender.ts';
import { cutToLimit } from './text.ts';

/** More than any channel shows. */
const MAX_TEXT = 12_000;
/** Stands in where no channel wants to know; also the name under which that is remembered. */
const LOG = 'log';

/**
 * Announcements that outlive the service. Everything is on disk, by run, event and channel, before
 * it leaves: a restart, an adopted run or a second look announces nothing again, and a chat that
 * was down hears afterwards what it missed. Only what left without an answer (the service died, the
 * connection broke) may arrive twice, and is then marked `(repeated)`.
 */
export interface Outbox extends FanOut {
  /** Sends now and says what came of it. For starts, which the trigger's answer waits for. */
  announce(announcement: Announcement): Promise<Announced>;
  /** Sends in the background, once for each event of a run, however often it is called. */
  post(announcement: Announcement): void;
  /** Begins with what an earlier daemon left; call it once what that may have missed is posted. */
  resume(): void;
  /** The configuration was changed. */
  use(channels: readonly Channel[]): void;
  /** What was given up, oldest first. */
  deadLetters(): readonly Letter[];
  /** Sends what is due, for no longer than one deadline; the rest waits on disk. */
  close(): Promise<void>;
}

export interface OutboxOptions {
  /** `<logDir>/outbox` */
  readonly directory: string;
  readonly channels: readonly Channel[];
  readonly timeoutMs: number;
  /** False where a start that was not announced does not happen. */
  readonly retryStarts: boolean;
  /** Takes secrets out: an agent, or who asks for a run, may quote one. */
  readonly redact: <T>(value: T) => T;
  readonly log: NotifyLog;
  readonly clock?: Clock;
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { timeoutMs, retryStarts, redact, log, clock = systemClock } = options;
  const files = createLetterFiles(options.directory, log);
  const closing = new AbortController();
  const cut = new AbortController();
  const senders = new Map<string, Sender>();
  let channels = options.channels;
  let letters = files.load();
  prune();

  function prune(): void {
    const gone = new Set(files.prune(letters));
    letters = letters.filter((letter) => !gone.has(letter));
  }

  const senderOf = (name: string): Sender => {
    const known = senders.get(name);
    if (known !== undefined) return known;
    const signals = { closing: closing.signal, cut: cut.signal };
    const sender = createSender(name, { files, timeoutMs, log, clock, ...signals });
    sender.use(channels.find((channel) => channel.name === name) ?? null);
    senders.set(name, sender);
    return sender;
  };

  /** Puts an announcement on disk for everybody who is to hear it. Empty: they have heard it. */
  const write = (announcement: Announcement): Letter[] => {
    const { kind, event = kind, runId } = announcement;
    const run = runId ?? `none-${randomBytes(4).toString('hex')}`;
    const known = letters.filter((letter) => letter.run === run && letter.event === event);
    // A daemon may have died between two of them, none of which had left then.
    if (known.some(({ state }) => state !== 'waiting')) return [];
    const at = announcement.at ?? new Date(clock.now()).toISOString();
    // Before the cut, which could leave a part of a secret that nobody recognises any more.
    const { text: whole, facts } = redact({ text: announcement.text, facts: announcement.facts });
    const text = cutToLimit(whole, MAX_TEXT, '\n[message truncated]');
    const takers = channels.filter(
      ({ name, kinds }) => kinds.has(kind) && !known.some(({ channel }) => channel === name),
    );
    const content = { ...announcement, event, text, facts, at };
    const common = { run, event, createdAt: Date.parse(at), announcement: content };
    const created = takers.map(({ name: channel }) =>
      files.create({ ...common, channel, state: 'waiting' }),
    );
    // Nobody asks again whether a start was announced.
    if (kind !== 'start') letters.push(...created);
    return created;
  };

  const isForNobody = ({ kind }: Announcement): boolean =>
    !channels.some(({ kinds }) => kinds.has(kind));

  /** For the log alone; remembered, so that a channel that is added later hears no old news. */
  const writeToLog = (announcement: Announcement): string => {
    const { kind, event = kind, runId, text } = announcement;
    const isKnown = letters.some((letter) => letter.run === runId && letter.event === event);
    if (!isKnown) {
      log.info({ kind, runId, text }, 'notify.logged');
      if (runId !== null && kind !== 'start') {
        const mark = { run: runId, event, channel: LOG, createdAt: clock.now() };
        letters.push(files.create({ ...mark, announcement: null, state: 'sent' }));
      }
    }
    return channels.length === 0
      ? 'no announcement channel is configured: written to the server log only'
      : `no channel takes announcements of the kind ${kind}: written to the server log only`;
  };

  const settle = (letter: Letter, attempt: Attempt): void => {
    if (attempt.kind === 'failed' && retryStarts) senderOf(letter.channel).add(letter);
    else if (attempt.kind === 'failed') files.remove(letter);
  };

  return {
    announce: async (announcement) => {
      if (isForNobody(announcement)) {
        return { notified: false, output: writeToLog(announcement), failures: [] };
      }
      const attempts = await Promise.all(
        write(announcement).map(async (letter) => {
          const attempt = await senderOf(letter.channel).sendNow(letter);
          settle(letter, attempt);
          return { name: letter.channel, attempt };
        }),
      );
      return summarise(attempts);
    },
    post: (announcement) => {
      const { kind, event = kind, runId } = announcement;
      if (event === 'end') {
        const isStart = (letter: Letter): boolean =>
          letter.run === runId && letter.event === 'start';
        for (const sender of senders.values()) sender.withdraw(isStart);
        for (const letter of letters.filter(isStart)) files.remove(letter);
        letters = letters.filter((letter) => !isStart(letter));
      }
      if (isForNobody(announcement)) writeToLog(announcement);
      else for (const letter of write(announcement)) senderOf(letter.channel).add(letter);
      prune();
    },
    resume: () => {
      for (const letter of letters) {
        const isOpen = letter.state === 'waiting' || letter.state === 'sending';
        if (isOpen) senderOf(letter.channel).add(letter);
      }
    },
    use: (next) => {
      channels = next;
      for (const { name } of next) senderOf(name);
      for (const [name, sender] of senders) {
        sender.use(next.find((channel) => channel.name === name) ?? null);
      }
    },
    deadLetters: () => letters.filter(({ state }) => state === 'dead'),
    close: async () => {
      closing.abort();
      const timer = setTimeout(() => cut.abort(), timeoutMs);
      await Promise.all([...senders.values()].map((sender) => sender.stopped()));
      clearTimeout(timer);
      cut.abort();
    },
  };
}

function summarise(attempts: readonly { name: string; attempt: Attempt }[]): Announced {
  const deliveries: string[] = [];
  const failures: string[] = [];
  for (const { name, attempt } of attempts) {
    if (attempt.kind === 'delivered') deliveries.push(attempt.output);
    else failures.push(`${name}: ${attempt.sentence}`);
  }
  const notified = deliveries.length > 0;
  return { notified, output: (notified ? deliveries : failures).join('; '), failures };
}
