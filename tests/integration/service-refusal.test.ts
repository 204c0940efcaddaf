/** A launch that fails: what was stopped, what was announced, what is left behind. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import { readEnd } from '../../src/runs/end-file.ts';
import { fakeCodexPath } from '../support/fake-codex.ts';
import { startFakeZulip } from '../support/fake-zulip.ts';
import {
  childrenOf,
  readRecords,
  runFile,
  runIdOf,
  startService,
  zulipEnvironment,
  type Service,
} from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const MIB = 1024 ** 2;
const canMount = spawnSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'x', '/mnt']).status === 0;
if (!canMount) process.stderr.write('skipped: a full disk needs unshare and a tmpfs of its own\n');
const withoutKill = ['setpriv', '--bounding-set=-kill', '--inh-caps=-kill'];
// Dropping is allowed to everybody; being somebody else, as the test then has to, is not.
const canDropKill =
  process.getuid?.() === 0 && spawnSync('setpriv', [...withoutKill.slice(1), 'true']).status === 0;
if (!canDropKill) process.stderr.write('skipped: what nobody may kill needs root and setpriv\n');

function othersThan(runId: string, { looper }: Service): RunRecord[] {
  return readRecords(looper.logDirectory).filter(({ run_id }) => run_id !== runId);
}

/** From here on everything was checked, and a runner is taken. */
async function isLaunching({ looper }: Service): Promise<void> {
  await waitFor('the launch', () => readRecords(looper.logDirectory).length > 0);
}

const hanging = { steps: [{ do: 'hang' as const }] };

test('a required announcement that fails stops and starts nothing', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({
    scenario: hanging,
    env: { ...zulipEnvironment(zulip), LOOPER_NOTIFY_REQUIRED: '1' },
  });
  const active = await service.started();
  zulip.mode = 'bad-request';
  const { status, body } = await service.run();
  expect(status).toBe(502);
  expect(body['error']).toMatch(/LOOPER_NOTIFY_REQUIRED=1.*Channel 'x' does not exist/);
  expect((await service.looper.get('/runs/current')).body).toMatchObject({
    run: { run_id: active, status: 'running' },
  });
  expect(othersThan(active, service)).toMatchObject([{ outcome: 'spawn_failed', agent: null }]);
  expect(service.calls().length).toBeLessThan(2);

  zulip.mode = 'ok';
  expect((await service.run()).body).toMatchObject({ replaced_run_id: active, notified: true });
  // The active run's runner and one that stands by; what the failed launch had taken is among them.
  await waitFor('two runners', () => childrenOf(service.looper.pid).length === 2);
});

test('an announcement that fails is a warning where none is required (row 11)', async () => {
  await using zulip = await startFakeZulip({ mode: 'unauthorized' });
  const service = await startService({ env: zulipEnvironment(zulip) });
  const { status, body } = await service.run();
  expect(status).toBe(200);
  expect(body).toMatchObject({ notified: false, codex_exec_started: true });
  expect(body['warnings']).toEqual([expect.stringContaining('Invalid API key')]);
});

test('a missing agent or log directory is a 503 before anything is announced or stopped (row 18)', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({
    scenario: hanging,
    env: (home) => {
      symlinkSync(fakeCodexPath, join(home, 'codex'));
      return { ...zulipEnvironment(zulip), CODEX_EXEC_BINARY: join(home, 'codex') };
    },
  });
  const { looper, home } = service;
  expect(looper.output()).toContain(`agent          ${join(home, 'codex')}\n`);
  const active = await service.started();
  // It is a script, which is read by its name once more after it was spawned.
  await waitFor('the agent', () => looper.log(active).includes('turn.started'));

  rmSync(join(home, 'codex'));
  const noAgent = await service.run();
  expect(noAgent.status).toBe(503);
  expect(noAgent.body['error']).toMatch(
    /codex does not exist.*npm install -g @openai\/codex.*CODEX_EXEC_BINARY/,
  );
  expect((await looper.get('/ready')).status).toBe(503);
  symlinkSync(fakeCodexPath, join(home, 'codex'));

  renameSync(looper.logDirectory, `${looper.logDirectory}-moved`);
  const noLogs = await service.run();
  expect(noLogs.status).toBe(503);
  expect(noLogs.body['error']).toMatch(/log directory .*\/logs cannot be written/);
  expect((await looper.get('/ready')).body).toMatchObject({
    ok: false,
    missing: [expect.stringContaining('log directory')],
  });
  renameSync(`${looper.logDirectory}-moved`, looper.logDirectory);

  expect(zulip.messages).toHaveLength(1);
  expect(await looper.record(active)).toMatchObject({ status: 'running' });
  expect((await looper.get('/ready')).body).toEqual({ ok: true, missing: [] });
  expect((await service.run()).body).toMatchObject({ replaced_run_id: active });
});

