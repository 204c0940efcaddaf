import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Announcement, Channel } from '../../src/notify/index.ts';
import { createLetterFiles, listDeadLetters } from '../../src/notify/letters.ts';
import { createOutbox, type OutboxOptions } from '../../src/notify/outbox.ts';
import type { Clock } from '../../src/notify/clock.ts';
import { scriptedChannel } from '../support/notify-channel.ts';
import { recordLog } from '../support/notify-log.ts';
import { tempDir } from '../support/temp-dir.ts';

const RUN = '0a1b2c3d';
const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const T0 = Date.parse('2026-01-01T00:00:00.000Z');

/** Time passes only by `pass`, which wakes who sleeps until then, in order. */
function fakeClock() {
  let time = T0;
  let setBy = 0;
  let sleepers: { until: number; wake: () => void }[] = [];
  const waits: number[] = [];
  const clock: Clock = {
    now: () => time + setBy,
    elapsed: () => time,
    random: () => 0.5,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        waits.push(ms);
        const sleeper = { until: time + ms, wake: () => resolve(undefined) };
        sleepers.push(sleeper);
        signal.addEventListener('abort', () => {
          sleepers = sleepers.filter((one) => one !== sleeper);
          reject(new Error('aborted'));
        });
      }),
  };
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 20; round += 1) await turn();
  };
  const pass = async (ms: number): Promise<void> => {
    const end = time + ms;
    await settle();
    for (;;) {
      const next = sleepers
        .filter(({ until }) => until <= end)
        .sort((a, b) => a.until - b.until)[0];
      if (next === undefined) break;
      sleepers = sleepers.filter((one) => one !== next);
      time = next.until;
      next.wake();
      await settle();
    }
    time = end;
  };
  /** Somebody sets the clock. */
  const set = (byMs: number): void => {
    setBy += byMs;
  };
  return { clock, pass, set, settle, waits };
}

type Given = Partial<Omit<OutboxOptions, 'channels' | 'clock'>>;

function setUp(channels: readonly Channel[], options: Given = {}) {
  const time = fakeClock();
  const log = recordLog();
  const directory = options.directory ?? join(tempDir(), 'outbox');
  const open = (next: readonly Channel[] = channels) => {
    const outbox = createOutbox({
      timeoutMs: 2000,
      retryStarts: true,
      redact: (value) => value,
      log,
      ...options,
      directory,
      channels: next,
      clock: time.clock,
    });
    onTestFinished(() => outbox.close());
    return outbox;
  };
  return { ...time, log, directory, open, outbox: open() };
}

const of = (kind: Announcement['kind'], text: string, more: Partial<Announcement> = {}) => ({
  kind,
  text,
  runId: RUN,
  workspace: '/srv/app',
  ...more,
});
const end = (text = 'it ended', runId = RUN) => of('end', text, { event: 'end', runId });
const start = (text = 'go') => of('start', text);

