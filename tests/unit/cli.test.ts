import { formatCount } from '../../src/render/count.ts';
import { describe, expect, it } from 'vitest';
import { exitCodeOf, CliError, EXIT } from '../../src/cli/exit.ts';
import { createPaint, formatDuration, formatTokens, totalUsage } from '../../src/cli/format.ts';
import { splitLogLines } from '../../src/cli/log-lines.ts';
import { listAsking } from '../../src/cli/open-question.ts';
import { toJson } from '../../src/cli/output.ts';
import { createProgress } from '../../src/cli/progress-line.ts';
import { summariseRun } from '../../src/cli/run-summary.ts';
import { parseSince, placeSince } from '../../src/cli/since.ts';
import { createSseParser } from '../../src/cli/sse.ts';
import { renderStatus } from '../../src/cli/status-screen.ts';
import { createTurnStarts } from '../../src/cli/turn-starts.ts';
import { LooperError } from '../../src/errors.ts';
import type { LogLine } from '../../src/render/run-log.ts';
import type { RunRecord, TurnRecord } from '../../src/runs/record.ts';
import { CREATED, endedRun, newRun, SUMMARY, usage } from '../support/runs.ts';

const PLAIN = createPaint(false);
const NOW = Date.parse(CREATED);

function turn(fields: Partial<TurnRecord> = {}): TurnRecord {
  return {
    ticket: '.looper/tickets/TICKET-001-one.md',
    thread_id: null,
    exit_code: 0,
    signal: null,
    outcome: 'finished',
    usage: null,
    log_start: 0,
    log_end: 10,
    started_at: CREATED,
    finished_at: CREATED,
    final_message: null,
    ...fields,
  };
}

describe('formats', () => {
  it('names the two largest units of a duration', () => {
    const ms = [0, 999, 59_999, 60_000, 192_000, 7_500_000, 266_400_000, -5];
    expect(ms.map(formatDuration)).toEqual([
      '0s',
      '0s',
      '59s',
      '1m',
      '3m 12s',
      '2h 5m',
      '3d 2h',
      '0s',
    ]);
  });

  it('shortens counts without a second of wrong units', () => {
    const counts = [0, 999, 1000, 12_345, 123_456, 999_949, 999_950, 4_500_000];
    expect(counts.map(formatCount)).toEqual([
      '0',
      '999',
      '1k',
      '12.3k',
      '123k',
      '1000k',
      '1M',
      '4.5M',
    ]);
  });

  it('adds up the tokens of the turns that told', () => {
    expect(totalUsage({ turns: [turn()] })).toBeNull();
    const sum = totalUsage({
      turns: [turn({ usage: usage(100) }), turn(), turn({ usage: usage(50) })],
    });
    expect(sum && formatTokens(sum)).toBe('150 in, 150 out');
  });

  it('writes JSON that a terminal does not obey, and that reads back', () => {
    const hostile = { text: 'a\u001b[31m\u009b2J\u202e\ufeff\u007f' };
    const json = toJson(hostile);
    expect(json).toMatch(/^[\u0020-\u007e]*$/);
    expect(JSON.parse(json)).toEqual(hostile);
  });
});

describe('exit codes', () => {
  it('tell who has to do something', () => {
    expect(exitCodeOf(new CliError('', EXIT.busy))).toBe(4);
    expect(exitCodeOf(new LooperError('CONFIG_INVALID', ''))).toBe(2);
    expect(exitCodeOf(new LooperError('ALREADY_RUNNING', ''))).toBe(3);
    const taken = Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
    expect(exitCodeOf(new LooperError('CONFIG_INVALID', '', { cause: taken }))).toBe(3);
    expect(exitCodeOf(new LooperError('TICKETS_UNREADABLE', ''))).toBe(1);
    expect(exitCodeOf(new TypeError('a bug'))).toBeNull();
  });
});

