import { describe, expect, it } from 'vitest';
import { describeEnd, describeMessage, kindOf } from '../../src/run/describe-run.ts';
import { OUTCOMES, type RunRecord } from '../../src/runs/record.ts';

const RECORD: RunRecord = {
  version: 1,
  run_id: '0a1b2c3d',
  trigger: 'http',
  mode: 'tickets',
  workspace: '/srv/app',
  status: 'finished',
  outcome: 'succeeded',
  reason: 'All tickets are done.',
  created_at: '2026-01-01T00:00:00.000Z',
  started_at: '2026-01-01T00:00:00.000Z',
  finished_at: '2026-01-01T00:12:00.000Z',
  runner: null,
  agent: null,
  turns: [],
  log_path: '/logs/x.log',
  summary: {
    tickets_done: ['TICKET-001.md', 'TICKET-002.md'],
    tickets_waiting: [],
    tickets_left: 1,
    turns: 3,
    usage: {
      input_tokens: 40_000,
      cached_input_tokens: 0,
      output_tokens: 1200,
      reasoning_output_tokens: 0,
    },
    usage_by_ticket: {},
    duration_seconds: 720,
    commits: ['0123456789abcdef', 'fedcba9876543210'],
    warnings: ['README.md was not committed: it was changed before'],
  },
};

describe('describeEnd', () => {
  it('says what ended, how, what came of it, and how to look', () => {
    expect(describeEnd(RECORD, true).split('\n')).toEqual([
      'Run 0a1b2c3d (tickets): succeeded after 12 min. Look: looper logs 0a1b2c3d',
      'All tickets are done.',
      'tickets done: 2 (TICKET-001.md, TICKET-002.md), left: 1, commits: 2 (0123456789, fedcba9876), turns: 3, tokens: 41200.',
      'Warning: README.md was not committed: it was changed before',
    ]);
  });

  it('tells the time that the runner took, whatever was done to the clock meanwhile (row 54)', () => {
    for (const finished_at of ['2026-01-02T00:12:00.000Z', '2025-12-31T00:12:00.000Z']) {
      expect(describeEnd({ ...RECORD, finished_at }, true)).toContain(': succeeded after 12 min. ');
    }
  });

  it('says how to answer a question before it quotes it, whatever is cut off later', () => {
    const question = { ticket: null, title: 'Which port?', text: '80 or 8080', asked_at: '' };
    const text = describeEnd({ ...RECORD, outcome: 'waiting', question, summary: null }, true);
    expect(text.split('\n')).toEqual([
      'Run 0a1b2c3d (tickets): waiting after 12 min. Answer: looper reply 0a1b2c3d "…"',
      'It asks: Which port?',
      '80 or 8080',
    ]);
  });

  it('does not say a title twice that is the first line of its text', () => {
    const question = { ticket: null, title: 'Which?', text: 'Which?\nA or B', asked_at: '' };
    const text = describeEnd({ ...RECORD, outcome: 'waiting', question, summary: null }, true);
    expect(text.split('\n').slice(1)).toEqual(['It asks: Which?', 'A or B']);
  });

  it.each([
    [
      '2026-01-01T05:30:00.000Z',
      true,
      'The limit ends at 2026-01-01 05:30 UTC. Looper goes on then.',
    ],
    [
      '2026-01-01T05:30:00.000Z',
      false,
      'The limit ends at 2026-01-01 05:30 UTC. Trigger a run after that.',
    ],
    [null, true, 'The provider does not say when the limit ends. Looper tries again later.'],
  ])(
    'says when it goes on after a usage limit: %s, by itself: %s',
    (resets_at, goesOn, expected) => {
      const record = { ...RECORD, outcome: 'usage_limited' as const, resets_at, reason: null };
      expect(describeEnd(record, goesOn).split('\n')[1]).toBe(expected);
    },
  );

  it('names five of many', () => {
    const tickets_done = Array.from({ length: 9 }, (_, index) => `T${index}`);
    const summary = { ...RECORD.summary!, tickets_done, commits: [] };
    expect(describeEnd({ ...RECORD, summary }, true)).toContain(
      'tickets done: 9 (T0, T1, T2, T3, T4, …), left: 1, turns: 3',
    );
  });

  it('of a prompt says nothing of tickets, and of a run that never began no duration', () => {
    const record: RunRecord = {
      ...RECORD,
      mode: 'prompt',
      outcome: 'spawn_failed',
      started_at: null,
      reason: null,
    };
    const text = describeEnd(record, true);
    expect(text).toMatch(/^Run 0a1b2c3d \(prompt\): spawn failed\. Look: /);
    expect(text).not.toContain('tickets');
  });
});

describe('describeMessage', () => {
  it('names the run', () => {
    expect(describeMessage('0a1b2c3d', 'Half way', 'Two of four.\n')).toBe(
      'Run 0a1b2c3d: Half way\nTwo of four.',
    );
    expect(describeMessage('0a1b2c3d', 'Half way', '')).toBe('Run 0a1b2c3d: Half way');
  });
});

describe('kindOf', () => {
  it('calls everything a failure that nobody wanted and that is no question', () => {
    const kinds = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, kindOf(outcome)]));
    expect(kinds).toEqual({
      succeeded: 'end',
      stopped: 'end',
      shutdown: 'end',
      replaced: 'end',
      waiting: 'question',
      usage_limited: 'usage_limited',
      failed: 'failed',
      timed_out: 'failed',
      stalled: 'failed',
      no_progress: 'failed',
      limit_reached: 'failed',
      spawn_failed: 'failed',
      lost: 'failed',
    });
  });
});
