/** SIGTERM, SIGINT, a second signal, and what becomes of those who are in the middle of something. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startFakeZulip } from '../support/fake-zulip.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import {
  untilLeft,
  readRecords,
  startService,
  zulipEnvironment,
  type Service,
} from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const hanging = { steps: [{ do: 'hang' as const }] };

/** Signals the daemon; its exit code, or the signal that ended it, and how long that took. */
async function signalled(service: Service, signal: NodeJS.Signals) {
  const begin = performance.now();
  const exited = once(service.looper.process, 'exit');
  service.looper.process.kill(signal);
  const [code, endedBy] = (await exited) as [number | null, string | null];
  return { code: code ?? endedBy, ms: performance.now() - begin };
}

async function isLaunching({ looper }: Service): Promise<void> {
  await waitFor('the launch', () => readRecords(looper.logDirectory).length > 0);
}

test('a launch that waits is answered and ended, and the daemon exits at once', async () => {
  const service = await startService({ scenario: hanging });
  const answer = service.run({ codex_exec_delay_seconds: 3000 });
  await isLaunching(service);
  const { code, ms } = await signalled(service, 'SIGTERM');
  expect(code).toBe(0);
  expect(ms).toBeLessThan(1_900);
  const { status, body } = await answer;
  expect(status).toBe(503);
  expect(body['error']).toContain('shutting down');
  expect(readRecords(service.looper.logDirectory)).toMatchObject([
    { status: 'finished', outcome: 'shutdown', agent: null },
  ]);
  expect(service.calls()).toEqual([]);
  await untilLeft(service.home, 0);
});

test('a startup check is cut short: the caller learns of the run, which ends', async () => {
  const service = await startService({ scenario: hanging });
  const answer = service.run({ codex_exec_startup_check_seconds: 3000 });
  await waitFor('the agent', () => service.calls().length === 1);
  const { code, ms } = await signalled(service, 'SIGINT');
  expect(code).toBe(0);
  expect(ms).toBeLessThan(1_900);
  expect(await answer).toMatchObject({ status: 200, body: { codex_exec_started: true } });
  expect(readRecords(service.looper.logDirectory)).toMatchObject([{ outcome: 'shutdown' }]);
  await untilLeft(service.home, 0);
});

test('a launch that is announcing when the service goes leaves a detached run alone', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({
    scenario: hanging,
    env: {
      ...zulipEnvironment(zulip),
      LOOPER_ON_SHUTDOWN: 'detach',
      LOOPER_NOTIFY_TIMEOUT_SECONDS: '0.5',
    },
  });
  const active = await service.started();
  const { agent } = await service.looper.record(active);
  zulip.mode = 'hang';
  const answer = service.run();
  await waitFor('the announcement', () => zulip.requests.length === 2);
  expect(await signalled(service, 'SIGTERM')).toMatchObject({ code: 0 });
  expect((await answer).status).toBe(503);
  expect(looksAlive(agent?.pid ?? 0)).toBe(true);
});

test('an open connection does not keep the daemon (row 63)', async () => {
  const service = await startService();
  const controller = new AbortController();
  const idle = await fetch(`${service.looper.url}/health`, { signal: controller.signal });
  await idle.text();
  const { code, ms } = await signalled(service, 'SIGTERM');
  expect(code).toBe(0);
  expect(ms).toBeLessThan(1_900);
});

test('a second signal exits now, and the run is adopted later (row 62)', async () => {
  const service = await startService({
    scenario: { steps: [{ do: 'stubborn' }, { do: 'hang' }] },
    env: { LOOPER_KILL_GRACE_SECONDS: '1' },
  });
  const runId = await service.started();
  await waitFor('the agent', () => service.calls().length === 1);
  service.looper.process.kill('SIGTERM');
  await waitFor('the first signal', () => service.looper.output().includes('second signal'));
  const { code, ms } = await signalled(service, 'SIGINT');
  expect(code).toBe(130);
  expect(ms).toBeLessThan(500);

  const looper = await service.restarted();
  expect(await looper.ended(runId)).toMatchObject({ outcome: 'shutdown' });
});

test('a daemon whose reader is gone stops as any other', async () => {
  const service = await startService({ scenario: hanging });
  const { process: daemon } = service.looper;
  await service.started();
  daemon.stdout?.destroy();
  daemon.stderr?.destroy();
  expect(await signalled(service, 'SIGTERM')).toMatchObject({ code: 0 });
  expect(readRecords(service.looper.logDirectory)).toMatchObject([{ outcome: 'shutdown' }]);
  await untilLeft(service.home, 0);
});
