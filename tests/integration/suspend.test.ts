/** Everything sleeps for longer than any limit, and wakes up as if nothing had been (row 55). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { processesOf, readRunEvents, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const LIMIT_SECONDS = 4;
const ASLEEP_MS = 4_500;

test('a run that slept with daemon and runner is neither stalled nor out of time (row 55)', async () => {
  const service = await startService({
    scenario: { steps: [{ do: 'wait', path: 'let-go' }] },
    env: {
      LOOPER_STALL_SECONDS: String(LIMIT_SECONDS),
      LOOPER_TURN_TIMEOUT_SECONDS: String(LIMIT_SECONDS),
    },
  });
  const runId = await service.started();
  await waitFor('the agent', () => service.calls().length === 1);
  const all = processesOf(service.home);
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  await delay(ASLEEP_MS);
  writeFileSync(join(service.workspace, 'let-go'), '');
  for (const pid of all) process.kill(pid, 'SIGCONT');
  const { outcome, turns } = await service.looper.ended(runId);
  expect([outcome, turns.length]).toEqual(['succeeded', 1]);
  const ends = () =>
    readRunEvents(service.looper.logDirectory, runId).filter(({ type }) => type === 'end');
  // The end stands before its event does, and whoever asks sees it at once.
  await waitFor('the final event', () => ends().length > 0);
  expect(ends()).toHaveLength(1);
});

test('what hangs after a sleep is still noticed (row 55)', async () => {
  const service = await startService({
    scenario: { steps: [{ do: 'hang' }] },
    env: { LOOPER_STALL_SECONDS: '1', LOOPER_KILL_GRACE_SECONDS: '0.2' },
  });
  const runId = await service.started();
  await waitFor('the agent', () => service.calls().length === 1);
  const all = processesOf(service.home);
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  await delay(2_500);
  for (const pid of all) process.kill(pid, 'SIGCONT');
  expect(await service.looper.ended(runId)).toMatchObject({ outcome: 'stalled' });
});
