/** What an agent's commands start and hide: nothing of it outlives its run, and nobody else dies. */
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  ALL_WAYS,
  LOST_AFTER_SHELL,
  LOST_AT_ONCE,
  ownCgroup,
  planEscapes,
  type Escapes,
} from '../support/escapes.ts';
import type { Scenario } from '../support/fake-codex.ts';
import { canFindProcesses, findProcesses } from '../support/find-processes.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { processesOf, startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const home = ownCgroup();
if (home === null) process.stderr.write('skipped: no cgroup v2 that can be written here\n');
/** A mount namespace in which no cgroup can be made, whatever the machine has. */
const hide = 'mount -t tmpfs x /sys/fs/cgroup && exec "$0" "$@"';
const withoutCgroups = ['unshare', '-Urm', 'bash', '-c', hide];
const canHide =
  process.platform === 'linux' &&
  spawnSync(withoutCgroups[0] ?? '', [...withoutCgroups.slice(1), 'true']).status === 0;
if (!canHide) process.stderr.write('skipped: hiding the cgroups needs unshare\n');

const lasting = (escapes: Escapes): Scenario => ({
  steps: [{ do: 'shell', command: escapes.lastingCommand }],
});
const passing = (escapes: Escapes): Scenario => ({
  steps: [
    { do: 'shell', command: escapes.command },
    { do: 'wait', path: 'go-on' },
  ],
});

/** A process of nobody's run, in our cgroup, which must outlive everything. */
function bystander(): number {
  const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: {} });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child.pid ?? 0;
}

async function startedEscaping(service: Service, escapes: Escapes): Promise<string> {
  const runId = await service.started();
  await waitFor('all to be out', () => escapes.living().length === ALL_WAYS.length);
  return runId;
}

const cgroupOf = (runId: string): string => join(home ?? '', `looper-${runId}`);

const PLACES = [
  ['in a cgroup', home !== null, undefined, [], []],
  ['without cgroups', canHide, withoutCgroups, LOST_AT_ONCE, LOST_AFTER_SHELL],
] as const;

describe.each(PLACES)('%s', (_, isPossible, within, lostAtOnce, lostAfterShell) => {
  const options = within === undefined ? {} : { within };

  test.runIf(isPossible)('a stop reaches what can be reached (row 21)', async () => {
    const escapes = planEscapes();
    const service = await startService({ ...options, scenario: lasting(escapes) });
    const innocent = bystander();
    const runId = await startedEscaping(service, escapes);
    const { body } = await service.looper.post(`/runs/${runId}/stop`);
    expect(escapes.living()).toEqual(lostAtOnce);
    expect(body['run']).toMatchObject({ outcome: 'stopped' });
    expect(looksAlive(innocent)).toBe(true);
    expect(existsSync(cgroupOf(runId))).toBe(false);
  });

  test.runIf(isPossible)('so does the trigger that replaces the run (row 21)', async () => {
    const escapes = planEscapes();
    const service = await startService({ ...options, scenario: lasting(escapes) });
    const innocent = bystander();
    const runId = await startedEscaping(service, escapes);
    const { body } = await service.run({ codex_prompt: '' });
    expect(escapes.living()).toEqual(lostAtOnce);
    expect(body).toMatchObject({ replaced_run_id: runId });
    expect(looksAlive(innocent)).toBe(true);
    expect(existsSync(cgroupOf(runId))).toBe(false);
  });

  test.runIf(isPossible)('and so does the end of a turn (row 21)', async () => {
    const escapes = planEscapes();
    const service = await startService({ ...options, scenario: passing(escapes) });
    const innocent = bystander();
    const runId = await startedEscaping(service, escapes);
    writeFileSync(join(service.workspace, 'go-on'), '');
    expect(await service.looper.ended(runId)).toMatchObject({ outcome: 'succeeded' });
    expect(escapes.living()).toEqual(lostAfterShell);
    expect(looksAlive(innocent)).toBe(true);
    expect(existsSync(cgroupOf(runId))).toBe(false);
  });
});

