/** What a daemon makes of the records that it finds when it starts. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import { findProcesses } from '../support/find-processes.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { processesOf, runFile, startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const hanging = { steps: [{ do: 'hang' as const }] };

test('a live run is adopted and stopped by a daemon of another time zone and language (row 57)', async () => {
  const service = await startService({
    scenario: hanging,
    env: { TZ: 'Pacific/Auckland', LC_ALL: 'de_DE.UTF-8' },
  });
  const runId = await service.started();
  const { runner, agent } = await service.looper.record(runId);
  await service.looper.kill();

  const looper = await service.restarted({ TZ: 'America/St_Johns', LC_ALL: 'tr_TR.UTF-8' });
  expect((await looper.get('/runs/current')).body).toMatchObject({
    run: { run_id: runId, status: 'running', outcome: null, runner, agent },
  });
  expect((await looper.post(`/runs/${runId}/stop`)).status).toBe(200);
  expect(await looper.record(runId)).toMatchObject({ outcome: 'stopped' });
  expect([runner?.pid ?? 0, agent?.pid ?? 0].filter(looksAlive)).toEqual([]);
});

/** Here a signal to the wrong pid, or to every pid, reaches nobody who matters. */
const namespace = ['unshare', '-Urpf', '--mount-proc', '--kill-child'];
const canUnshare = spawnSync(namespace[0] ?? '', [...namespace.slice(1), 'true']).status === 0;
if (!canUnshare) {
  process.stderr.write('skipped: records with the pid of somebody else need unshare\n');
}

/** A record of a run that goes on, as the daemon before left it, with this for runner and agent. */
function writeUnfinished(record: RunRecord, path: string, pid: unknown, n: number): string {
  const runId = `0badcaf${n}`;
  const { start_time: startTime } = record.runner ?? { start_time: '' };
  const identity = { pid, start_time: startTime };
  const of = (text: string): string => text.replaceAll(record.run_id, runId);
  const unfinished = {
    ...record,
    run_id: runId,
    status: 'running',
    outcome: null,
    finished_at: null,
    log_path: of(record.log_path),
    runner: identity,
    agent: identity,
  };
  writeFileSync(of(path), JSON.stringify(unfinished));
  return runId;
}

/** Starts an innocent process beside the daemon and notes its pid, as seen from inside. */
const SHELL = 'sleep 600 & echo "$!" > "$HOME/neighbour"; "$@"; exit';
const withNeighbour = [...namespace, 'bash', '-c', SHELL, 'bash'];

const neighbours = ({ home }: Service): number[] => {
  const ofHome = new Set(processesOf(home));
  return findProcesses({ word: 'sleep' }).filter((pid) => ofHome.has(pid));
};

test.runIf(canUnshare)(
  'a record with a pid that is none, or somebody else’s by now, gets nobody signalled (rows 64, 65)',
  async () => {
    const service = await startService({ within: withNeighbour });
    const done = await service.looper.ended(await service.started());
    await service.looper.kill();
    await waitFor('its neighbour to end too', () => processesOf(service.home).length === 0);

    const path = runFile(service.looper.logDirectory, done.run_id, '.json');
    // In a namespace of its own each daemon is given the same few pids again.
    const reused = Number(readFileSync(join(service.home, 'neighbour'), 'utf8'));
    const readable = [1, reused].map((pid, n) => writeUnfinished(done, path, pid, n));
    const garbled = ['', 0, -1, '1abc', null, 1.5, 2 ** 60].map((pid, n) =>
      writeUnfinished(done, path, pid, n + readable.length),
    );

    const looper = await service.restarted();
    expect(Number(readFileSync(join(service.home, 'neighbour'), 'utf8'))).toBe(reused);
    for (const runId of readable) {
      expect(await looper.ended(runId)).toMatchObject({ outcome: 'lost' });
    }
    for (const runId of garbled) expect((await looper.get(`/runs/${runId}`)).status).toBe(404);
    const aside = readdirSync(looper.logDirectory).filter((name) => name.endsWith('.unreadable'));
    expect(aside).toHaveLength(garbled.length);
    await looper.ended(await service.started());
    expect(neighbours(service)).toHaveLength(1);
  },
);
