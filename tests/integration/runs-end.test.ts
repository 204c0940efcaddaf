import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { preallocateEnd, readEnd, writeEnd, type RunEnd } from '../../src/runs/end-file.ts';
import { readEvents } from '../../src/runs/events-file.ts';
import type { RunFiles } from '../../src/runs/files.ts';
import { finishRun } from '../../src/runs/finish.ts';
import { appendTrailer, createLog } from '../../src/runs/log-file.ts';
import { OUTCOMES, type RunRecord } from '../../src/runs/record.ts';
import { createTestStore, endOf, newRun, SUMMARY, usage } from '../support/runs.ts';
import { tempDir } from '../support/temp-dir.ts';

const END_BYTES = 8192;
const question = {
  ticket: 'TICKET-001.md',
  title: 'Which database?',
  text: 'Old or new?',
  asked_at: '2026-03-01T10:00:30.000Z',
};

describe('the end file', () => {
  const prepared = (): string => {
    const path = join(tempDir(), 'run.end');
    preallocateEnd(path);
    return path;
  };

  test('has its bytes before the run starts, and says nothing yet', () => {
    const path = prepared();
    expect(statSync(path)).toMatchObject({ size: END_BYTES });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(END_BYTES);
    expect(readEnd(path)).toBeNull();
    expect(readEnd(`${path}.none`)).toBeNull();
  });

  test('is written in place: same file, same size', () => {
    const path = prepared();
    const { ino } = statSync(path);
    writeEnd(path, endOf());
    expect(statSync(path)).toMatchObject({ ino, size: END_BYTES });
    expect(readEnd(path)).toEqual(endOf());
  });

  test('is made where nothing was prepared', () => {
    const path = join(tempDir(), 'run.end');
    writeEnd(path, endOf());
    expect(readEnd(path)).toEqual(endOf());
  });

  test('the first valid one stands', () => {
    const path = prepared();
    expect(writeEnd(path, endOf({ outcome: 'stopped' }))).toMatchObject({ outcome: 'stopped' });
    expect(writeEnd(path, endOf({ outcome: 'lost' }))).toMatchObject({ outcome: 'stopped' });
    expect(readEnd(path)).toMatchObject({ outcome: 'stopped' });
  });

  test('torn after any byte, it is none, and the next one takes its place (row 36)', () => {
    const path = prepared();
    const blank = readFileSync(path);
    writeEnd(path, endOf({ reason: 'déjà vu' }));
    const whole = readFileSync(path);
    const json = whole.toString('latin1').trimEnd().length;
    const lengths = Array.from({ length: END_BYTES + 1 }, (_, written) => written);
    // Of the blanks behind what is said, some will do.
    const tears = lengths.filter((n) => n <= json || n % 97 === 0 || n >= END_BYTES - 1);
    const valid = tears.filter((written) => {
      writeFileSync(path, Buffer.concat([whole.subarray(0, written), blank.subarray(written)]));
      return readEnd(path) !== null;
    });
    expect(valid).toEqual([END_BYTES]);

    writeFileSync(path, Buffer.concat([whole.subarray(0, 300), blank.subarray(300)]));
    writeEnd(path, endOf({ outcome: 'lost' }));
    expect(readEnd(path)).toMatchObject({ outcome: 'lost' });
  });

  test('cut short after any byte, it is none', () => {
    const path = prepared();
    writeEnd(path, endOf());
    const whole = readFileSync(path, 'latin1');
    const json = whole.trimEnd().length;
    for (let length = 0; length < json; length += 1) {
      writeFileSync(path, whole.slice(0, length), 'latin1');
      expect(readEnd(path)).toBeNull();
    }
  });

  test('what is too much is shortened: the bulk of the summary first, the sentences last', () => {
    const manyTickets = Object.fromEntries(
      Array.from({ length: 100 }, (_, n) => [`TICKET-${String(n).padStart(3, '0')}.md`, usage(n)]),
    );
    const written = (fields: Partial<RunEnd>): RunEnd | null => {
      const path = prepared();
      writeEnd(path, endOf(fields));
      return readEnd(path);
    };
    expect(written({ summary: { ...SUMMARY, usage_by_ticket: manyTickets } })).toEqual(
      endOf({ summary: { ...SUMMARY, usage_by_ticket: {} } }),
    );
    expect(
      written({ reason: 'r'.repeat(2000), summary: { ...SUMMARY, warnings: ['w'.repeat(9000)] } }),
    ).toEqual(endOf({ reason: 'r'.repeat(2000), summary: null }));
    const asked = written({
      outcome: 'waiting',
      reason: 'r'.repeat(9000),
      question: { ...question, text: 'q'.repeat(65_536) },
    });
    expect(asked?.reason).toBe(`${'r'.repeat(2000)}…`);
    expect(asked?.question).toEqual({ ...question, text: `${'q'.repeat(2000)}…` });
  });

  test('whatever the end, it is read back with its outcome, and a question stays one', () => {
    const path = prepared();
    const blank = readFileSync(path);
    const long = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('\0'.repeat(70_000), '"\\'.repeat(6000), '🦊'.repeat(9000), ' '.repeat(9000)),
    );
    const ends = fc.record({
      outcome: fc.constantFrom(...OUTCOMES),
      reason: fc.option(long),
      finished_at: fc.constant('2026-03-01T10:01:00.000Z'),
      return_code: fc.option(fc.integer()),
      resets_at: fc.constant(null),
      question: fc.option(
        fc.record({
          ticket: fc.option(fc.constantFrom('\u{1}'.repeat(255), 'TICKET-001.md')),
          title: long,
          text: long,
          asked_at: fc.constant('2026-03-01T10:00:30.000Z'),
        }),
      ),
      summary: fc.option(
        fc.record({ warnings: fc.array(long) }).map((more) => ({ ...SUMMARY, ...more })),
      ),
      changed: fc.option(fc.boolean()),
    });
    fc.assert(
      fc.property(ends, (end) => {
        writeFileSync(path, blank);
        writeEnd(path, end);
        const { outcome, return_code, question: asked } = readEnd(path) ?? {};
        expect([outcome, return_code]).toEqual([end.outcome, end.return_code]);
        expect(asked?.ticket).toBe(end.question?.ticket);
        expect(statSync(path).size).toBe(END_BYTES);
      }),
      { numRuns: 150 },
    );
  });
});

