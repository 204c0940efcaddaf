/** Who dies at one exact write, spawn or signal; the crash campaign tries all of them at random. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import { armCrash, crashEnvironment, type CrashPoint } from '../support/crash-point.ts';
import { readChildPids, type Scenario } from '../support/fake-codex.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import {
  processesOf,
  readRecords,
  readRunEvents,
  startService,
  untilLeft,
  type Service,
} from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

/** With a runner of its own for each launch, so that a spawn is one of the launch. */
function startCrashing(scenario: Scenario): Promise<Service> {
  return startService({
    scenario,
    env: (home) => ({ ...crashEnvironment(home), LOOPER_STANDBY_RUNNER: '0' }),
  });
}

/** The one record that there is, once it has an end: in the file, and as one event. */
async function settled({ looper: { logDirectory } }: Service): Promise<RunRecord> {
  const record = await waitFor('the end of the run', () => {
    const [first, ...more] = readRecords(logDirectory);
    expect(more).toEqual([]);
    return first?.status === 'finished' ? first : null;
  });
  expect(endsOf(logDirectory, record)).toMatchObject([{ outcome: record.outcome }]);
  return record;
}

/** The same by the next daemon. */
async function recovered(service: Service): Promise<RunRecord> {
  await service.restarted();
  return settled(service);
}

function endsOf(logDirectory: string, { run_id }: RunRecord): Record<string, unknown>[] {
  return readRunEvents(logDirectory, run_id).filter(({ type }) => type === 'end');
}

function isStopped(pid: number): boolean {
  return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') T ');
}

/** Looper is as good as new: nothing is left, and the next trigger starts its run. */
async function expectNext(service: Service): Promise<void> {
  await untilLeft(service.home, 1);
  const next = await service.started();
  expect(await service.looper.ended(next)).toMatchObject({ outcome: 'succeeded' });
}

describe.runIf(process.platform === 'linux')('killed at a point', () => {
  test('a daemon before a run is on record: there was none (row 31)', async () => {
    const service = await startCrashing({});
    const crash = armCrash(service.home, {
      role: 'daemon',
      point: 'rename run.json',
      when: 'before',
    });
    await Promise.all([service.run().catch(() => null), crash.died()]);
    await service.looper.kill();
    const { logDirectory } = await service.restarted();
    expect(readRecords(logDirectory)).toEqual([]);
    expect(service.calls()).toEqual([]);
    await expectNext(service);
  });

  test.each<CrashPoint>([
    { role: 'daemon', point: 'rename run.json', when: 'after' },
    { role: 'daemon', point: 'spawn runner', when: 'after' },
    { role: 'daemon', point: 'send message', when: 'before' },
  ])(
    'a $role $when $point, before its order is out: never started, once (row 31)',
    async (point) => {
      const service = await startCrashing({});
      const crash = armCrash(service.home, point);
      await Promise.all([service.run().catch(() => null), crash.died()]);
      expect(await recovered(service)).toMatchObject({
        outcome: 'lost',
        reason: expect.stringContaining('never started'),
        turns: [],
      });
      expect(service.calls()).toEqual([]);
      await expectNext(service);
    },
  );

  /** With the ends that are right, each with how often the agent was called. */
  test.each<[CrashPoint, [RunRecord['outcome'], number][]]>([
    // Whether the runner found its daemon dead before it had the lock.
    [
      { role: 'daemon', point: 'send message', when: 'after' },
      [
        ['lost', 0],
        ['succeeded', 1],
      ],
    ],
    // It had touched nothing, so another one got the order.
    [{ role: 'runner', point: 'lock run', when: 'after' }, [['succeeded', 1]]],
    // Its agent is swept, maybe before it could write down that it was called.
    [
      { role: 'runner', point: 'spawn fake-codex.mjs', when: 'after' },
      [
        ['lost', 0],
        ['lost', 1],
      ],
    ],
  ])('%j, before the agent is known: %j, never doubled (row 32)', async (point, ends) => {
    const service = await startCrashing({ steps: [{ do: 'sleep', ms: 100 }] });
    const crash = armCrash(service.home, point);
    await Promise.all([service.run().catch(() => null), crash.died()]);
    await service.looper.kill();
    const { outcome } = await recovered(service);
    expect(ends).toContainEqual([outcome, service.calls().length]);
    await expectNext(service);
  });

  test.each<[CrashPoint, RunRecord['outcome']]>([
    [{ role: 'runner', point: 'write run.end', when: 'before' }, 'lost'],
    [{ role: 'runner', point: 'fsync run.end', when: 'after' }, 'succeeded'],
    [
      { role: 'runner', point: 'write run.events.jsonl', when: 'after', occurrence: 4 },
      'succeeded',
    ],
  ])('a runner at its end, %j: one end, %s (row 36)', async (point, outcome) => {
    const service = await startCrashing({});
    const crash = armCrash(service.home, point);
    await Promise.all([service.run().catch(() => null), crash.died()]);
    const record = await settled(service);
    expect(record).toMatchObject({ outcome });
    const log = service.looper.log(record.run_id);
    const trailers = log.match(/^# (?:codex_exec_return_code|looper_outcome)=.*$/gm);
    expect(trailers).toEqual(['# codex_exec_return_code=0']);
    // And a second look finds nothing to add.
    await service.looper.kill();
    expect(await recovered(service)).toEqual(record);
    await expectNext(service);
  });

  test('a daemon in the middle of a sweep: the next one finishes it (row 37)', async () => {
    const kinds = ['tool', 'setsid', 'double', 'daemon'] as const;
    const service = await startCrashing({
      turns: [
        {
          steps: [
            { do: 'stubborn' },
            ...kinds.map((kind) => ({ do: 'spawn', kind, stubborn: true }) as const),
            { do: 'hang' },
          ],
        },
        {},
      ],
    });
    const runId = await service.started();
    const children = await waitFor('its children', () => {
      const pids = readChildPids(service.scenarioPath);
      return pids.length === kinds.length ? pids : null;
    });
    const { runner, agent } = await service.looper.record(runId);
    const crash = armCrash(service.home, {
      role: 'daemon',
      point: 'kill SIGSTOP',
      when: 'after',
      occurrence: 3,
    });
    process.kill(runner?.pid ?? 0, 'SIGKILL');
    await crash.died();
    await service.looper.kill();
    const family = [agent?.pid ?? 0, ...children];
    expect(family.filter(looksAlive)).toEqual(family);
    expect(family.filter(isStopped)).toHaveLength(3);

    expect(await recovered(service)).toMatchObject({ outcome: 'lost', run_id: runId });
    expect(family.filter(looksAlive)).toEqual([]);
    expect(processesOf(service.home)).toEqual([service.looper.pid]);
    await expectNext(service);
  });
});
