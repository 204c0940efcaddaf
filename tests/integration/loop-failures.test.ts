import { describe, expect, test } from 'vitest';
import type { TurnScenario } from '../support/fake-codex.ts';
import {
  endEvent,
  finishing,
  resumed,
  run,
  sharedLooper,
  ticketText,
  workspace,
} from '../support/ticket-runs.ts';

const looper = sharedLooper();

const failing = (message: string, more: Partial<TurnScenario> = {}): TurnScenario => ({
  steps: [{ do: 'fail', message }],
  ...more,
});
const LIMIT = 'You’ve hit your usage limit. Upgrade, or try again in 2 hours.';
const OVERFLOW = 'Codex ran out of room in the model’s context window.';
const LOST: TurnScenario = {
  session: false,
  steps: [{ do: 'err', text: 'Error: no rollout found for thread id thread-a\n' }],
  exitCode: 1,
};

describe('usage limits', () => {
  test('the run ends with the time of the reset, a minute late rather than early', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [failing(LIMIT)],
    });
    const before = Date.now();
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'usage_limited', summary: { tickets_left: 2 } });
    expect(record.turns.map(({ outcome }) => outcome)).toEqual(['usage_limited']);
    const late = Date.parse(record.resets_at ?? '') - before - 2 * 3_600_000;
    expect(late).toBeGreaterThanOrEqual(60_000);
    expect(late).toBeLessThan(80_000);
    expect(await endEvent(record)).toMatchObject({ resets_at: record.resets_at });
  });

  test('without a reset there is none', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [failing('Quota exceeded. Check your plan and billing details.')],
    });
    expect(await run(looper(), work)).toMatchObject({ outcome: 'usage_limited', resets_at: null });
  });

  test('a ticket that was done before the limit is committed, and the limit still ends the run', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [
        {
          steps: [
            { do: 'write', path: 'one.txt', text: '1' },
            { do: 'ticket' },
            { do: 'fail', message: LIMIT },
          ],
        },
      ],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({
      outcome: 'usage_limited',
      summary: { tickets_done: ['TICKET-001.md'], tickets_left: 1 },
    });
    expect(record.resets_at).not.toBeNull();
    expect(work.commits()).toEqual(['One']);
    expect(work.calls()).toHaveLength(1);
  });
});

describe('failures that end the run', () => {
  test.each([
    ['refused credentials', 'unexpected status 401 Unauthorized: no', 'failed', 'auth_error'],
    ['an error of another kind', 'something odd', 'failed', 'failed'],
  ])('%s, at once', async (_what, message, outcome, turnOutcome) => {
    const work = workspace({ tickets: { 'TICKET-001': 'One' }, turns: [failing(message)] });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome, reason: message });
    expect(record.turns.map((turn) => turn.outcome)).toEqual([turnOutcome]);
  });

  test('a sandbox that cannot be set up waits for a person and says what to do', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [{ steps: [{ do: 'sandbox' }] }],
    });
    const record = await run(looper(), work);
    expect(record.outcome).toBe('waiting');
    expect(record.question?.title).toContain('LOOPER_CODEX_SANDBOX');
    expect(record.turns[0]?.outcome).toBe('sandbox_unusable');
  });

  test('an agent that is killed (row 35)', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [{ steps: [{ do: 'kill', signal: 'SIGKILL' }] }],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'failed', reason: 'codex was ended by SIGKILL' });
    expect(record.turns).toMatchObject([{ exit_code: null, signal: 'SIGKILL' }]);
    expect(looper().log(record.run_id)).toMatch(/# codex_exec_return_code=-9\n$/);
  });
});

describe('threads that cannot be gone on with', () => {
  test('a full context begins a fresh thread once, with the last message', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': ticketText({ title: 'Big' }, 'A body.') },
      turns: [
        { threadId: 'thread-a', message: 'half of it', steps: [{ do: 'write', path: 'x' }] },
        failing(OVERFLOW),
        finishing('y', { threadId: 'thread-b' }),
      ],
    });
    const record = await run(looper(), work);
    expect(record.outcome).toBe('succeeded');
    expect(record.turns.map(({ outcome, thread_id }) => [outcome, thread_id])).toEqual([
      ['unfinished', 'thread-a'],
      ['context_overflow', 'thread-a'],
      ['finished', 'thread-b'],
    ]);
    const third = work.calls()[2]!;
    expect(resumed(third)).toBeNull();
    expect(third.prompt).toContain('Earlier turns worked on this ticket');
    expect(third.prompt).toContain('half of it');
    expect(third.prompt).toContain('A body.');
  });

  test('a context that is full again ends the run', async () => {
    const work = workspace({ tickets: { 'TICKET-001': 'Big' }, turns: [failing(OVERFLOW)] });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'failed', summary: { turns: 2 } });
  });

  test('a thread that codex has lost is replaced by a fresh one, also over a new run', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [
        { threadId: 'thread-a', message: 'half of it', steps: [{ do: 'write', path: 'x' }] },
        failing('unexpected status 401 Unauthorized'),
        LOST,
        finishing('y'),
      ],
    });
    expect((await run(looper(), work)).outcome).toBe('failed');
    const record = await run(looper(), work);
    expect(record.turns.map(({ outcome }) => outcome)).toEqual(['resume_failed', 'finished']);
    const [, , third, fourth] = work.calls();
    expect(resumed(third!)).toBe('thread-a');
    expect(resumed(fourth!)).toBeNull();
    expect(fourth?.prompt).toContain('half of it');
    expect(work.filesOf(0)).toEqual(['x', 'y']);
  });

  test('a thread id that no command line can name is not resumed', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [
        { threadId: '--help me', message: 'so far', steps: [{ do: 'write', path: 'x' }] },
        finishing('y'),
      ],
    });
    const record = await run(looper(), work);
    expect(record.outcome).toBe('succeeded');
    expect(resumed(work.calls()[1]!)).toBeNull();
    expect(record.summary?.warnings.join()).toContain('no command line can name');
  });

  test('an agent that goes on in another thread than it was asked to is noticed', async () => {
    const started = { type: 'thread.started', thread_id: 'thread-c' };
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [
        { threadId: 'thread-a', steps: [{ do: 'write', path: 'x' }] },
        {
          session: false,
          steps: [
            { do: 'event', event: started },
            { do: 'event', event: { type: 'turn.started' } },
            { do: 'ticket' },
            { do: 'event', event: { type: 'turn.completed', usage: {} } },
          ],
        },
      ],
    });
    const record = await run(looper(), work);
    expect(record.turns[1]).toMatchObject({ thread_id: 'thread-c', outcome: 'finished' });
    expect(record.summary?.warnings).toEqual([
      'Codex went on in the thread thread-c when asked to resume thread-a.',
    ]);
  });
});
