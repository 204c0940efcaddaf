import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Schedule } from '../../src/config-file.ts';
import type { Logger } from '../../src/logger.ts';
import type { Trigger } from '../../src/run/unattended.ts';
import type { StoredRun } from '../../src/runs/store.ts';
import { createSchedules } from '../../src/schedules.ts';
import { writeConfigFile } from '../support/hooks.ts';
import { readRecords, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const EVERY_SECOND: Schedule = {
  name: 'often',
  cron: '* * * * * *',
  timezone: null,
  message: 'Often',
  prompt: 'x',
  workspace: null,
  onBusy: null,
};

function setting() {
  const triggers: Trigger[] = [];
  const logged: string[] = [];
  const record = (_about: unknown, msg: string) => void logged.push(msg);
  const state: { active: StoredRun | null } = { active: null };
  const schedules = createSchedules({
    triggers: { start: (trigger) => void triggers.push(trigger) },
    watch: { active: () => state.active },
    log: { info: record, warn: record, error: record } as unknown as Logger,
  });
  onTestFinished(() => schedules.stop());
  return { triggers, logged, state, schedules };
}

test('a schedule of the file starts runs in the daemon, one at a time', async () => {
  const service = await startService({
    scenario: { steps: [{ do: 'wait', path: 'go' }] },
    env: (home) => ({
      LOOPER_CONFIG_FILE: writeConfigFile(
        `schedules: [{ name: often, cron: "* * * * * *", message: Often, prompt: tick, workspace: ${home}/workspace }]`,
      ),
    }),
  });
  const { looper } = service;
  const run = await waitFor('the first run', () => readRecords(looper.logDirectory)[0]);
  expect(run).toMatchObject({ trigger: 'schedule:often', mode: 'prompt' });
  // Two more times pass: neither replaces the run, whatever LOOPER_ON_BUSY says.
  await delay(2_200);
  expect(readRecords(looper.logDirectory)).toHaveLength(1);
  writeFileSync(join(service.workspace, 'go'), '');
  expect(await looper.ended(run.run_id)).toMatchObject({ outcome: 'succeeded' });
  await waitFor('the next run', () => readRecords(looper.logDirectory).length === 2);
});

/** Fake timers that begin at this time. */
function clockAt(time: string): void {
  vi.useFakeTimers({ now: Date.parse(time) });
  onTestFinished(() => void vi.useRealTimers());
}

test('each time once, and none of those that passed while the machine slept', async () => {
  clockAt('2026-11-01T12:00:00.500Z');
  const { triggers, logged, schedules } = setting();
  schedules.use([EVERY_SECOND, { ...EVERY_SECOND, name: 'minutely', cron: '*/5 * * * *' }]);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(triggers.map(({ trigger }) => trigger)).toEqual(Array(3).fill('schedule:often'));
  triggers.length = 0;
  // Ten minutes pass without a single timer: a suspended machine.
  vi.setSystemTime(Date.parse('2026-11-01T12:10:30.500Z'));
  await vi.advanceTimersByTimeAsync(30_000);
  expect(logged.filter((msg) => msg === 'schedule.missed')).toHaveLength(2);
  expect(triggers.map(({ trigger }) => trigger)).toEqual(Array(29).fill('schedule:often'));
});

// With the library's own timer this takes hours.
test('a clock that is set forward by years stops nothing', async () => {
  clockAt('1970-01-01T00:00:00.500Z');
  const { triggers, schedules } = setting();
  schedules.use([{ ...EVERY_SECOND, cron: '* * * * *' }]);
  vi.setSystemTime(Date.parse('2026-11-01T12:00:30Z'));
  await vi.advanceTimersByTimeAsync(100_000);
  expect(triggers).toHaveLength(1);
});

test('a clock that is set back by a day goes on with the times of that day', async () => {
  clockAt('2026-11-02T12:00:30Z');
  const { triggers, schedules } = setting();
  schedules.use([{ ...EVERY_SECOND, cron: '* * * * *' }]);
  vi.setSystemTime(Date.parse('2026-11-01T12:00:30Z'));
  await vi.advanceTimersByTimeAsync(90_000);
  expect(triggers).toHaveLength(1);
});

test('a clock that is corrected by a moment fires no time twice', async () => {
  clockAt('2026-11-02T12:00:59.500Z');
  const { triggers, schedules } = setting();
  schedules.use([{ ...EVERY_SECOND, cron: '* * * * *' }]);
  await vi.advanceTimersByTimeAsync(600);
  expect(triggers).toHaveLength(1);
  vi.setSystemTime(Date.parse('2026-11-02T12:00:55Z'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(triggers).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(40_000);
  expect(triggers).toHaveLength(2);
});

test('a time that is a little late still counts, one that is long past does not', async () => {
  clockAt('2026-11-01T01:59:00Z');
  const { triggers, logged, schedules } = setting();
  schedules.use([{ ...EVERY_SECOND, name: 'nightly', cron: '0 2 * * *', timezone: 'UTC' }]);
  await vi.advanceTimersByTimeAsync(59_000);
  // Blocked for ten seconds over the time.
  vi.setSystemTime(Date.parse('2026-11-01T02:00:10Z'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(triggers).toHaveLength(1);
  expect(logged).not.toContain('schedule.missed');
  // Asleep over the next one.
  vi.setSystemTime(Date.parse('2026-11-02T07:00:00Z'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(logged).toContain('schedule.missed');
  expect(triggers).toHaveLength(1);
});

test('times are those of the time zone', () => {
  const { schedules } = setting();
  schedules.use([
    { ...EVERY_SECOND, name: 'kolkata', cron: '0 2 * * *', timezone: 'Asia/Kolkata' },
    { ...EVERY_SECOND, name: 'utc', cron: '0 2 * * *', timezone: 'UTC' },
  ]);
  const times = schedules.next().map(({ name, at }) => `${name} ${at.toISOString().slice(11, 16)}`);
  expect(times).toEqual(['kolkata 20:30', 'utc 02:00']);
});

test('a new file replaces the old times, and after the end nothing starts', async () => {
  clockAt('2026-11-01T12:00:00.500Z');
  const { triggers, schedules } = setting();
  schedules.use([EVERY_SECOND]);
  schedules.use([{ ...EVERY_SECOND, name: 'other' }]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(triggers.map(({ trigger }) => trigger)).toEqual(['schedule:other']);
  schedules.stop();
  schedules.use([EVERY_SECOND]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(triggers).toHaveLength(1);
});

test('the run of the time before keeps the next one from starting', async () => {
  clockAt('2026-11-01T12:00:00.500Z');
  const { triggers, schedules, state } = setting();
  schedules.use([EVERY_SECOND]);
  state.active = { record: { run_id: 'ab12cd34', trigger: 'schedule:often' } } as StoredRun;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(triggers).toHaveLength(0);
  state.active = { record: { run_id: 'ab12cd34', trigger: 'http' } } as StoredRun;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(triggers).toHaveLength(1);
});
