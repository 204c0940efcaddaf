import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeEnd } from '../../src/runs/end-file.ts';
import { readEvents } from '../../src/runs/events-file.ts';
import { finishRun } from '../../src/runs/finish.ts';
import { createRunIdLookup } from '../../src/runs/run-ids.ts';
import { hasOpenQuestion } from '../../src/runs/store.ts';
import {
  createHeardLog,
  createTestStore,
  CREATED,
  endedRun,
  endOf,
  filesOf,
  layDown,
  newRun,
  nthRun,
} from '../support/runs.ts';
import { tempDir } from '../support/temp-dir.ts';

const question = {
  ticket: 'TICKET-001.md',
  title: 'Which database?',
  text: 'Old or new?',
  asked_at: CREATED,
};

/** Ended runs 0 to count - 1, one minute apart. */
function layDownMany(
  directory: string,
  count: number,
  fields: Partial<ReturnType<typeof endedRun>> = {},
): void {
  for (let n = 0; n < count; n += 1) {
    const { runId, createdAt } = nthRun(n);
    layDown(directory, endedRun(runId, { created_at: createdAt, ...fields }));
  }
}

const idsOf = (records: readonly { run_id: string }[]): number[] =>
  records.map(({ run_id }) => Number.parseInt(run_id, 16));

describe('a new run', () => {
  test('has its record, its end and its first event before anything starts', () => {
    const directory = tempDir();
    const store = createTestStore(directory);
    const { files, record } = store.create(newRun('ab12cd34'));
    expect(files.record).toBe(filesOf(directory, 'ab12cd34').record);
    expect(record.log_path).toBe(files.log);
    expect(readdirSync(directory).sort()).toEqual(
      ['.end', '.events.jsonl', '.json'].map((suffix) => files.base + suffix),
    );
    expect(readEvents(files.events)).toEqual([
      {
        type: 'created',
        at: CREATED,
        run_id: 'ab12cd34',
        trigger: 'http',
        mode: 'tickets',
        workspace: '/srv/app',
      },
    ]);
    for (const found of [
      store.latest(),
      store.find('ab12cd34'),
      createTestStore(directory).latest(),
    ]) {
      expect(found?.record).toEqual(record);
    }
  });

  test('leaves nothing when it cannot be written', () => {
    const directory = tempDir();
    const store = createTestStore(directory);
    const { events } = filesOf(directory, 'ab12cd34');
    symlinkSync('/nowhere', events);
    expect(() => store.create(newRun('ab12cd34'))).toThrow('ELOOP');
    expect(readdirSync(directory)).toEqual([]);
    expect(store.latest()).toBeNull();
  });

  test('with the name of another leaves that one alone', () => {
    const store = createTestStore(tempDir());
    const { files } = store.create(newRun('ab12cd34'));
    expect(() => store.create(newRun('ab12cd34'))).toThrow('EEXIST');
    expect(existsSync(files.record)).toBe(true);
  });
});

describe('the list', () => {
  test('is newest first, page by page', () => {
    const directory = tempDir();
    layDownMany(directory, 7);
    const store = createTestStore(directory);
    store.create(newRun('00000007', { created_at: nthRun(7).createdAt }));
    const first = store.list({ limit: 3 });
    expect(idsOf(first)).toEqual([7, 6, 5]);
    expect(idsOf(store.list({ limit: 3, before: '00000005' }))).toEqual([4, 3, 2]);
    expect(idsOf(store.list({ limit: 3, before: '00000002' }))).toEqual([1, 0]);
    expect(store.list({ limit: 3, before: '00000000' })).toEqual([]);
    expect(store.list({ limit: 3, before: 'ffffffff' })).toEqual([]);
    expect(idsOf(store.list({ limit: 100 }))).toHaveLength(8);
  });

  test('keeps the order of runs of one second over a restart, whatever their ids', () => {
    const directory = tempDir();
    const store = createTestStore(directory);
    store.create(newRun('ffffffff', { created_at: '2026-03-01T10:00:00.100Z' }));
    store.create(newRun('auto00000000', { created_at: '2026-03-01T10:00:00.200Z' }));
    store.create(newRun('11111111', { created_at: '2026-03-01T10:00:00.300Z' }));
    const ids = createTestStore(directory)
      .list({ limit: 3 })
      .map((record) => record.run_id);
    expect(ids).toEqual(['11111111', 'auto00000000', 'ffffffff']);
  });

  test('finds a run by its id, and the newest one', () => {
    const directory = tempDir();
    layDownMany(directory, 3);
    const store = createTestStore(directory);
    expect(store.find('00000001')?.record.run_id).toBe('00000001');
    expect(store.find('ffffffff')).toBeNull();
    expect(store.latest()?.record.run_id).toBe('00000002');
    expect(createTestStore(tempDir()).latest()).toBeNull();
  });

  test('leaves out what is none of its runs', () => {
    const directory = tempDir();
    layDownMany(directory, 1);
    for (const name of [
      'autopoll.json',
      'codex-exec-x.json',
      `${filesOf(directory, '0badcafe').base}.log`,
    ]) {
      writeFileSync(join(directory, name), '{}');
    }
    expect(idsOf(createTestStore(directory).list({ limit: 10 }))).toEqual([0]);
  });

  test('of ten thousand runs comes a page at a time', () => {
    const directory = tempDir();
    layDownMany(directory, 10_000);
    const took = (what: string, act: () => unknown): void => {
      const began = performance.now();
      act();
      console.log(`10,000 runs, ${what}: ${(performance.now() - began).toFixed(1)} ms`);
    };
    let store = createTestStore(directory);
    took('opening the store', () => (store = createTestStore(directory)));
    took('the newest page of 50', () => expect(idsOf(store.list({ limit: 50 }))[49]).toBe(9950));
    took('a page from the middle', () => {
      expect(idsOf(store.list({ limit: 50, before: nthRun(5000).runId }))[0]).toBe(4999);
    });
    took('finding the oldest', () => expect(store.find('00000000')).not.toBeNull());
    took('pruning nothing', () => {
      expect(createTestStore(directory, { keepRuns: 10_000 }).prune(new Date(CREATED))).toBe(0);
    });
    took('pruning 2,000', () => {
      expect(createTestStore(directory, { keepRuns: 8000 }).prune(new Date(CREATED))).toBe(2000);
    });
    expect(readdirSync(directory)).toHaveLength(8000);
  });
});

