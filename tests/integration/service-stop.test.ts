/** Stopping a run: who may say why, what is left (nothing), what is on disk before the signal. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { bareEnd, writeEnd } from '../../src/runs/end-file.ts';
import { readChildPids, type Scenario } from '../support/fake-codex.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { untilLeft, readRunEvents, runFile, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const hanging: Scenario = { steps: [{ do: 'hang' }] };

/** Deaf to all but SIGKILL, with children of every kind that leave group and session. */
const stubborn: Scenario = {
  steps: [
    { do: 'stubborn' },
    { do: 'spawn', kind: 'plain', stubborn: true },
    { do: 'spawn', kind: 'tool', stubborn: true },
    { do: 'spawn', kind: 'setsid', hold: true },
    { do: 'spawn', kind: 'double' },
    { do: 'spawn', kind: 'daemon', hold: true, stubborn: true },
    { do: 'hang' },
  ],
};

test('a stubborn agent and all that it started are gone when the stop is answered (rows 20, 21)', async () => {
  const service = await startService({
    scenario: stubborn,
    env: { LOOPER_KILL_GRACE_SECONDS: '0.3' },
  });
  const { looper } = service;
  const runId = await service.started();
  await waitFor('its children', () => readChildPids(service.scenarioPath).length === 5);
  const { runner, agent } = await looper.record(runId);
  const pids = [runner?.pid ?? 0, agent?.pid ?? 0, ...readChildPids(service.scenarioPath)];
  expect(pids.filter(looksAlive)).toEqual(pids);

  const { status, body } = await looper.post(`/runs/${runId}/stop`);
  expect(pids.filter(looksAlive)).toEqual([]);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    ok: true,
    run: { run_id: runId, status: 'finished', outcome: 'stopped', reason: 'A person stopped it.' },
  });
  const { turns } = await looper.record(runId);
  expect(turns).toMatchObject([{ exit_code: null, signal: 'SIGKILL', outcome: 'stopped' }]);
  expect(looper.log(runId)).toMatch(/\n# codex_exec_return_code=-9\n$/);
  expect(readRunEvents(looper.logDirectory, runId)).toContainEqual(
    expect.objectContaining({ type: 'stopping', reason: 'stopped' }),
  );
});

test('what an agent leaves behind when it ends by itself is gone too (rows 21, 23)', async () => {
  const service = await startService({
    scenario: {
      steps: [
        { do: 'spawn', kind: 'daemon', hold: true, stubborn: true },
        { do: 'spawn', kind: 'setsid', stubborn: true },
      ],
    },
  });
  const runId = await service.started();
  expect(await service.looper.ended(runId)).toMatchObject({ outcome: 'succeeded' });
  expect(readChildPids(service.scenarioPath).filter(looksAlive)).toEqual([]);
});

test('of several reasons the first one stands', async () => {
  const service = await startService({ scenario: hanging });
  const { looper } = service;
  const runId = await service.started();
  const stop = runFile(looper.logDirectory, runId, '.end').replace(/end$/, 'stop');
  writeFileSync(stop, 'stopped\n', { flag: 'wx' });
  const { agent } = await looper.record(runId);
  const { body } = await service.run();
  expect(body).toMatchObject({ replaced_run_id: null, killed_codex_exec_pids: [agent?.pid] });
  expect(await looper.record(runId)).toMatchObject({ outcome: 'stopped' });
  expect(readFileSync(stop, 'utf8')).toBe('stopped\n');
});

test('a run that ended by itself while it was to be replaced is not called replaced', async () => {
  const service = await startService({ scenario: hanging });
  const { looper } = service;
  const runId = await service.started();
  const { runner } = await looper.record(runId);
  // It has written its end, and dies before its record is there.
  process.kill(runner?.pid ?? 0, 'SIGSTOP');
  const end = runFile(looper.logDirectory, runId, '.end');
  writeEnd(end, { ...bareEnd('succeeded', 'Done.'), return_code: 0 });
  const answer = service.run();
  await waitFor('the stop', () => existsSync(end.replace(/end$/, 'stop')));
  process.kill(runner?.pid ?? 0, 'SIGKILL');
  expect((await answer).body).toMatchObject({ replaced_run_id: null, killed_codex_exec_pids: [] });
  expect(await looper.record(runId)).toMatchObject({ outcome: 'succeeded' });
});

test('two stops at once are one stop (row 62)', async () => {
  const service = await startService({ scenario: hanging });
  const { looper } = service;
  const runId = await service.started();
  const answers = await Promise.all([
    looper.post(`/runs/${runId}/stop`),
    looper.post('/runs/current/stop'),
    looper.post(`/runs/${runId}/stop`),
  ]);
  for (const { status, body } of answers) {
    expect(status).toBe(200);
    expect(body).toMatchObject({ run: { run_id: runId, outcome: 'stopped' } });
  }
  const ends = readRunEvents(looper.logDirectory, runId).filter(({ type }) => type === 'end');
  expect(ends).toHaveLength(1);
  const again = await looper.post(`/runs/${runId}/stop`);
  expect(again.status).toBe(409);
  expect(again.body['error']).toBe(`run ${runId} is not active (stopped)`);
  expect((await looper.post('/runs/current/stop')).status).toBe(404);
});

test('SIGTERM to a runner without a reason on disk is a shutdown', async () => {
  const service = await startService({ scenario: hanging });
  const runId = await service.started();
  const { runner } = await service.looper.record(runId);
  process.kill(runner?.pid ?? 0, 'SIGTERM');
  expect(await service.looper.ended(runId)).toMatchObject({ outcome: 'shutdown' });
  // The daemon and its standby.
  await untilLeft(service.home, 2);
});

test('a launch that still waits is called off: its caller learns why, nothing is left (row 62)', async () => {
  const service = await startService({ scenario: hanging });
  const { looper } = service;
  const answer = service.run({ codex_exec_delay_seconds: 3000 });
  const { run_id: runId } = await waitFor('the run', async () => {
    const { body } = await looper.get('/runs/latest');
    return body['run'] as { run_id: string } | undefined;
  });
  const stopped = await looper.post(`/runs/${runId}/stop`);
  expect(stopped).toMatchObject({
    status: 200,
    body: { run: { run_id: runId, status: 'finished', outcome: 'stopped', agent: null } },
  });
  const { status, body } = await answer;
  expect(status).toBe(409);
  expect(body['error']).toBe(`run ${runId} was stopped before its agent was started`);
  // The daemon and its standby.
  await untilLeft(service.home, 2);
  expect(service.calls()).toEqual([]);
});

test('a run in its startup check is stopped like any other', async () => {
  const service = await startService({ scenario: hanging });
  const answer = service.run({ codex_exec_startup_check_seconds: 3000 });
  await waitFor('the agent', () => service.calls().length === 1);
  const { body } = await service.looper.post('/runs/latest/stop');
  expect(body).toMatchObject({ run: { status: 'finished', outcome: 'stopped' } });
  // Its agent exited with 1 within the check, whoever asked it to.
  expect(await answer).toMatchObject({
    status: 500,
    body: { error: expect.stringContaining('rc=1') },
  });
});