describe('server-sent events', () => {
  const STREAM =
    ': hello\n\nid: 1-2\nevent: log\ndata: {"a":1}\n\ndata: x\r\ndata: y\r\n\r\nid: 9\n\n';

  it('are the same however the stream is cut', () => {
    const expected = [
      { id: '1-2', event: 'log', data: '{"a":1}' },
      { id: '1-2', event: '', data: 'x\ny' },
    ];
    for (let size = 1; size <= STREAM.length; size += 1) {
      const parse = createSseParser();
      const events = [];
      for (let at = 0; at < STREAM.length; at += size) {
        events.push(...parse(STREAM.slice(at, at + size)));
      }
      expect(events).toEqual(expected);
    }
  });

  it('do not fill the memory with one that has no end', () => {
    const parse = createSseParser();
    const endless = (): void => {
      for (let i = 0; i < 100; i += 1) parse(`data: ${'x'.repeat(100_000)}\n`);
    };
    expect(endless).toThrow('has no end');
  });
});

describe('the lines of a log', () => {
  it('are the same however the bytes are cut, with their offsets', async () => {
    const bytes = Buffer.from('# a=ä\n\nlast: 日本\nrest');
    for (let size = 1; size <= bytes.length; size += 1) {
      const lines = await collect(splitLogLines(pieces(bytes, size), 100));
      expect(lines).toEqual([
        { offset: 100, text: '# a=ä', truncated: false },
        { offset: 107, text: '', truncated: false },
        { offset: 108, text: 'last: 日本', truncated: false },
        { offset: 121, text: 'rest', truncated: false },
      ]);
    }
  });

  it('are kept up to 64 KiB, and what follows keeps its place', async () => {
    const bytes = Buffer.from(`${'x'.repeat(200_000)}\nnext\n`);
    const [long, next] = await collect(splitLogLines(pieces(bytes, 4096), 0));
    expect(long).toMatchObject({ offset: 0, truncated: true });
    expect(long?.text.length).toBe(65_536);
    expect(next).toEqual({ offset: 200_001, text: 'next', truncated: false });
  });
});

describe('--since', () => {
  it('is an age or a time', () => {
    expect(parseSince('90s', NOW)).toBe(NOW - 90_000);
    expect(parseSince('2d', NOW)).toBe(NOW - 172_800_000);
    expect(parseSince('2026-03-01T10:00:00Z', NOW)).toBe(NOW);
    for (const text of ['', '10', 'm', '1y', 'yesterday', '1e3s', '-5m', '2026-99-99']) {
      expect(parseSince(text, NOW)).toBeNull();
    }
  });

  it('begins with the turn that was under way', () => {
    const at = (minutes: number): string => new Date(NOW + minutes * 60_000).toISOString();
    const turns = [
      turn({ log_start: 10, finished_at: at(1) }),
      turn({ log_start: 20, finished_at: at(2), ticket: 'b' }),
      turn({ log_start: 30, finished_at: null, ticket: null }),
    ];
    const places = [0, 1.5, 5].map((minutes) => placeSince({ turns }, NOW + minutes * 60_000));
    expect(places).toEqual([
      { offset: 0, turn: null },
      { offset: 20, turn: { number: 2, ticket: 'b', startedAt: NOW } },
      { offset: 30, turn: { number: 3, ticket: '', startedAt: NOW } },
    ]);
  });
});

describe('the run that waits', () => {
  const asked = (runId: string, workspace: string): RunRecord =>
    endedRun(runId, {
      workspace,
      outcome: 'waiting',
      question: { ticket: null, title: 'Which?', text: '', asked_at: CREATED },
    });

  const idsOf = (...recent: RunRecord[]): string[] =>
    listAsking(recent).map(({ run_id }) => run_id);

  it('is the last of its workspace that came to something', () => {
    const waits = asked('aaaaaaaa', '/a');
    const replaced = endedRun('cccccccc', { workspace: '/a', outcome: 'replaced' });
    expect(idsOf(replaced, waits)).toEqual(['aaaaaaaa']);
    expect(idsOf(endedRun('bbbbbbbb', { workspace: '/b' }), waits)).toEqual(['aaaaaaaa']);
    expect(idsOf(asked('bbbbbbbb', '/b'), waits)).toEqual(['bbbbbbbb', 'aaaaaaaa']);
    expect(idsOf(asked('bbbbbbbb', '/a'), waits)).toEqual(['bbbbbbbb']);
    expect(idsOf(endedRun('bbbbbbbb', { workspace: '/a' }), waits)).toEqual([]);
    const running = { status: 'running', outcome: null, workspace: '/a' } as const;
    expect(idsOf(endedRun('dddddddd', running), waits)).toEqual([]);
  });
});