test.runIf(canMount)(
  'a full log directory is a 503, and one that fills up costs no end (rows 40, 41)',
  async () => {
    await using zulip = await startFakeZulip();
    const mount = 'mkdir -p "$LOOPER_LOG_DIR" && mount -t tmpfs -o size=12m x "$LOOPER_LOG_DIR"';
    const service = await startService({
      scenario: { steps: [{ do: 'flood', megabytes: 30 }] },
      within: ['unshare', '-Urm', 'bash', '-c', `${mount} && exec "$0" "$@"`],
      env: zulipEnvironment(zulip),
    });
    const { looper } = service;
    const logs = `/proc/${looper.pid}/root${looper.logDirectory}`;

    writeFileSync(join(logs, 'filler'), Buffer.alloc(6 * MIB));
    const refused = await service.run();
    expect(refused.status).toBe(503);
    expect(refused.body['error']).toContain('less than 8 MiB left');
    expect(zulip.requests).toEqual([]);
    rmSync(join(logs, 'filler'));

    const runId = await service.started();
    expect(await looper.ended(runId)).toMatchObject({ outcome: 'failed' });
    // No record and no trailer fits any more; the end has had its place from the start.
    expect(readEnd(runFile(logs, runId, '.end'))).toMatchObject({ return_code: 101 });
    await waitFor('the announcement of the end', () => zulip.messages.length === 2);
    rmSync(runFile(logs, runId, '.log'));
    expect(await service.started()).toMatch(/^[0-9a-f]{8}$/);
  },
);

test('a launch that fails after the announcement leaves no runner behind', async () => {
  const service = await startService();
  const tickets = join(service.workspace, '.looper/tickets');
  mkdirSync(tickets, { recursive: true });
  const ticket = (done: boolean): string => `---\ndone: ${done}\ntitle: One\n---\nDo it.\n`;
  writeFileSync(join(tickets, 'TICKET-001.md'), ticket(false));
  const answer = service.run({ codex_prompt: undefined, codex_exec_delay_seconds: 0.6 });
  await isLaunching(service);
  writeFileSync(join(tickets, 'TICKET-001.md'), ticket(true));
  expect((await answer).status).toBe(422);
  expect(readRecords(service.looper.logDirectory)).toMatchObject([
    { status: 'finished', outcome: 'spawn_failed', reason: expect.stringContaining('TICKET-001') },
  ]);
  await waitFor('one standby', () => childrenOf(service.looper.pid).length === 1);
});

test('a standby that cannot be spawned costs no answer', async () => {
  const service = await startService();
  const stderrLog = join(service.looper.logDirectory, 'server/runner-stderr.log');
  const answer = service.run({ codex_exec_delay_seconds: 0.6 });
  await isLaunching(service);
  rmSync(stderrLog);
  mkdirSync(stderrLog);
  const runId = runIdOf(await answer);
  expect(await service.looper.ended(runId)).toMatchObject({ outcome: 'succeeded' });

  const refused = await service.run();
  expect(refused.status).toBe(503);
  expect(refused.body['error']).toContain('runner-stderr.log');
  expect(othersThan(runId, service)).toMatchObject([{ outcome: 'spawn_failed' }]);
  rmSync(stderrLog, { recursive: true });
  expect((await service.run()).status).toBe(200);
});

test.runIf(canDropKill)('nothing is started over what survived: 503 with its pids', async () => {
  const service = await startService({ within: withoutKill });
  const { looper, home } = service;
  const first = await service.started();
  await looper.ended(first);
  const left = spawn('setpriv', ['--reuid=65534', '--clear-groups', 'sleep', '60'], {
    env: { PATH: process.env['PATH'], LOOPER_RUN_ID: first, HOME: home },
    cwd: '/',
    stdio: 'ignore',
  });
  // Until then it is one that the daemon may kill.
  await waitFor('the other user', () => statSync(`/proc/${left.pid}`).uid === 65534);

  const { status, body } = await service.run();
  expect(body['error']).toContain(`survived SIGKILL (pids ${left.pid})`);
  expect(status).toBe(503);
  expect(body['remaining_codex_exec_pids']).toEqual([left.pid]);
  const [refused] = othersThan(first, service);
  expect(await looper.ended(refused?.run_id ?? '')).toMatchObject({ outcome: 'spawn_failed' });
  expect(service.calls()).toHaveLength(1);

  left.kill('SIGKILL');
  expect((await service.run()).status).toBe(200);
});
