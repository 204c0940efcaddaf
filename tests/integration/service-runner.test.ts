/** The runner: its gate, its lock, its death, and what is made of what it left. */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import { acquireLock } from '../../src/runs/lock.ts';
import { readChildPids, type Scenario } from '../support/fake-codex.ts';
import { looperEnvironment } from '../support/looper.ts';
import { identityOf, looksAlive } from '../support/scripted-agent.ts';
import {
  childrenOf,
  processesOf,
  untilLeft,
  readRecords,
  readRunEvents,
  runFile,
  runIdOf,
  startService,
  type Service,
} from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const hanging: Scenario = { steps: [{ do: 'spawn', kind: 'setsid' }, { do: 'hang' }] };

async function settledRecord(service: Service, runId: string): Promise<RunRecord> {
  const record = await service.looper.ended(runId);
  // As it lies on disk, too.
  const path = runFile(service.looper.logDirectory, runId, '.json');
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
    status: 'finished',
    outcome: record.outcome,
  });
  return record;
}

test('a second serve on the same log directory exits 3 and names the holder (row 60)', async () => {
  const service = await startService();
  const second = spawnSync(process.execPath, [cli, 'serve'], {
    env: looperEnvironment({ home: service.home }),
    encoding: 'utf8',
  });
  expect(second.status).toBe(3);
  expect(second.stderr).toContain(`pid ${service.looper.pid}`);
  expect(second.stderr).toContain(service.looper.logDirectory);
  expect(second.stdout).toBe('');
  expect((await service.looper.get('/health')).status).toBe(200);
});

test('a standby does nothing until its order, and goes with its daemon', async () => {
  const service = await startService();
  const [standby] = await waitFor('the standby', () => {
    const children = childrenOf(service.looper.pid);
    return children.length === 1 ? children : null;
  });
  const before = readdirSync(service.looper.logDirectory).toSorted();
  await service.looper.kill();
  await waitFor('the standby to end', () => !looksAlive(standby ?? 0));
  expect(readdirSync(service.looper.logDirectory).toSorted()).toEqual(before);
  const stderr = join(service.looper.logDirectory, 'server/runner-stderr.log');
  expect(readFileSync(stderr, 'utf8')).toBe('');
});

test('a standby that was killed unnoticed costs no launch; without one it works too', async () => {
  const service = await startService();
  const [standby] = await waitFor('the standby', () => {
    const children = childrenOf(service.looper.pid);
    return children.length === 1 ? children : null;
  });
  process.kill(standby ?? 0, 'SIGKILL');
  const first = await service.started();
  expect(await service.looper.ended(first)).toMatchObject({ outcome: 'succeeded' });

  await service.looper.stop();
  await service.restarted({ LOOPER_STANDBY_RUNNER: '0' });
  const second = await service.started();
  expect(await service.looper.ended(second)).toMatchObject({ outcome: 'succeeded' });
  await waitFor('no runner to wait', () => childrenOf(service.looper.pid).length === 0);
});

test('a runner that dies at its gate is replaced by another (row 32)', async () => {
  const service = await startService();
  const answer = service.run({ codex_exec_delay_seconds: 0.5 });
  await waitFor('the launch', () => readRecords(service.looper.logDirectory).length === 1);
  for (const pid of childrenOf(service.looper.pid)) process.kill(pid, 'SIGKILL');
  const record = await service.looper.ended(runIdOf(await answer));
  expect(record).toMatchObject({ outcome: 'succeeded' });
  expect(service.calls()).toHaveLength(1);
});

test('a run lock that somebody else holds is named, and the run is closed', async () => {
  const service = await startService();
  const { logDirectory } = service.looper;
  const lock = await acquireLock({ directory: logDirectory, lock: 'run', holder: 'the test' });
  if (lock.kind === 'refused') throw new Error(`held by ${lock.holder}`);
  const { status, body } = await service.run();
  await lock.release();
  expect(status).toBe(500);
  expect(body['error']).toContain('run lock of the log directory is held by the test');
  expect(readRecords(logDirectory)).toMatchObject([
    { status: 'finished', outcome: 'spawn_failed', reason: body['error'] },
  ]);
  await waitFor('the standby only', () => childrenOf(service.looper.pid).length === 1);
  expect(service.calls()).toEqual([]);
  expect((await service.run()).status).toBe(200);
});

