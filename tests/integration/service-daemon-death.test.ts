/** The daemon dies, or goes away on purpose; its run does not, and no end is lost or told twice. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Scenario } from '../support/fake-codex.ts';
import { startFakeZulip, type FakeZulip } from '../support/fake-zulip.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import {
  processesOf,
  untilLeft,
  readRecords,
  readRunEvents,
  runFile,
  startService,
  zulipEnvironment,
  type Service,
} from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const LINES = 150;
const EXIT_CODE = 7;
/** One numbered line every 10 ms, then an exit code that is not everybody's. */
const counting: Scenario = {
  steps: [{ do: 'lines', count: LINES, everyMs: 10, plain: true }],
  exitCode: EXIT_CODE,
};
/** The same, but it stays until the test lets it go: a slow restart must not miss it. */
const countingAndWaiting: Scenario = {
  steps: [
    { do: 'lines', count: LINES, everyMs: 10, plain: true },
    { do: 'wait', path: 'let-go' },
  ],
  exitCode: EXIT_CODE,
};
const hanging: Scenario = { steps: [{ do: 'hang' }] };

function linesOf(log: string): string[] {
  return log.split('\n').filter((line) => line.startsWith('line '));
}

const allLines = Array.from({ length: LINES }, (_, index) => `line ${index + 1}`);

function expectWhole(log: string): void {
  expect(linesOf(log)).toEqual(allLines);
  expect(log).toMatch(new RegExp(`\n# codex_exec_return_code=${EXIT_CODE}\n$`));
  expect(log.match(/# codex_exec_return_code/g)).toHaveLength(1);
}

/** Announcements of the end of this run that have arrived. */
function endsOf(zulip: FakeZulip, runId: string): string[] {
  return zulip.messages
    .map((message) => message['content'] ?? '')
    .filter((text) => text.includes(`Run ${runId} `));
}

function sentMarks(logDirectory: string, runId: string): string[] {
  return readdirSync(join(logDirectory, 'outbox')).filter(
    (name) => name.startsWith(runId) && name.endsWith('.sent'),
  );
}

async function untilCounting({ looper }: Service, runId: string): Promise<void> {
  await waitFor('some lines', () => linesOf(looper.log(runId)).length > 20);
}

test('kill -9 in the middle of the output: all of it is there, and a new daemon adopts (rows 28, 33)', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({
    scenario: countingAndWaiting,
    env: zulipEnvironment(zulip),
  });
  const runId = await service.started();
  await untilCounting(service, runId);
  await service.looper.kill();
  const before = linesOf(service.looper.log(runId)).length;
  expect(before).toBeLessThan(LINES);

  const looper = await service.restarted();
  expect((await looper.get('/runs/current')).body).toMatchObject({
    run: { run_id: runId, status: 'running', outcome: null },
  });
  writeFileSync(join(service.workspace, 'let-go'), '');
  const record = await looper.ended(runId);
  expectWhole(looper.log(runId));
  expect(record).toMatchObject({
    outcome: 'failed',
    turns: [{ exit_code: EXIT_CODE, signal: null }],
  });
  await waitFor('the announcement', () => endsOf(zulip, runId).length > 0);
  expect((await looper.get('/runs/current')).status).toBe(404);

  await looper.stop();
  await (await service.restarted()).stop();
  expect(endsOf(zulip, runId)).toHaveLength(1);
  expect(readRunEvents(looper.logDirectory, runId).filter(({ type }) => type === 'end')).toEqual([
    expect.objectContaining({ outcome: 'failed' }),
  ]);
});

test('a run that ends while no daemon is there is shown and announced by the next, once (row 33)', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({ scenario: counting, env: zulipEnvironment(zulip) });
  const runId = await service.started();
  await untilCounting(service, runId);
  await service.looper.kill();
  await untilLeft(service.home, 0);
  expectWhole(service.looper.log(runId));
  expect(endsOf(zulip, runId)).toEqual([]);

  const looper = await service.restarted();
  expect(await looper.record(runId)).toMatchObject({ status: 'finished', outcome: 'failed' });
  await waitFor('the announcement', () => endsOf(zulip, runId).length > 0);
  // A death between the chat's answer and our mark would repeat it.
  await waitFor('its mark', () => sentMarks(looper.logDirectory, runId).length > 0);
  await looper.kill();
  await (await service.restarted()).stop();
  expect(endsOf(zulip, runId)).toHaveLength(1);
});

test('SIGTERM with detach leaves the run alone, and a new daemon can stop it', async () => {
  const service = await startService({
    scenario: hanging,
    env: { LOOPER_ON_SHUTDOWN: 'detach' },
  });
  const runId = await service.started();
  const { agent, runner } = await service.looper.record(runId);
  expect(await service.looper.stop()).toBe(0);
  expect([agent?.pid, runner?.pid].map((pid) => looksAlive(pid ?? 0))).toEqual([true, true]);
  // The standby went with its daemon.
  await untilLeft(service.home, 2);

  const looper = await service.restarted({ LOOPER_ON_SHUTDOWN: 'stop' });
  const stopped = await looper.post(`/runs/${runId}/stop`);
  expect(stopped.body).toMatchObject({ run: { run_id: runId, outcome: 'stopped' } });
  expect(looksAlive(agent?.pid ?? 0)).toBe(false);
  expect(await looper.stop()).toBe(0);
  await untilLeft(service.home, 0);
});

test('SIGTERM ends the run as shutdown and leaves nothing behind', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({ scenario: hanging, env: zulipEnvironment(zulip) });
  const runId = await service.started();
  expect(await service.looper.stop()).toBe(0);
  await untilLeft(service.home, 0);
  const [record] = readRecords(service.looper.logDirectory);
  expect(record).toMatchObject({ run_id: runId, status: 'finished', outcome: 'shutdown' });
  expect(endsOf(zulip, runId)).toHaveLength(1);
  const stop = runFile(service.looper.logDirectory, runId, '.stop');
  expect(readFileSync(stop, 'utf8')).toBe('shutdown\n');
  expect(readRunEvents(service.looper.logDirectory, runId).map(({ type }) => type)).toEqual([
    'created',
    'started',
    'turn_started',
    'stopping',
    'turn_ended',
    'end',
  ]);
});

test('a daemon that dies during the delay leaves no run, and its runners go with it (row 31)', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({ scenario: hanging, env: zulipEnvironment(zulip) });
  const answer = service.run({ codex_exec_delay_seconds: 30 }).catch(() => null);
  await waitFor('the announcement', () => zulip.messages.length === 1);
  expect(processesOf(service.home).length).toBeGreaterThan(1);
  await service.looper.kill();
  await answer;
  await untilLeft(service.home, 0);
  expect(service.calls()).toEqual([]);

  const looper = await service.restarted();
  for (const record of readRecords(looper.logDirectory)) {
    expect(record).toMatchObject({ status: 'finished', outcome: 'lost' });
  }
  expect((await looper.get('/runs/current')).status).toBe(404);
  await service.started();
});