describe('a start', () => {
  it('is sent at once, by all channels that take it, and says what they said', async () => {
    const [a, b, c] = [scriptedChannel('a'), scriptedChannel('b', ['end']), scriptedChannel('c')];
    const { outbox, directory } = setUp([a, b, c]);
    expect(await outbox.announce(start())).toEqual({
      notified: true,
      output: 'OK a; OK c',
      failures: [],
    });
    expect([a.delivered, b.delivered, c.delivered]).toEqual([['go'], [], ['go']]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('names each channel that failed; without any other, the failures are the output', async () => {
    const [a, b] = [scriptedChannel('a'), scriptedChannel('b')];
    const { outbox } = setUp([a, b]);
    b.does = 'fail';
    expect(await outbox.announce(start())).toEqual({
      notified: true,
      output: 'OK a',
      failures: ['b: it is down'],
    });
    a.does = 'fail';
    expect(await outbox.announce(of('start', 'go', { runId: '11111111' }))).toEqual({
      notified: false,
      output: 'a: it is down; b: it is down',
      failures: ['a: it is down', 'b: it is down'],
    });
  });

  it('row 12: ends at the deadline even when a channel ignores its signal', async () => {
    const deaf: Channel = {
      ...scriptedChannel('deaf'),
      send: () => new Promise<never>(() => undefined),
    };
    const good = scriptedChannel('good');
    const { outbox } = setUp([deaf, good], { timeoutMs: 50 });
    const startedAt = performance.now();
    expect(await outbox.announce(start())).toEqual({
      notified: true,
      output: 'OK good',
      failures: ['deaf: no answer within 0.05 s (LOOPER_NOTIFY_TIMEOUT_SECONDS)'],
    });
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it('a channel with a bug costs nobody else anything, and shows nothing of itself', async () => {
    const buggy: Channel = {
      ...scriptedChannel('buggy'),
      send: () => {
        throw new TypeError('cannot read secret-value');
      },
    };
    const good = scriptedChannel('good');
    expect(await setUp([buggy, good]).outbox.announce(start())).toEqual({
      notified: true,
      output: 'OK good',
      failures: ['buggy: internal error, see the server log'],
    });
  });

  it('that failed is tried again, and dropped when its end is due', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass, directory } = setUp([a]);
    a.does = 'fail';
    await outbox.announce(start());
    await outbox.announce(of('start', 'other', { runId: '11111111' }));
    outbox.post(end());
    a.does = 'deliver';
    await pass(MINUTE);
    expect(a.delivered).toEqual(['other', 'it ended']);
    expect(readdirSync(directory)).toEqual([`${RUN}.end.a.sent`]);
  });

  it('of an earlier daemon is dropped too when its end is due', async () => {
    const a = scriptedChannel('a');
    const { outbox, open, settle, directory } = setUp([a]);
    a.does = 'fail';
    await outbox.announce(start());
    await outbox.close();
    a.does = 'deliver';
    const next = open();
    next.post(end());
    next.resume();
    await settle();
    expect(a.delivered).toEqual(['it ended']);
    expect(readdirSync(directory)).toEqual([`${RUN}.end.a.sent`]);
  });

  it('gets old within a quarter of an hour', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass, directory } = setUp([a]);
    a.does = 'fail';
    await outbox.announce(start());
    await pass(30 * MINUTE);
    a.does = 'deliver';
    await pass(60 * MINUTE);
    expect(a.delivered).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('that is required and failed does not happen, so it is not tried again', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass, directory } = setUp([a], { retryStarts: false });
    a.does = 'fail';
    expect(await outbox.announce(start())).toMatchObject({ notified: false });
    a.does = 'deliver';
    await pass(10 * MINUTE);
    expect(a.delivered).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('without a channel', () => {
  it('the log stands in and says so', async () => {
    const { outbox, log } = setUp([]);
    expect(await outbox.announce(start())).toEqual({
      notified: false,
      output: 'no announcement channel is configured: written to the server log only',
      failures: [],
    });
    expect(log.lines).toEqual([expect.stringMatching(/^notify\.logged .*"text":"go"/)]);
  });

  it('for this kind, the log stands in as well', async () => {
    const { outbox } = setUp([scriptedChannel('a', ['end'])]);
    expect((await outbox.announce(start())).output).toBe(
      'no channel takes announcements of the kind start: written to the server log only',
    );
  });

  it('what was logged is not announced to a channel that is added later', async () => {
    const { outbox, open, settle, log } = setUp([]);
    outbox.post(end());
    outbox.post(end());
    await outbox.close();
    const a = scriptedChannel('a');
    const next = open([a]);
    next.post(end());
    next.post(end('another', '11111111'));
    next.resume();
    await settle();
    expect(a.delivered).toEqual(['another']);
    expect(log.lines.filter((line) => line.startsWith('notify.logged'))).toHaveLength(1);
  });
});

describe('once', () => {
  it('for each run, event and channel, however often it is posted, over restarts', async () => {
    const [a, b] = [scriptedChannel('a'), scriptedChannel('b')];
    const { outbox, open, settle } = setUp([a, b]);
    for (let count = 0; count < 3; count += 1) outbox.post(end());
    await settle();
    outbox.post(end());
    outbox.post(of('message', 'one', { event: 'message-1' }));
    outbox.post(of('message', 'two', { event: 'message-2' }));
    await outbox.close();
    const next = open([a, b, scriptedChannel('new')]);
    next.post(end());
    next.post(of('message', 'one', { event: 'message-1' }));
    next.resume();
    await settle();
    const all = ['it ended', 'one', 'two'];
    expect([a.delivered, b.delivered]).toEqual([all, all]);
  });

  it('what left without an answer is sent again as (repeated)', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass, directory } = setUp([a]);
    a.does = 'doubt';
    outbox.post(end());
    await pass(1000);
    expect(readdirSync(directory)).toEqual([`${RUN}.end.a.sending`]);
    a.does = 'fail';
    await pass(10_000);
    a.does = 'deliver';
    await pass(MINUTE);
    expect(a.delivered).toEqual(['(repeated) it ended']);
  });

  it('a start stays unmarked when its connection was refused', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass } = setUp([a]);
    a.does = 'fail';
    await outbox.announce(start());
    a.does = 'deliver';
    await pass(MINUTE);
    expect(a.delivered).toEqual(['go']);
  });
});

describe('a chat that is down', () => {
  it('hears ends, questions and failures afterwards, in order', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass } = setUp([a]);
    a.does = 'fail';
    outbox.post(end('first', '11111111'));
    await pass(20 * MINUTE);
    outbox.post(of('question', 'second', { event: 'end', runId: '22222222' }));
    await pass(20 * MINUTE);
    outbox.post(of('failed', 'third', { event: 'end', runId: '33333333' }));
    await pass(20 * MINUTE);
    a.does = 'deliver';
    await pass(6 * MINUTE);
    expect(a.delivered).toEqual(['first', 'second', 'third']);
    // The whole channel rests, so only the oldest is tried again and again.
    expect(new Set(a.tried.slice(0, -2))).toEqual(new Set(['first']));
  });

  it('is asked at growing intervals up to five minutes', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass, waits } = setUp([a]);
    a.does = 'fail';
    outbox.post(end());
    await pass(60 * MINUTE);
    expect(waits.slice(0, 9)).toEqual([
      5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000,
    ]);
  });

  it('row 54: is asked again as soon, whatever is done to the clock', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass, set, settle } = setUp([a]);
    // Set forward by a day, it would make old news of it.
    for (const [runId, byMs] of [
      ['11111111', -DAY],
      ['22222222', DAY / 2],
    ] as const) {
      a.does = 'fail';
      outbox.post(end(runId, runId));
      await settle();
      set(byMs);
      a.does = 'deliver';
      await pass(MINUTE);
    }
    expect(a.delivered).toEqual(['11111111', '22222222']);
  });

  it('is left alone for as long as it asks', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass } = setUp([a]);
    a.does = 'ask for 20 min';
    outbox.post(end());
    await pass(19 * MINUTE);
    expect(a.tried).toHaveLength(1);
    a.does = 'deliver';
    await pass(2 * MINUTE);
    expect(a.delivered).toEqual(['it ended']);
  });

  it('does not hold up the others', async () => {
    const [a, b] = [scriptedChannel('a'), scriptedChannel('b')];
    const { outbox, settle } = setUp([a, b], { timeoutMs: 100 });
    a.does = 'hang';
    outbox.post(end());
    await settle();
    expect(b.delivered).toEqual(['it ended']);
  });

  it('a message that it refuses does not hold up the next ones', async () => {
    const a = scriptedChannel('a');
    const { outbox, settle } = setUp([a]);
    a.does = 'refuse';
    outbox.post(end('rude', '11111111'));
    await settle();
    a.does = 'deliver';
    outbox.post(end('polite', '22222222'));
    await settle();
    expect(a.delivered).toEqual(['polite']);
  });

  it('for a day: what it missed becomes a dead letter that can be listed', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass, directory, log, open, settle } = setUp([a]);
    a.does = 'fail';
    outbox.post(end('lost'));
    await pass(25 * 60 * MINUTE);
    a.does = 'deliver';
    await pass(60 * MINUTE);
    expect(a.delivered).toEqual([]);
    expect(outbox.deadLetters()).toMatchObject([{ run: RUN, event: 'end', channel: 'a' }]);
    expect(listDeadLetters(directory, log)).toMatchObject([
      { run: RUN, channel: 'a', announcement: { text: 'lost' } },
    ]);
    const next = open();
    next.post(end('lost'));
    next.resume();
    await settle();
    expect(a.delivered).toEqual([]);
  });

  it('leaves no trace where dead letters are looked for', () => {
    const directory = join(tempDir(), 'outbox');
    expect(listDeadLetters(directory, recordLog())).toEqual([]);
    expect(existsSync(directory)).toBe(false);
    mkdirSync(directory);
    writeFileSync(join(directory, 'half-written.tmp'), '');
    expect(listDeadLetters(directory, recordLog())).toEqual([]);
    expect(readdirSync(directory)).toEqual(['half-written.tmp']);
  });

  it('that is not configured any more waits; configured again, it hears the rest', async () => {
    const a = scriptedChannel('a');
    const { outbox, pass, open, settle } = setUp([a]);
    a.does = 'fail';
    outbox.post(end());
    await outbox.close();
    a.does = 'deliver';
    const next = open([]);
    next.resume();
    await pass(MINUTE);
    expect(a.delivered).toEqual([]);
    next.use([a]);
    await settle();
    expect(a.delivered).toEqual(['it ended']);
  });
});

