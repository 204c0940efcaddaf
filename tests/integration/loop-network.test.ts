import { expect, test } from 'vitest';
import { retryMs } from '../../src/runner/loop.ts';
import type { TurnScenario } from '../support/fake-codex.ts';
import {
  eventsOf,
  finishing,
  resumed,
  run,
  sharedLooper,
  workspace,
} from '../support/ticket-runs.ts';

const looper = sharedLooper();

const HIGH_DEMAND: TurnScenario = {
  threadId: 'thread-n',
  steps: [
    { do: 'write', path: 'before-the-error.txt', text: 'x' },
    { do: 'fail', message: 'We’re currently experiencing high demand.' },
  ],
};

test('a network error heals on the third try; what was tried counts as no turn', async () => {
  const work = workspace({
    tickets: { 'TICKET-001': 'One' },
    turns: [HIGH_DEMAND, HIGH_DEMAND, finishing('one.txt')],
  });
  const record = await run(looper(), work);

  expect(record.outcome).toBe('succeeded');
  expect(record.turns.map(({ outcome }) => outcome)).toEqual([
    'network_error',
    'network_error',
    'finished',
  ]);
  const pauses = record.turns.slice(1).map((turn, index) => {
    const { finished_at } = record.turns[index]!;
    return Date.parse(turn.started_at) - Date.parse(finished_at ?? '');
  });
  expect(pauses[0]).toBeGreaterThanOrEqual(1_600);
  expect(pauses[1]).toBeGreaterThanOrEqual(3_200);
  const [, second, third] = work.calls();
  expect([resumed(second!), resumed(third!)]).toEqual(['thread-n', 'thread-n']);
  expect(third?.prompt).toContain('turn 1 of at most 10');
  expect(eventsOf(record, 'warning')[0]?.['message']).toMatch(/The next try begins in [23] s/);
  // The baseline is that of the first try.
  expect(work.filesOf(0)).toEqual(['before-the-error.txt', 'one.txt']);
});

test('the delays grow from 2 s to 5 min, a fifth up or down', () => {
  const middle = [1, 2, 3, 7, 8, 9, 60].map((attempt) => retryMs(attempt, () => 0.5) / 1000);
  expect(middle).toEqual([2, 4, 8, 128, 256, 300, 300]);
  expect(retryMs(1, () => 0)).toBe(1_600);
  expect(retryMs(1, () => 1)).toBeCloseTo(2_400);
});