describe('the turns of a log', () => {
  const line = (offset: number): LogLine => ({ offset, text: '# turn=2 ticket=b' });
  const behind = (offset: number): number => offset + '# turn=2 ticket=b\n'.length;

  it('are those of the record, however often an agent claims one', async () => {
    let reads = 0;
    const starts = createTurnStarts(
      endedRun('aaaaaaaa', { turns: [turn({ log_start: 5 })] }),
      () => {
        reads += 1;
        return Promise.resolve(endedRun('aaaaaaaa', { turns: [turn({ log_start: behind(100) })] }));
      },
    );
    for (const offset of [10, 20, 30]) await starts.lookFor(line(offset));
    expect(starts.has(behind(10))).toBe(false);
    expect(reads).toBe(2);
    expect(starts.has(behind(100))).toBe(true);
  });
});

describe('what a person is told', () => {
  it('is one line that fits, while a run goes on', () => {
    const record = endedRun('aaaaaaaa', { status: 'running', finished_at: null, turns: [turn()] });
    const progress = createProgress(record, { paint: PLAIN, hint: 'Ctrl-C detaches' });
    const event = {
      at: CREATED,
      run_id: 'aaaaaaaa',
      turn: 2,
      ticket: 'x/TICKET-002-\u001b[2Jtwo.md',
    };
    const after = { log: 0, events: 0 };
    progress.note({ kind: 'event', event: { ...event, type: 'turn_started' }, after });
    progress.note({
      kind: 'event',
      event: { ...event, type: 'turn_ended', usage: usage(600) },
      after,
    });
    const later = Date.now() + 1000;
    expect(progress.line(later, 200)).toContain(' turn 2 · TICKET-002-two · ');
    expect(progress.line(later, 200)).toMatch(/ · 1\.2k tokens · Ctrl-C detaches$/);
    for (const columns of [5, 20, 60]) {
      expect(progress.line(later, columns).length).toBeLessThan(columns);
    }
  });

  it('is how it ended, with nothing in it that a terminal obeys', () => {
    const record = endedRun('aaaaaaaa', {
      outcome: 'waiting',
      reason: 'Which \u001b[31mone?',
      question: {
        ticket: null,
        title: 'Which \u001b[31mone?',
        text: 'A\u009b2J\nB',
        asked_at: CREATED,
      },
      summary: { ...SUMMARY, warnings: Array.from({ length: 7 }, (_, n) => `careful ${n}`) },
      turns: [turn({ usage: usage(1500) })],
    });
    expect(summariseRun(record, PLAIN, NOW)).toEqual([
      'waiting · run aaaaaaaa · in 0s · 1 turn · tokens 1.5k in, 1.5k out',
      '  Which one?',
      '    A',
      '    B',
      '  done     TICKET-001',
      '  left     2 tickets',
      '  commits  0123456789ab',
      ...[0, 1, 2, 3, 4].map((n) => `  warning  careful ${n}`),
      '           2 more',
      '  answer   looper reply aaaaaaaa "…"',
    ]);
  });
});

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('looper status', () => {
  it('says why the idle timer waits only while nothing runs', () => {
    const detail = 'There is nothing to run';
    const autopoll = {
      enabled: true,
      paused: false,
      interval_seconds: 300,
      cron: null,
      next_tick_at: '2026-03-01T10:05:00.000Z',
      waiting: { reason: 'nothing_to_run', detail },
      failures: 0,
      runs_today: 0,
      max_runs_per_day: 48,
    };
    const shown = (active: RunRecord | null): string =>
      renderStatus(
        {
          ok: true,
          source: 'service',
          active,
          last_output: null,
          queued: null,
          last: null,
          asking: null,
          tickets: null,
          autopoll,
        },
        { paint: PLAIN, now: NOW, columns: Infinity },
      ).join('\n');
    expect(shown(null)).toContain(`waits: ${detail}`);
    const active = shown({ ...newRun('ab12cd34'), status: 'running', log_path: '/logs/a.log' });
    expect(active).toMatch(/autopoll +every 5m, looks at/);
    expect(active).not.toContain(detail);
  });
});
