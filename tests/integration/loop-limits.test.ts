import { describe, expect, test } from 'vitest';
import { finishing, run, sharedLooper, workspace } from '../support/ticket-runs.ts';

/** Changes something and never finishes. */
const BUSY = { steps: [{ do: 'write', path: 'log', text: 'x', append: true }] } as const;

describe('turns', () => {
  const looper = sharedLooper({ LOOPER_MAX_TURNS: '3', LOOPER_MAX_TURNS_PER_TICKET: '2' });

  test('a ticket has its cap (row 53)', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [{ ...BUSY, steps: [...BUSY.steps] }],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'limit_reached', summary: { turns: 2 } });
    expect(record.reason).toContain('TICKET-001');
  });

  test('the run has its cap', async () => {
    const names = ['TICKET-001', 'TICKET-002', 'TICKET-003', 'TICKET-004'];
    const work = workspace({
      tickets: Object.fromEntries(names.map((name) => [name, name])),
      turns: [{ steps: [{ do: 'ticket' }] }],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({
      outcome: 'limit_reached',
      summary: { turns: 3, tickets_left: 1, tickets_done: names.slice(0, 3).map((n) => `${n}.md`) },
    });
    const rest = await run(looper(), work);
    expect(rest).toMatchObject({ outcome: 'succeeded', summary: { turns: 1 } });
  });

  test('a finished ticket is committed on the last turn that it may have', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [{ steps: [...BUSY.steps] }, finishing('one.txt')],
    });
    expect((await run(looper(), work)).outcome).toBe('succeeded');
    expect(work.commits()).toEqual(['One']);
  });
});

describe('time and output', () => {
  const looper = sharedLooper({
    LOOPER_STALL_SECONDS: '1',
    LOOPER_TURN_TIMEOUT_SECONDS: '2',
    LOOPER_MAX_LOG_BYTES: '65536',
    LOOPER_KILL_GRACE_SECONDS: '1',
  });

  test.each([
    ['stalled', [{ do: 'hang' }], 'stalled', 'LOOPER_STALL_SECONDS'],
    ['too long', [{ do: 'lines', count: 100, everyMs: 100 }], 'timed_out', 'LOOPER_TURN_TIMEOUT'],
    ['too much', [{ do: 'flood', megabytes: 1 }, { do: 'hang' }], 'limit_reached', 'MAX_LOG_BYTES'],
  ] as const)('a turn that is %s ends the run; done work is committed first', async (...row) => {
    const [, steps, outcome, variable] = row;
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [{ steps: [{ do: 'write', path: 'x' }, { do: 'ticket' }, ...steps] }],
    });
    const record = await run(looper(), work);
    expect(record.outcome).toBe(outcome);
    expect(record.reason).toContain(variable);
    expect(record.summary).toMatchObject({ tickets_done: ['TICKET-001.md'], tickets_left: 1 });
    expect(work.commits()).toEqual(['One']);
  });
});

describe('the whole run', () => {
  const looper = sharedLooper({ LOOPER_RUN_TIMEOUT_SECONDS: '1', LOOPER_KILL_GRACE_SECONDS: '1' });

  test('its deadline ends it between two turns, and in the delay before a retry', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [{ steps: [{ do: 'fail', message: 'stream disconnected before completion' }] }],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'timed_out', summary: { turns: 1 } });
    expect(record.reason).toContain('LOOPER_RUN_TIMEOUT_SECONDS');
    expect(record.summary?.duration_seconds).toBeLessThanOrEqual(2);
  });
});