describe('finishing a run', () => {
  interface Started {
    readonly directory: string;
    readonly files: RunFiles;
    readonly record: RunRecord;
  }
  const started = (): Started => {
    const directory = tempDir();
    const { files, record } = createTestStore(directory).create(
      newRun('ab12cd34', { status: 'running', agent: { pid: 8, start_time: 'boot:2' } }),
    );
    createLog(files.log, { requestId: 'r', workspace: '/srv/app', command: 'codex exec' });
    return { directory, files, record };
  };
  const contents = (directory: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'latin1')]),
    );
  const long = endOf({ outcome: 'waiting', question: { ...question, text: 'q'.repeat(20_000) } });

  test('leaves one end everywhere', () => {
    const { files, record, directory } = started();
    const { record: finished, failures } = finishRun(files, record, endOf({ return_code: -9 }));
    expect(failures).toEqual([]);
    expect(finished).toMatchObject({ status: 'finished', outcome: 'succeeded', agent: null });
    expect(JSON.parse(readFileSync(files.record, 'utf8'))).toEqual(finished);
    expect(readFileSync(files.log, 'utf8')).toMatch(/\n\n# codex_exec_return_code=-9\n$/);
    expect(readEvents(files.events).map(({ type }) => type)).toEqual(['created', 'end']);
    expect(createTestStore(directory).find('ab12cd34')?.record).toEqual(finished);
  });

  test('again changes no byte, whatever the second one wants to say (row 36)', () => {
    const { files, record, directory } = started();
    finishRun(files, record, long);
    const before = contents(directory);
    const stored = createTestStore(directory).find('ab12cd34')?.record ?? record;
    finishRun(files, stored, endOf({ outcome: 'lost', return_code: null }));
    expect(contents(directory)).toEqual(before);
    expect(createTestStore(directory).latest()?.record.question?.text).toHaveLength(20_000);
  });

  const interruptions = ['log', 'end', 'events', 'record'].flatMap((file, step) => [
    { file, step, isTorn: false },
    { file, step, isTorn: true },
  ]);

  test.each(interruptions)(
    'completes what was interrupted before the $file was written (torn: $isTorn; rows 36, 41)',
    ({ step, isTorn }) => {
      const { files, record, directory } = started();
      const paths = [files.log, files.end, files.events, files.record];
      const before = paths.map((path) => readFileSync(path));
      finishRun(files, record, endOf({ outcome: 'stopped', return_code: 130 }));
      for (const [index, path] of paths.entries()) {
        if (index < step) continue;
        const whole = readFileSync(path);
        const old = before[index] ?? Buffer.alloc(0);
        // The end and the record are never torn: in place with a checksum, and by a rename.
        const isAppended = path === files.log || path === files.events;
        writeFileSync(path, index === step && isTorn && isAppended ? whole.subarray(0, -7) : old);
      }

      const stored = createTestStore(directory).find('ab12cd34');
      expect(stored?.record.outcome).toBe(step < 2 ? null : 'stopped');
      const end =
        step < 2 ? endOf({ outcome: 'stopped', return_code: 130 }) : endOf({ outcome: 'lost' });
      finishRun(files, stored?.record ?? record, end);

      const finished = createTestStore(directory).find('ab12cd34');
      expect(finished?.record).toMatchObject({
        status: 'finished',
        outcome: 'stopped',
        agent: null,
      });
      const events = readEvents(files.events).filter(({ type }) => type === 'end');
      expect(events).toMatchObject([{ outcome: 'stopped', reason: 'Every ticket is done.' }]);
      const log = readFileSync(files.log, 'utf8');
      expect(log).toMatch(/\n\n# codex_exec_return_code=130\n$/);
      expect(log.match(/^# codex_exec_return_code=130$/gm)).toHaveLength(1);
    },
  );

  test('when the end cannot be written, throws, and the log is complete all the same', () => {
    const { files, record, directory } = started();
    rmSync(files.end);
    symlinkSync('/nowhere/at/all', files.end);
    expect(() => finishRun(files, record, endOf())).toThrow('ELOOP');
    expect(readFileSync(files.log, 'utf8')).toMatch(/\n\n# codex_exec_return_code=0\n$/);
    expect(createTestStore(directory).latest()?.record.status).toBe('running');
  });

  test('a run that was lost between its trailer and its end says both (row 36)', () => {
    const { files, record } = started();
    appendTrailer(files.log, 0, 'succeeded');
    finishRun(files, record, endOf({ outcome: 'lost', return_code: null }));
    expect(readFileSync(files.log, 'utf8')).toMatch(
      /\n\n# codex_exec_return_code=0\n\n# looper_outcome=lost\n$/,
    );
  });

  test('a run without an exit code has its outcome in the last line; one without a log has none', () => {
    const { files, record } = started();
    finishRun(files, record, endOf({ outcome: 'lost', return_code: null }));
    expect(readFileSync(files.log, 'utf8')).toMatch(/\n# looper_outcome=lost\n$/);

    const other = started();
    rmSync(other.files.log);
    const { failures } = finishRun(
      other.files,
      other.record,
      endOf({ outcome: 'spawn_failed', return_code: null }),
    );
    expect(failures).toEqual([]);
    expect(readdirSync(other.directory).filter((name) => name.endsWith('.log'))).toEqual([]);
  });

  test('tells what it could not write, and writes the rest (row 46)', () => {
    const { files, record, directory } = started();
    rmSync(files.log);
    symlinkSync('/etc/passwd', files.log);
    const { failures } = finishRun(files, record, endOf());
    expect(failures).toEqual([expect.stringMatching(/^trailer: ELOOP/)]);
    expect(createTestStore(directory).latest()?.record.outcome).toBe('succeeded');
  });
});

const canMount = spawnSync('unshare', ['-Urm', 'true']).status === 0;

test('on a full disk the end is written, and the rest when there is space again (rows 40, 41)', (context) => {
  if (!canMount) {
    console.warn('SKIPPED: a small disk needs unprivileged `unshare -Urm`');
    context.skip();
  }
  const fixture = new URL('../fixtures/runs-full-disk.mjs', import.meta.url).pathname;
  const command = ['-Urm', process.execPath, fixture, tempDir()];
  const result = spawnSync('unshare', command, { encoding: 'utf8', timeout: 20_000 });
  expect(result.stderr).toBe('');
  expect(JSON.parse(result.stdout)).toEqual({
    full: {
      failures: [
        expect.stringMatching(/^trailer: ENOSPC/),
        expect.stringMatching(/^final event: ENOSPC/),
        expect.stringMatching(/^record: ENOSPC/),
      ],
      end: 'failed',
      stored: 'failed',
      isComplete: false,
      stop: 'ENOSPC',
      create: 'ENOSPC',
      newFiles: [],
    },
    freed: { failures: [], isComplete: true, trailers: 1, ends: 1, record: 'failed' },
  });
});