describe('a record on disk (row 45)', () => {
  const unreadable = {
    'zero bytes': '',
    garbage: '\0\u{1}}{',
    'half of one': '{"version": 1, "run_',
  };

  test.each(Object.entries(unreadable))('%s: is set aside, and told of once', (_, text) => {
    const directory = tempDir();
    layDownMany(directory, 2);
    const { record, log } = filesOf(directory, '00000001', nthRun(1).createdAt);
    writeFileSync(record, text);
    writeFileSync(log, 'what the agent said\n');
    const { log: daemonLog, heard } = createHeardLog();
    const store = createTestStore(directory, { log: daemonLog });
    for (let look = 0; look < 2; look += 1) {
      expect(idsOf(store.list({ limit: 10 }))).toEqual([0]);
      expect(store.latest()?.record.run_id).toBe('00000000');
      expect(store.find('00000001')).toBeNull();
    }
    expect(heard).toEqual([[{ record, kept_as: `${record}.unreadable` }, 'run.record_unreadable']]);
    expect([existsSync(log), existsSync(`${record}.unreadable`)]).toEqual([true, true]);
    expect(createTestStore(directory).unfinished()).toEqual([]);
    // Its processes may still be alive, and are still ours.
    expect(createRunIdLookup(directory)('00000001')).toBe(true);
  });

  test('of a later version: is left as it is, and told of once', () => {
    const directory = tempDir();
    const { record } = layDown(directory, endedRun('00000000'));
    const text = JSON.stringify({ ...endedRun('00000000'), version: 2, outcome: 'ascended' });
    writeFileSync(record, text);
    const { log, heard } = createHeardLog();
    const store = createTestStore(directory, { log, keepRuns: 0 });
    expect([store.list({ limit: 5 }), store.latest(), store.unfinished()]).toEqual([[], null, []]);
    expect(store.prune(new Date())).toBe(0);
    expect(heard).toEqual([[{ record }, 'run.record_newer']]);
    expect(existsSync(record)).toBe(true);
  });

  test('that does not know of the end yet gives way to it', () => {
    const directory = tempDir();
    const store = createTestStore(directory);
    const { files } = store.create(newRun('ab12cd34', { status: 'running' }));
    writeEnd(files.end, endOf({ outcome: 'stalled', reason: 'silence' }));
    const run = store.find('ab12cd34');
    expect(run?.record).toMatchObject({
      status: 'finished',
      outcome: 'stalled',
      reason: 'silence',
    });
    expect(run && store.isComplete(run)).toBe(false);
    expect(store.unfinished().map(({ record }) => record.run_id)).toEqual(['ab12cd34']);

    if (run !== null) finishRun(files, run.record, endOf());
    expect(run && store.isComplete(run)).toBe(true);
    expect(store.unfinished()).toEqual([]);
  });
});

test('what is unfinished comes oldest first, without what waits in the queue', () => {
  const directory = tempDir();
  for (const [n, status] of (
    ['running', 'finished', 'starting', 'queued', 'stopping'] as const
  ).entries()) {
    const { runId, createdAt } = nthRun(n);
    layDown(directory, endedRun(runId, { status, created_at: createdAt }));
  }
  const unfinished = createTestStore(directory).unfinished();
  expect(idsOf(unfinished.map(({ record }) => record))).toEqual([0, 2, 4]);
});

