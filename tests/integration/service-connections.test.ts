/** Many connections that never ask anything, against the real service with its real limits. */
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const IDLE = 1_500;
const CLOSED_WITHIN_MS = 10_000;

test('1,500 idle connections keep nobody else out, and are closed within 10 s (row 10)', async () => {
  const service = await startService({ scenario: { steps: [{ do: 'hang' }] } });
  const port = Number(new URL(service.looper.url).port);
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  let connected = 0;
  let closed = 0;
  for (let i = 0; i < IDLE; i += 1) {
    const socket = connect(port, '127.0.0.1', () => (connected += 1));
    socket.on('error', () => undefined).resume();
    socket.on('close', () => (closed += 1));
    sockets.push(socket);
  }
  await waitFor('all connections', () => connected === IDLE);
  expect((await service.looper.get('/health')).status).toBe(200);
  expect(closed).toBe(0);
  const runId = await service.started();
  expect((await service.looper.post(`/runs/${runId}/stop`)).status).toBe(200);
  await waitFor('the idle ones to be closed', () => closed === IDLE, CLOSED_WITHIN_MS);
  expect((await service.looper.get('/health')).status).toBe(200);
});
