import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AutopollStatus } from '../../src/autopoll.ts';
import { parseChatCommand } from '../../src/hooks/chat-command.ts';
import { describeStatus } from '../../src/hooks/chat-status.ts';
import { tailOfRun } from '../../src/hooks/chat-tail.ts';
import type { Payload } from '../../src/hooks/hook.ts';
import { runFiles } from '../../src/runs/files.ts';
import type { RunRecord } from '../../src/runs/record.ts';
import { zulipMessage } from '../support/hooks.ts';
import { tempDir } from '../support/temp-dir.ts';

const said = (content: string, sender?: string): Payload =>
  JSON.parse(zulipMessage(content, 1, sender === undefined ? {} : { sender })) as Payload;

test.each<[string, string, string]>([
  ['@**Looper** status', 'status', ''],
  ['status', 'status', ''],
  ['  STATUS  ', 'status', ''],
  ['@_**Looper|12**: /run fix the login', 'run', 'fix the login'],
  ['@**Looper** run', 'run', ''],
  ['@**Looper**\nrun line one\nline two', 'run', 'line one\nline two'],
  ['reply  yes, **do** it  ', 'reply', 'yes, **do** it'],
  ['@**Looper**', 'help', ''],
  ['', 'help', ''],
  ['running late', 'help', 'late'],
  ['toString', 'help', ''],
])('%j is %s %j', (content, verb, text) => {
  expect(parseChatCommand(said(content))).toEqual({ verb, text, sender: 'Iago' });
});

test.each(['looper-bot@zulip.com', 'other-bot@zulip.com', 'Welcome-Bot@zulip.com'])(
  'what the bot %s says is nothing',
  (sender) => {
    expect(parseChatCommand(said('run', sender))).toBeNull();
  },
);

const RUN: RunRecord = {
  version: 1,
  run_id: 'ab12cd34',
  trigger: 'hook:labelled',
  mode: 'tickets',
  workspace: '/srv/app',
  status: 'running',
  outcome: null,
  reason: null,
  created_at: '2026-11-01T12:00:01.000Z',
  started_at: '2026-11-01T12:00:02.000Z',
  finished_at: null,
  runner: null,
  agent: null,
  turns: [],
  log_path: '/logs/x.log',
};
const AUTOPOLL: AutopollStatus = {
  enabled: true,
  paused: false,
  interval_seconds: 300,
  cron: null,
  next_tick_at: '2026-11-01T12:05:00.000Z',
  waiting: { reason: 'run_active', detail: 'run ab12cd34 is active' },
  failures: 0,
  runs_today: 0,
  max_runs_per_day: 48,
};

test('status says what runs, what waits and what was last', () => {
  const finished: RunRecord = {
    ...RUN,
    run_id: 'ffffffff',
    status: 'finished',
    outcome: 'usage_limited',
    reason: 'The limit is reached.',
    finished_at: '2026-11-01T11:00:00.000Z',
  };
  const queued: RunRecord = { ...RUN, run_id: 'eeeeeeee', status: 'queued' };
  expect(
    describeStatus({
      active: RUN,
      recent: [queued, RUN, finished],
      asking: null,
      autopoll: AUTOPOLL,
    }),
  ).toBe(
    [
      'Run ab12cd34 (hook:labelled) is running in /srv/app since 2026-11-01 12:00 UTC: turn 1.',
      'Run eeeeeeee (hook:labelled) waits for its turn.',
      'The idle timer is on, next look at 2026-11-01 12:05 UTC; it waits: run ab12cd34 is active.',
    ].join('\n'),
  );
  const question = { ticket: null, title: 'Which one?', text: 'A or B', asked_at: '' };
  const asking: RunRecord = { ...finished, outcome: 'waiting', question };
  expect(
    describeStatus({
      active: null,
      recent: [finished],
      asking,
      autopoll: { ...AUTOPOLL, paused: true },
    }),
  ).toBe(
    [
      'Nothing runs.',
      'Run ffffffff asks: Which one?\nA or B\nAnswer with `reply <text>`.',
      'Run ffffffff ended at 2026-11-01 11:00 UTC, usage limited: The limit is reached.',
      'The idle timer is paused; `resume` lets it go on.',
    ].join('\n'),
  );
});

test('tail shows what people read, in a block that nothing in it can end', () => {
  const directory = tempDir();
  const files = runFiles(directory, 'codex-exec-20261101-120000-ab12cd34');
  const tail = () => tailOfRun({ record: RUN, files });
  expect(tail()).toBe('Run ab12cd34 has printed nothing yet.');
  const event = (item: object) => JSON.stringify({ type: 'item.completed', item });
  const lines = [
    '# looper_request_id=x',
    event({ id: '2', type: 'agent_message', text: 'Look:\n```\ncode\n```' }),
    `warning: from stderr ${'x'.repeat(500)}`,
  ];
  writeFileSync(
    join(directory, 'codex-exec-20261101-120000-ab12cd34.log'),
    `${lines.join('\n')}\n`,
  );
  const text = tail();
  expect(text).toMatch(/^Run ab12cd34 \(running\):\n````text\n/);
  expect(text).toMatch(/\n````$/);
  expect(text).toContain('Look:\n```\ncode\n```');
  expect(text).toContain('warning: from stderr');
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(310);
});
