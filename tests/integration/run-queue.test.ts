import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createRunQueue } from '../../src/run/queue.ts';
import { bareEnd, writeEnd } from '../../src/runs/end-file.ts';
import { readEvents } from '../../src/runs/events-file.ts';
import { createRunStore } from '../../src/runs/store.ts';
import { tempDir } from '../support/temp-dir.ts';

test('what a service left of a queued run that it was ending is completed at the next start', () => {
  const directory = tempDir();
  const log = pino({ level: 'silent' });
  const store = createRunStore({ directory, keepRuns: 10, keepDays: 10, log });
  const { files } = store.create({
    version: 1,
    run_id: '0badcafe',
    trigger: 'http',
    mode: 'prompt',
    workspace: directory,
    status: 'queued',
    outcome: null,
    reason: null,
    created_at: new Date().toISOString(),
    started_at: null,
    finished_at: null,
    runner: null,
    agent: null,
    turns: [],
  });
  // It died after the first of the three files that say so.
  writeEnd(files.end, bareEnd('replaced', 'A newer trigger took its place in the queue.'));

  const queue = createRunQueue(store, log);
  queue.repair();
  queue.repair();

  const record: unknown = JSON.parse(readFileSync(files.record, 'utf8'));
  expect(record).toMatchObject({ status: 'finished', outcome: 'replaced' });
  const ends = readEvents(files.events).filter(({ type }) => type === 'end');
  expect(ends).toMatchObject([{ run_id: '0badcafe', outcome: 'replaced' }]);
});
