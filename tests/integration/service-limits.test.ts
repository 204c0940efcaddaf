/** Limits of turns and runs: each ends the agent, names itself, and is the run's outcome. */
import { expect, test } from 'vitest';
import type { Scenario } from '../support/fake-codex.ts';
import { untilLeft, startService } from '../support/service.ts';

const chatty: Scenario = { steps: [{ do: 'lines', count: 10_000, everyMs: 20 }] };
const silent: Scenario = { steps: [{ do: 'say', text: 'Hm.' }, { do: 'hang' }] };
const flooding: Scenario = { steps: [{ do: 'flood', megabytes: 3 }, { do: 'hang' }] };

test.each<[string, Scenario, Record<string, string>, string, string]>([
  ['turn time', chatty, { LOOPER_TURN_TIMEOUT_SECONDS: '0.5' }, 'timed_out', 'timed_out'],
  ['run time', chatty, { LOOPER_RUN_TIMEOUT_SECONDS: '0.5' }, 'timed_out', 'timed_out'],
  ['silence (row 25)', silent, { LOOPER_STALL_SECONDS: '0.6' }, 'stalled', 'stalled'],
  ['log size', flooding, { LOOPER_MAX_LOG_BYTES: '2000000' }, 'limit_reached', 'log_limit'],
])('%s', async (_, scenario, env, outcome, turnOutcome) => {
  const service = await startService({ scenario, env });
  const runId = await service.started();
  const record = await service.looper.ended(runId);
  expect(record).toMatchObject({ outcome, turns: [{ outcome: turnOutcome, exit_code: 1 }] });
  expect(record.reason).toContain(Object.keys(env)[0]);
  expect(service.looper.log(runId)).toMatch(/\n# codex_exec_return_code=1\n$/);
  // The daemon and its standby.
  await untilLeft(service.home, 2);
});

test('an agent that talks is not silent', async () => {
  const service = await startService({
    scenario: { steps: [{ do: 'lines', count: 12, everyMs: 100 }] },
    env: { LOOPER_STALL_SECONDS: '0.9' },
  });
  const record = await service.looper.ended(await service.started());
  expect(record).toMatchObject({ outcome: 'succeeded' });
});