describe('the files', () => {
  it('are for their owner only, and empty once they are done', async () => {
    const a = scriptedChannel('a');
    const { outbox, settle, directory } = setUp([a]);
    a.does = 'fail';
    outbox.post(end('waits', '11111111'));
    await settle();
    const waiting = join(directory, '11111111.end.a.waiting');
    expect(statSync(waiting).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(JSON.parse(readFileSync(waiting, 'utf8'))).toEqual({
      ...end('waits', '11111111'),
      at: new Date(T0).toISOString(),
    });
  });

  it('that are none of ours, or torn, are passed over', async () => {
    const a = scriptedChannel('a');
    const directory = join(tempDir(), 'outbox');
    mkdirSync(directory);
    writeFileSync(join(directory, `${RUN}.end.a.waiting`), '{"kind":');
    writeFileSync(join(directory, `${RUN}.end.a.waiting.tmp`), '{"kind":');
    writeFileSync(join(directory, 'notes.txt'), 'hello');
    const { outbox, settle, log } = setUp([a], { directory });
    outbox.resume();
    outbox.post(end('other', '11111111'));
    await settle();
    expect(a.delivered).toEqual(['other']);
    expect(log.lines[0]).toMatch(/^notify\.letter_unreadable/);
    expect(readdirSync(directory).sort()).toEqual([
      `${RUN}.end.a.waiting`,
      '11111111.end.a.sent',
      'notes.txt',
    ]);
  });

  it('that cannot be written live in memory, with a line in the log', async () => {
    const directory = join(tempDir(), 'outbox');
    writeFileSync(directory, 'in the way');
    const a = scriptedChannel('a');
    const { outbox, pass, log } = setUp([a], { directory });
    a.does = 'fail';
    outbox.post(end());
    await pass(1000);
    a.does = 'deliver';
    outbox.post(end());
    await pass(MINUTE);
    outbox.post(end());
    await pass(MINUTE);
    expect(a.delivered).toEqual(['it ended']);
    expect(log.lines.some((line) => line.startsWith('notify.outbox_unwritten'))).toBe(true);
  });

  it('are bounded: the oldest marks go first', () => {
    const directory = join(tempDir(), 'outbox');
    mkdirSync(directory);
    for (const minute of [3, 1, 4, 2]) {
      const path = join(directory, `0000000${minute}.end.a.sent`);
      writeFileSync(path, '');
      utimesSync(path, minute * 60, minute * 60);
    }
    writeFileSync(join(directory, '00000005.end.a.waiting'), '{}');
    const files = createLetterFiles(directory, recordLog(), { sent: 2 });
    const gone = files.prune(files.load());
    expect(gone.map(({ run }) => run)).toEqual(['00000001', '00000002']);
    expect(readdirSync(directory).sort()).toEqual([
      '00000003.end.a.sent',
      '00000004.end.a.sent',
      '00000005.end.a.waiting',
    ]);
  });
});

describe('the end of the service', () => {
  it('sends what is due, and waits for nothing that is not', async () => {
    const a = scriptedChannel('a');
    const { outbox, settle } = setUp([a]);
    a.does = 'fail';
    outbox.post(end('resting', '11111111'));
    await settle();
    const startedAt = performance.now();
    await outbox.close();
    expect(performance.now() - startedAt).toBeLessThan(500);

    const b = scriptedChannel('b');
    const other = setUp([b]).outbox;
    other.post(end());
    await other.close();
    expect(b.delivered).toEqual(['it ended']);
  });

  it('takes no longer than one deadline, however much hangs', async () => {
    const a = scriptedChannel('a');
    const { outbox, settle, directory } = setUp([a], { timeoutMs: 200 });
    a.does = 'hang';
    outbox.post(end('one', '11111111'));
    outbox.post(end('two', '22222222'));
    await settle();
    const startedAt = performance.now();
    await outbox.close();
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(readdirSync(directory).sort()).toEqual([
      '11111111.end.a.sending',
      '22222222.end.a.waiting',
    ]);
  });
});
