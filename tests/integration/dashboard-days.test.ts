import { expect, test } from 'vitest';
import { createDays } from '../../src/dashboard/days.ts';
import type { Outcome } from '../../src/runs/record.ts';
import { createTestStore, endedRun, layDown } from '../support/runs.ts';
import { tempDir } from '../support/temp-dir.ts';

const NOON = new Date(2026, 2, 15, 12).getTime();
const DAY_MS = 86_400_000;

function layDownRuns(directory: string, runs: readonly (readonly [number, Outcome])[]): void {
  for (const [number, [daysAgo, outcome]] of runs.entries()) {
    const created_at = new Date(NOON - daysAgo * DAY_MS - number * 1000).toISOString();
    layDown(directory, endedRun(`0000${1000 + number}`, { created_at, outcome }));
  }
}

test('counts the runs of fourteen days by how they ended', () => {
  const directory = tempDir();
  layDownRuns(directory, [
    [0, 'succeeded'],
    [0, 'lost'],
    [0, 'succeeded'],
    [3, 'waiting'],
    [13, 'stopped'],
    [20, 'failed'],
  ]);
  const days = createDays(createTestStore(directory))(NOON);
  expect(days).toHaveLength(14);
  const none = { good: 0, open: 0, bad: 0, calm: 0, busy: 0 };
  expect(days.at(-1)).toEqual({ date: '2026-03-15', runs: { ...none, good: 2, bad: 1 } });
  expect(days.at(-4)).toEqual({ date: '2026-03-12', runs: { ...none, open: 1 } });
  expect(days[0]).toEqual({ date: '2026-03-02', runs: { ...none, calm: 1 } });
  expect(days[1]?.runs).toEqual(none);
});

test('a day that could not be read in full is left out, not shown as quiet', () => {
  const directory = tempDir();
  const many = Array.from({ length: 120 }, (_, i): [number, Outcome] => [
    Math.floor(i / 40),
    'succeeded',
  ]);
  layDownRuns(directory, many);
  const days = createDays(createTestStore(directory), 100)(NOON);
  expect(days.map(({ date, runs }) => [date, runs.good])).toEqual([
    ['2026-03-14', 40],
    ['2026-03-15', 40],
  ]);
});
