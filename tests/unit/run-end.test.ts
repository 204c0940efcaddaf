import { expect, test } from 'vitest';
import type { TurnContext } from '../../src/runner/execute-turn.ts';
import { summarise } from '../../src/runner/run-end.ts';
import { CREATED, endedRun } from '../support/runs.ts';

test('a run lasts as long as it lasts, also when somebody sets the clock (row 54)', () => {
  // By the calendar it began long ago.
  const writer = { record: endedRun('0badcafe', { started_at: CREATED }) };
  const context = { writer, runStart: performance.now() - 60_000 } as unknown as TurnContext;
  expect(summarise(context, {}).duration_seconds).toBe(60);
});