test('a killed runner is a lost run whose agent is swept, and the next trigger works (row 34)', async () => {
  const service = await startService({ scenario: hanging });
  const runId = await service.started();
  const [escaped] = await waitFor('the escaped child', () => {
    const pids = readChildPids(service.scenarioPath);
    return pids.length > 0 ? pids : null;
  });
  const { runner, agent } = await service.looper.record(runId);
  process.kill(runner?.pid ?? 0, 'SIGKILL');
  const record = await settledRecord(service, runId);
  expect(record).toMatchObject({ outcome: 'lost', reason: 'Its runner was killed.' });
  expect([agent?.pid ?? 0, escaped ?? 0].filter(looksAlive)).toEqual([]);
  expect(service.looper.log(runId)).toMatch(/\n# looper_outcome=lost\n$/);
  const ends = readRunEvents(service.looper.logDirectory, runId).filter(
    ({ type }) => type === 'end',
  );
  expect(ends).toHaveLength(1);
  expect(await service.started()).not.toBe(runId);
});

test('runner and daemon killed: the next daemon sweeps, and records the loss (row 34)', async () => {
  const service = await startService({ scenario: hanging });
  const runId = await service.started();
  await waitFor('the escaped child', () => readChildPids(service.scenarioPath).length > 0);
  const { runner } = await service.looper.record(runId);
  await service.looper.kill();
  process.kill(runner?.pid ?? 0, 'SIGKILL');
  expect(processesOf(service.home).length).toBeGreaterThanOrEqual(2);

  await service.restarted();
  expect(await settledRecord(service, runId)).toMatchObject({ outcome: 'lost' });
  // The daemon and its standby.
  await untilLeft(service.home, 2);
});

test('a paused runner is killed after grace + 5 s, and the end has the reason of the stop', async () => {
  const service = await startService({
    scenario: hanging,
    env: { LOOPER_KILL_GRACE_SECONDS: '0.2' },
  });
  const runId = await service.started();
  await waitFor('the escaped child', () => readChildPids(service.scenarioPath).length > 0);
  const { runner, agent } = await service.looper.record(runId);
  process.kill(runner?.pid ?? 0, 'SIGSTOP');
  const begin = performance.now();
  const { status, body } = await service.looper.post(`/runs/${runId}/stop`);
  expect(performance.now() - begin).toBeGreaterThan(5_000);
  expect(status).toBe(200);
  expect(body['run']).toMatchObject({ status: 'finished', outcome: 'stopped' });
  expect(service.looper.log(runId)).toMatch(/\n# looper_outcome=stopped\n$/);
  const pids = [runner?.pid ?? 0, agent?.pid ?? 0, ...readChildPids(service.scenarioPath)];
  expect(pids.filter(looksAlive)).toEqual([]);
});

test('records of another boot and of runs that never started are closed as lost (rows 31, 39)', async () => {
  const service = await startService({ scenario: hanging });
  const started = await service.started();
  const { looper } = service;
  const running = await looper.record(started);
  await looper.kill();
  for (const pid of processesOf(service.home)) process.kill(pid, 'SIGKILL');

  // A machine that was restarted: the pids mean somebody else now, who must not be signalled.
  // As alike as can be: the same pid, started at the same tick of its boot.
  const innocent = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  onTestFinished(() => void innocent.kill('SIGKILL'));
  const { pid, start_time } = identityOf(innocent.pid);
  const another = '11111111-2222-3333-4444-555555555555';
  const record = { pid, start_time: start_time.replace(/^[^:]*/, another) };
  const path = runFile(looper.logDirectory, started, '.json');
  writeFileSync(path, JSON.stringify({ ...running, runner: record, agent: record }));

  // A daemon that died between the record and the order.
  const never: RunRecord = {
    ...running,
    run_id: '0badcafe',
    status: 'starting',
    started_at: null,
    agent: null,
    turns: [],
    log_path: path.replace(started, '0badcafe').replace(/json$/, 'log'),
  };
  writeFileSync(path.replace(started, '0badcafe'), JSON.stringify(never));

  await service.restarted();
  expect(await settledRecord(service, started)).toMatchObject({
    outcome: 'lost',
    reason: 'The machine was restarted while it ran.',
  });
  expect(looksAlive(pid)).toBe(true);
  expect(await settledRecord(service, '0badcafe')).toMatchObject({
    outcome: 'lost',
    reason: expect.stringContaining('never started'),
  });
  expect(statSync(looper.logDirectory).mode & 0o777).toBe(0o700);
});