describe.runIf(home !== null)('the cgroup of a run', () => {
  test('holds the agent and what it started, and nothing of ours', async () => {
    const escapes = planEscapes();
    const service = await startService({ scenario: lasting(escapes) });
    const runId = await startedEscaping(service, escapes);
    const { runner, agent } = await service.looper.record(runId);
    const pids = readFileSync(join(cgroupOf(runId), 'cgroup.procs'), 'utf8')
      .split('\n')
      .map(Number);
    expect(pids).toEqual(expect.arrayContaining([agent?.pid ?? 0, ...escapes.pids()]));
    expect(pids).not.toContain(runner?.pid);
    expect(pids).not.toContain(service.looper.pid);
  });

  test('is what finds all of it after the runner was killed', async () => {
    const escapes = planEscapes();
    const service = await startService({ scenario: lasting(escapes) });
    const runId = await startedEscaping(service, escapes);
    const { runner } = await service.looper.record(runId);
    process.kill(runner?.pid ?? 0, 'SIGKILL');
    expect(await service.looper.ended(runId)).toMatchObject({ outcome: 'lost' });
    expect(escapes.living()).toEqual([]);
    expect(existsSync(cgroupOf(runId))).toBe(false);
  });

  test('and after runner and daemon were, by a daemon that lives in another', async () => {
    const escapes = planEscapes();
    const elsewhere = join(home ?? '', `test-${process.pid}`);
    // Registered first, done last: by then nobody lives there.
    onTestFinished(() => {
      spawnSync('rmdir', [elsewhere]);
    });
    const script = 'mkdir -p "$0" && echo 0 >"$0/cgroup.procs" && exec "$@"';
    const service = await startService({
      scenario: lasting(escapes),
      within: ['sh', '-c', script, elsewhere],
    });
    const runId = await startedEscaping(service, escapes);
    const cgroup = join(elsewhere, `looper-${runId}`);
    expect(existsSync(cgroup)).toBe(true);
    const { runner } = await service.looper.record(runId);
    await service.looper.kill();
    process.kill(runner?.pid ?? 0, 'SIGKILL');
    expect(escapes.living()).toEqual(ALL_WAYS);

    const another = await startService({ env: { LOOPER_LOG_DIR: service.looper.logDirectory } });
    expect(await another.looper.ended(runId)).toMatchObject({ outcome: 'lost' });
    expect(escapes.living()).toEqual([]);
    expect(existsSync(cgroup)).toBe(false);
  });

  test('goes with its run, and a runner without an order is in none', async () => {
    const service = await startService({ scenario: { steps: [{ do: 'sleep', ms: 1 }] } });
    const runs = [];
    for (let number = 0; number < 5; number += 1) {
      const runId = await service.started();
      await service.looper.ended(runId);
      runs.push(runId);
    }
    expect(runs.map(cgroupOf).filter(existsSync)).toEqual([]);
    for (const pid of processesOf(service.home)) {
      expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).not.toContain('looper-');
    }
  });
});

/** Forks into new sessions while it is being stopped; bare: known by nothing but its cgroup. */
const STORMS = [
  ['marked', 'setsid', true],
  ['bare', 'env -i setsid', home !== null],
] as const;

describe('a storm of forks', () => {
  test.runIf(canFindProcesses).each(STORMS)('%s: a stop reaches zero (row 22)', async (...row) => {
    const [, start, isPossible] = row;
    if (!isPossible) return;
    const word = `${randomInt(1_000_000, 9_000_000)}.5`;
    const left = (): number[] => findProcesses({ word });
    onTestFinished(() => {
      for (const pid of left()) process.kill(pid, 'SIGKILL');
    });
    const storm = `for n in {1..2000}; do (setsid sleep ${word} &); done`;
    const service = await startService({
      scenario: { steps: [{ do: 'shell', command: `(${start} bash -c '${storm}' &)\nsleep 600` }] },
    });
    const runId = await service.started();
    await waitFor('the storm', () => left().length > 5);
    const { body } = await service.looper.post(`/runs/${runId}/stop`);
    expect(left()).toEqual([]);
    expect(body['run']).toMatchObject({ outcome: 'stopped', summary: { warnings: [] } });
  });
});
