/** How a caller may ask: answered at once, once only, or from inside the run that it works in. */
import { expect, test } from 'vitest';
import type { Scenario } from '../support/fake-codex.ts';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const hanging: Scenario = { steps: [{ do: 'hang' }] };
const body = (workspace: string) => ({ zulip_message: 'Go', codex_prompt: 'Do it', workspace });

test('Prefer: respond-async is answered at once, with the address of a run that exists', async () => {
  const { looper, workspace } = await startService();
  const answer = await looper.post('/run', body(workspace), { Prefer: 'respond-async' });
  expect(answer.status).toBe(202);
  const id = String(answer.body['run_id']);
  expect(answer.headers.get('location')).toBe(`/runs/${id}`);
  expect((await looper.get(`/runs/${id}`)).status).toBe(200);
  expect(await looper.ended(id)).toMatchObject({ outcome: 'succeeded' });
});

test('an Idempotency-Key replays the first answer, also after a restart', async () => {
  const service = await startService();
  const { looper, workspace } = service;
  const key = { 'Idempotency-Key': 'job-1' };
  const first = await looper.post('/run', body(workspace), key);
  expect(first.status).toBe(200);
  await looper.ended(String(first.body['run_id']));
  const again = await looper.post('/run', body(workspace), key);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  const other = await looper.post('/run', { ...body(workspace), codex_prompt: 'Else' }, key);
  expect(other.status).toBe(422);

  await looper.stop();
  const later = await service.restarted();
  expect((await later.post('/run', body(workspace), key)).body).toEqual(first.body);
  expect((await later.get('/runs')).body['runs']).toHaveLength(1);
});

test('a caller inside the active run is not killed: its trigger waits behind that run', async () => {
  const { looper, workspace } = await startService({ scenario: hanging });
  const active = await looper.post('/run', body(workspace));
  const id = String(active.body['run_id']);
  const inside = await looper.post('/run', body(workspace), { 'X-Looper-Run-Id': id });
  expect(inside).toMatchObject({
    status: 200,
    body: { codex_exec_started: false, warnings: [`queued behind run ${id}`] },
  });
  const queued = String(inside.body['run_id']);
  expect(await looper.record(queued)).toMatchObject({ status: 'queued' });
  expect(await looper.record(id)).toMatchObject({ status: 'running' });

  await looper.post(`/runs/${id}/stop`);
  await waitFor('its turn', async () => (await looper.record(queued)).status === 'running');
  await looper.post(`/runs/${queued}/stop`);
});
