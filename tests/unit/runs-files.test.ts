import { expect, test } from 'vitest';
import {
  createdAtOf,
  createRunBase,
  createRunId,
  isRunId,
  runFiles,
  runIdOfBase,
} from '../../src/runs/files.ts';
import { returnCodeOf } from '../../src/runs/log-file.ts';
import { parseRunRecord } from '../../src/runs/schema.ts';
import type { RunRecord } from '../../src/runs/record.ts';
import { SUMMARY, usage } from '../support/runs.ts';

test('a base sorts by time, and tells the run id and the time of its creation', () => {
  const base = createRunBase('ab12cd34', new Date('2026-03-01T09:08:07.654Z'));
  expect(base).toBe('codex-exec-20260301-090807-ab12cd34');
  expect(runIdOfBase(base)).toBe('ab12cd34');
  expect(createdAtOf(base)).toBe(Date.parse('2026-03-01T09:08:07Z'));
  expect(createdAtOf('something else')).toBeNaN();
});

test('only what Looper would write is a base', () => {
  const others = [
    'codex-exec-20260301-090807-ab12cd3',
    'codex-exec-20260301-090807-AB12CD34',
    'codex-exec-20260301-090807-../../etc',
    'codex-exec-20260301-090807-ab12cd34\n',
    'x-codex-exec-20260301-090807-ab12cd34',
    '',
  ];
  expect(others.map(runIdOfBase)).toEqual(others.map(() => null));
});

test('a run id of the autopoll shows', () => {
  expect(createRunId(false)).toMatch(/^[0-9a-f]{8}$/);
  expect(createRunId(true)).toMatch(/^auto[0-9a-f]{8}$/);
  expect([createRunId(false), createRunId(true)].every(isRunId)).toBe(true);
  const others = ['', 'current', 'ab12cd3', 'ab12cd345', 'autoab12', '../ab12cd34', 'ab12cd34\n'];
  expect(others.filter(isRunId)).toEqual([]);
});

test('everything that a run leaves starts with its base', () => {
  const base = 'codex-exec-20260301-090807-autoab12cd34';
  const files = runFiles('/logs', base);
  expect(files.runId).toBe('autoab12cd34');
  const { record, log, events, end, stop, replies, messages } = files;
  const paths = [record, log, events, end, stop, replies, messages];
  expect([...paths, files.prompt(2), files.lastMessage(2)]).toEqual(
    [
      'json',
      'log',
      'events.jsonl',
      'end',
      'stop',
      'replies',
      'messages',
      'turn2.prompt',
      'turn2.last',
    ].map((suffix) => `/logs/${base}.${suffix}`),
  );
});

test('an exit is its code, or minus the number of its signal', () => {
  expect(returnCodeOf({ exitCode: 0, signal: null })).toBe(0);
  expect(returnCodeOf({ exitCode: 255, signal: null })).toBe(255);
  expect(returnCodeOf({ exitCode: null, signal: 'SIGKILL' })).toBe(-9);
  expect(returnCodeOf({ exitCode: null, signal: 'SIGTERM' })).toBe(-15);
});

test('an exit that nobody knows is no success', () => {
  expect(returnCodeOf({ exitCode: null, signal: null })).toBeNull();
  expect(returnCodeOf({ exitCode: null, signal: 'SIGWHATEVER' })).toBeNull();
});

/** Every field that a record may have: one more in the type fails to compile here. */
const full: Required<RunRecord> = {
  version: 1,
  run_id: 'ab12cd34',
  trigger: 'hook:labelled',
  mode: 'tickets',
  workspace: '/srv/app',
  status: 'finished',
  outcome: 'waiting',
  reason: 'Which database?',
  created_at: '2026-03-01T10:00:00.000Z',
  started_at: '2026-03-01T10:00:01.000Z',
  finished_at: '2026-03-01T10:01:00.000Z',
  runner: { pid: 7, start_time: 'boot:1' },
  agent: { pid: 8, start_time: 'boot:2' },
  turns: [
    {
      ticket: 'TICKET-001.md',
      thread_id: 'thread',
      exit_code: 0,
      signal: null,
      outcome: 'finished',
      usage: usage(1),
      log_start: 10,
      log_end: 20,
      started_at: '2026-03-01T10:00:01.000Z',
      finished_at: '2026-03-01T10:00:59.000Z',
      final_message: 'Done.',
      replies: ['ab12cd34/0001.md'],
    } satisfies Required<RunRecord['turns'][number]>,
  ],
  log_path: '/logs/x.log',
  resets_at: null,
  question: {
    ticket: 'TICKET-001.md',
    title: 'Which database?',
    text: 'Old or new?',
    asked_at: '2026-03-01T10:00:30.000Z',
  },
  summary: SUMMARY,
  changed: true,
};

test('reading a record loses nothing of it', () => {
  expect(parseRunRecord(JSON.stringify(full))).toEqual(full);
});

test('a record of the first moment is read too', () => {
  const { resets_at, question, summary, changed, ...first } = full;
  expect([resets_at, question, summary, changed]).not.toContain(undefined);
  expect(parseRunRecord(JSON.stringify(first))).toEqual(first);
});

test('what is no record, or of a later version, is not read', () => {
  const texts = [
    '',
    'null',
    '[]',
    '{"version": 1}',
    JSON.stringify(full).slice(0, -1),
    JSON.stringify({ ...full, version: 2 }),
    JSON.stringify({ ...full, runner: { pid: 0, start_time: '' } }),
    JSON.stringify({ ...full, status: 'flying' }),
  ];
  expect(texts.map(parseRunRecord)).toEqual(texts.map(() => null));
});