describe('pruning', () => {
  const soon = new Date(Date.parse(CREATED) + 3_600_000);

  test('removes the oldest beyond the count, with all that they left', () => {
    const directory = tempDir();
    layDownMany(directory, 5);
    for (const n of [0, 4]) {
      const { runId, createdAt } = nthRun(n);
      const files = filesOf(directory, runId, createdAt);
      for (const path of [
        files.log,
        files.events,
        files.end,
        files.prompt(1),
        files.lastMessage(12),
      ]) {
        writeFileSync(path, '');
      }
      mkdirSync(files.messages);
      writeFileSync(join(files.messages, 'message.json'), '');
    }
    writeFileSync(join(directory, 'autopoll.json'), '{}');
    const store = createTestStore(directory, { keepRuns: 2 });
    expect(store.prune(soon)).toBe(3);
    expect(idsOf(store.list({ limit: 9 }))).toEqual([4, 3]);
    const { base } = filesOf(directory, '00000004', nthRun(4).createdAt);
    const left = readdirSync(directory).filter((name) => !name.startsWith(base));
    expect(left).toEqual(['autopoll.json', expect.stringMatching(/00000003\.json$/)]);
    expect(readdirSync(directory).filter((name) => name.startsWith(base))).toHaveLength(7);
    expect(idsOf(createTestStore(directory).list({ limit: 9 }))).toEqual([4, 3]);
  });

  test('removes what is too old', () => {
    const directory = tempDir();
    layDownMany(directory, 3);
    const store = createTestStore(directory, { keepDays: 1 });
    const aDayAfter = (n: number): Date => new Date(Date.parse(nthRun(n).createdAt) + 86_400_000);
    expect(store.prune(aDayAfter(0))).toBe(0);
    expect(store.prune(aDayAfter(1))).toBe(1);
    expect(idsOf(store.list({ limit: 9 }))).toEqual([2, 1]);
  });

  test('never removes a run without an end, nor one with an open question', () => {
    const directory = tempDir();
    const outcomes = [
      { status: 'running', outcome: null },
      { outcome: 'waiting', question },
      { outcome: 'waiting', question },
      { outcome: 'waiting', question },
      { outcome: 'waiting', question: null },
      { status: 'starting', outcome: null },
    ] as const;
    for (const [n, fields] of outcomes.entries()) {
      const { runId, createdAt } = nthRun(n);
      layDown(directory, endedRun(runId, { created_at: createdAt, ...fields }));
    }
    const replies = (n: number): string =>
      filesOf(directory, nthRun(n).runId, nthRun(n).createdAt).replies;
    mkdirSync(replies(2));
    writeFileSync(join(replies(2), '0001.md'), 'The new one.');
    // The disk had no room for this reply, and the person was told so.
    mkdirSync(replies(3));

    const store = createTestStore(directory, { keepRuns: 0 });
    const open = store.list({ limit: 9 }).filter(({ run_id }) => {
      const run = store.find(run_id);
      return run !== null && hasOpenQuestion(run);
    });
    expect(idsOf(open)).toEqual([3, 1]);
    expect(store.prune(soon)).toBe(2);
    expect(idsOf(store.list({ limit: 9 }))).toEqual([5, 3, 1, 0]);
  });

  const canUnshare = spawnSync('unshare', ['-U', 'true']).status === 0;

  test('an interrupted removal is taken up again', (context) => {
    if (!canUnshare) {
      console.warn('SKIPPED: that a file cannot be removed, root included, needs `unshare -U`');
      context.skip();
    }
    const directory = tempDir();
    layDownMany(directory, 2);
    const files = filesOf(directory, '00000000', nthRun(0).createdAt);
    mkdirSync(files.messages);
    writeFileSync(join(files.messages, 'message.json'), '');
    chmodSync(files.messages, 0o500);
    const module = new URL('../../build/runs/store.js', import.meta.url).href;
    const script = `
      import { createRunStore } from ${JSON.stringify(module)};
      const log = { warn: (details, name) => console.log(name, details.run) };
      const store = createRunStore({ directory: ${JSON.stringify(directory)}, keepRuns: 1, keepDays: 90, log });
      console.log(store.prune(new Date(${soon.getTime()})));`;
    const args = ['-U', process.execPath, '--input-type=module', '-e', script];
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    expect([stdout, stderr]).toEqual([`run.prune_failed ${files.base}\n0\n`, '']);

    chmodSync(files.messages, 0o700);
    const store = createTestStore(directory, { keepRuns: 1 });
    expect(idsOf(store.list({ limit: 9 }))).toEqual([1, 0]);
    expect(store.prune(soon)).toBe(1);
    expect(readdirSync(directory)).toHaveLength(1);
  });
});
