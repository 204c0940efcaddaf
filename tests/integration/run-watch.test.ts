import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { createRunWatch } from '../../src/run-watch.ts';
import { readEnd } from '../../src/runs/end-file.ts';
import { acquireLock } from '../../src/runs/lock.ts';
import type { RunRecord } from '../../src/runs/record.ts';
import { createRunStore, type StoredRun } from '../../src/runs/store.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

/** A watch over a directory with one run whose runner is gone, and who it told of ended runs. */
function watchDeadRun(turns: RunRecord['turns'] = []) {
  const directory = tempDir();
  const log = pino({ level: 'silent' });
  const store = createRunStore({ directory, keepRuns: 10, keepDays: 10, log });
  const run = store.create({
    version: 1,
    run_id: '0badcafe',
    trigger: 'http',
    mode: 'prompt',
    workspace: directory,
    status: 'running',
    outcome: null,
    reason: null,
    created_at: new Date().toISOString(),
    started_at: new Date().toISOString(),
    finished_at: null,
    runner: null,
    agent: null,
    turns,
  });
  const ended: RunRecord[] = [];
  const watch = createRunWatch({
    store,
    graceMs: 100,
    log,
    onLook: () => undefined,
    afterRun: () => Promise.resolve(),
    onEnd: (record) => ended.push(record),
  });
  onTestFinished(() => watch.detach());
  const find = (): StoredRun => store.find(run.record.run_id) ?? run;
  return { directory, run, watch, ended, find };
}

it('tells of a run that it was asked to close', async () => {
  const { run, watch, ended } = watchDeadRun();
  await watch.close(run, { outcome: 'spawn_failed', reason: 'Its runner died.' });
  expect(ended).toMatchObject([{ run_id: '0badcafe', outcome: 'spawn_failed' }]);
});

it('closes a run later when its lock is still held, and then tells of it once (row 34)', async () => {
  const { directory, watch, ended, find } = watchDeadRun();
  const lock = await acquireLock({ directory, lock: 'run', holder: 'a child of a dead runner' });
  if (lock.kind === 'refused') throw new Error('the lock of a new directory is held');
  await watch.adopt();
  expect(find().record.status).toBe('running');
  expect(ended).toEqual([]);

  await lock.release();
  await waitFor('the run to be closed', () => find().record.status === 'finished');
  expect(ended).toMatchObject([{ run_id: '0badcafe', outcome: 'lost' }]);
});

it('gives a lost run the exit code of its last turn, where that is known', async () => {
  const at = new Date().toISOString();
  const { run, watch, ended } = watchDeadRun([
    {
      ticket: null,
      thread_id: null,
      exit_code: null,
      signal: 'SIGKILL',
      outcome: 'failed',
      usage: null,
      log_start: 0,
      log_end: 0,
      started_at: at,
      finished_at: at,
      final_message: null,
    },
  ]);
  await watch.close(run);
  expect(ended).toMatchObject([{ outcome: 'lost' }]);
  expect(readEnd(run.files.end)?.return_code).toBe(-9);
});
