/** Many triggers at once, and callers that do not wait for their answer. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { startFakeZulip } from '../support/fake-zulip.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { untilLeft, readRecords, startService, zulipEnvironment } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const hanging = { steps: [{ do: 'hang' as const }] };

test('of 50 triggers at once each is answered 200 or 409, and one agent is alive at the end (row 58)', async () => {
  const service = await startService({ scenario: hanging });
  const { looper } = service;
  const answers = await Promise.all(Array.from({ length: 50 }, () => service.run()));

  const started = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 409);
  expect(started.length).toBeGreaterThan(0);
  expect(started.length + refused.length).toBe(50);
  for (const { body, headers } of refused) {
    expect(body).toMatchObject({ ok: false, error: 'busy: another run is in progress' });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(body).toHaveProperty('active_run_id');
  }

  const records = readRecords(looper.logDirectory);
  expect(records).toHaveLength(started.length);
  const active = records.filter(({ status }) => status !== 'finished');
  expect(active).toHaveLength(1);
  await waitFor('each agent to have been called', () => service.calls().length > 0);
  const agents = started.map(({ body }) => (body['codex_exec_result'] as { pid: number }).pid);
  expect(agents.filter(looksAlive)).toEqual([active[0]?.agent?.pid]);

  // One launch at a time: a run begins after the end of the one before it.
  const byStart = records.toSorted((a, b) =>
    (a.started_at ?? '').localeCompare(b.started_at ?? ''),
  );
  for (const [index, { outcome, finished_at }] of byStart.slice(0, -1).entries()) {
    expect(outcome).toBe('replaced');
    expect(Date.parse(byStart[index + 1]?.started_at ?? '')).toBeGreaterThanOrEqual(
      Date.parse(finished_at ?? ''),
    );
  }
});

test('triggers one after the other replace each other and leave nothing behind', async () => {
  const service = await startService({
    scenario: { steps: [{ do: 'spawn', kind: 'setsid' }, { do: 'hang' }] },
  });
  let last: string | null = null;
  for (let round = 0; round < 6; round += 1) {
    const { status, body } = await service.run();
    expect(status).toBe(200);
    expect(body['replaced_run_id']).toBe(last);
    last = body['run_id'] as string;
  }
  await service.looper.post('/runs/current/stop');
  // The daemon and its standby.
  await untilLeft(service.home, 2);
});

test('a queued trigger starts when the launch that replaced the run before it fails', async () => {
  const service = await startService({ scenario: hanging });
  const { looper, home } = service;
  const other = join(home, 'other');
  const ticket = join(other, '.looper/tickets/TICKET-001.md');
  mkdirSync(dirname(ticket), { recursive: true });
  writeFileSync(ticket, '---\ndone: false\ntitle: One\n---\n');
  const active = await service.started();
  const queued = await service.started({ on_busy: 'queue' });
  const failing = service.run({
    workspace: other,
    codex_prompt: undefined,
    codex_exec_delay_seconds: 0.4,
  });
  expect(await looper.ended(active)).toMatchObject({ outcome: 'replaced' });
  writeFileSync(ticket, '---\ndone: true\ntitle: One\n---\n');
  expect((await failing).status).toBe(422);
  await waitFor('the queued run', async () => (await looper.record(queued)).status === 'running');
});

test('a queued run that fails at once takes no other out of the queue', async () => {
  const service = await startService({
    scenario: {
      turns: [{ steps: [{ do: 'hang' }] }, { steps: [{ do: 'sleep', ms: 500 }], exitCode: 3 }, {}],
    },
  });
  const { looper } = service;
  const first = await service.started();
  await waitFor('the first agent', () => service.calls().length === 1);
  const second = await service.started({
    on_busy: 'queue',
    codex_exec_startup_check_seconds: 20,
  });
  await looper.post(`/runs/${first}/stop`);
  await waitFor('the second agent', () => service.calls().length === 2);
  const third = await service.started({ on_busy: 'queue' });
  expect(await looper.ended(second)).toMatchObject({ outcome: 'failed' });
  expect(await looper.ended(third)).toMatchObject({ outcome: 'succeeded' });
});

test('the caller vanishes in the middle of the launch: it finishes all the same (row 9)', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({ scenario: hanging, env: zulipEnvironment(zulip) });
  const { looper, workspace } = service;
  const first = await service.started();
  await waitFor('the first agent', () => service.calls().length === 1);

  const body = JSON.stringify({
    zulip_message: 'And gone',
    codex_prompt: 'Do it',
    workspace,
    codex_exec_delay_seconds: 0.3,
  });
  const { port } = new URL(looper.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(
    `POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  await waitFor('its announcement', () => zulip.messages.length === 2);
  socket.resetAndDestroy();

  const next = await waitFor('the run', async () => {
    const { body: answer } = await looper.get('/runs/current');
    const run = answer['run'] as { run_id: string; status: string } | undefined;
    return run?.status === 'running' && run.run_id !== first ? run : null;
  });
  expect(await looper.record(first)).toMatchObject({ outcome: 'replaced' });
  await waitFor('its agent', () => service.calls().length === 2);
  expect(await looper.record(next.run_id)).toMatchObject({ status: 'running' });
});

test('a body that is broken off starts nothing (row 9)', async () => {
  const service = await startService();
  const { port } = new URL(service.looper.url);
  const socket = connect(Number(port), '127.0.0.1');
  const head = 'POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  socket.write(`${head}Content-Length: 500\r\n\r\n{"zulip_message":"Go","codex_prompt":"x"`);
  await waitFor('the connection', () => socket.bytesWritten > 0);
  socket.resetAndDestroy();
  expect((await service.looper.get('/health')).status).toBe(200);
  expect(readRecords(service.looper.logDirectory)).toEqual([]);
  expect((await service.run()).status).toBe(200);
});
