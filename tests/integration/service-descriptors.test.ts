/** A daemon that has no descriptor left, as after a flood of connections or with a low `ulimit -n`. */
import { readdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { childrenOf, readRecords, startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

/** Enough to load the program and to serve; `bash` sets both limits, so Node cannot raise its own. */
const LIMIT = 200;
const within = ['bash', '-c', `ulimit -n ${LIMIT}; exec "$@"`, 'bash'];
const onLinux = process.platform === 'linux';

/** Asks on one connection that was made while there was a descriptor for it. */
function createClient(service: Service) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const ask = (method: 'GET' | 'POST', path: string, body?: object) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json' };
      const asked = request(service.looper.url + path, { agent, method, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => (text += chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }));
      });
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const { workspace } = service;
  const run = () => ask('POST', '/run', { zulip_message: 'Go', codex_prompt: 'Do it', workspace });
  return { get: (path: string) => ask('GET', path), run };
}

/** Takes descriptors of the daemon with idle connections until only `free` are left. */
async function exhaust({ looper }: Service, free: number): Promise<{ release: () => void }> {
  const used = (): number => readdirSync(`/proc/${looper.pid}/fd`).length;
  const port = Number(new URL(looper.url).port);
  const sockets = new Set<Socket>();
  const release = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(release);
  for (let i = 0; i < LIMIT; i += 1) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    // Those for which there was no descriptor are closed at once.
    socket.on('close', () => sockets.delete(socket));
    sockets.add(socket);
  }
  const isSettled = async (): Promise<boolean> => {
    const before = [used(), sockets.size];
    await delay(100);
    return sockets.size < LIMIT && used() === before[0] && sockets.size === before[1];
  };
  await waitFor('no descriptor to be left', isSettled);
  const full = used();
  for (const socket of [...sockets].slice(0, free)) socket.destroy();
  await waitFor('a few to be free again', () => used() === full - free);
  return { release };
}

test.runIf(onLinux)(
  'without a free descriptor: 503 with what to do, the active run goes on, and all works again later (row 47)',
  async () => {
    const service = await startService({ within, scenario: { steps: [{ do: 'hang' }] } });
    const { looper } = service;
    const active = await service.started();
    const client = createClient(service);
    expect((await client.get('/health')).status).toBe(200);
    await waitFor('the standby', () => childrenOf(looper.pid).length === 2);

    const { release } = await exhaust(service, 0);
    expect((await client.get('/health')).status).toBe(200);
    for (const path of ['/ready', '/runs', '/', '/metrics', `/runs/${active}/log`]) {
      const { status, body } = await client.get(path);
      expect({ path, status }).toEqual({ path, status: 503 });
      expect(body).toContain('EMFILE');
    }
    const { status, body } = await client.run();
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({
      ok: false,
      code: 'OUT_OF_RESOURCES',
      error: expect.stringMatching(/too many files.*ulimit -n/i),
    });
    expect(readRecords(looper.logDirectory)).toMatchObject([{ run_id: active, status: 'running' }]);
    expect(looper.process.exitCode).toBeNull();

    release();
    await waitFor('it to be ready', async () => (await looper.get('/ready')).status === 200);
    const next = await service.started();
    expect(readRecords(looper.logDirectory)).toHaveLength(2);
    expect(await looper.record(active)).toMatchObject({ outcome: 'replaced' });
    expect(await looper.record(next)).toMatchObject({ status: 'running' });
  },
);

test.runIf(onLinux).each([1, 3])(
  'with %i descriptors, too few for a runner, no agent runs and the run is closed (row 47)',
  async (free) => {
    const service = await startService({ within, env: { LOOPER_STANDBY_RUNNER: '0' } });
    const { looper } = service;
    const client = createClient(service);
    expect((await client.get('/health')).status).toBe(200);
    const { release } = await exhaust(service, free);
    expect(await client.run()).toMatchObject({
      status: 503,
      body: expect.stringContaining('open files'),
    });
    release();
    expect(readRecords(looper.logDirectory)).toMatchObject([
      { status: 'finished', outcome: 'spawn_failed' },
    ]);
    await waitFor('no runner to be left', () => childrenOf(looper.pid).length === 0);
    expect(service.calls()).toEqual([]);
    await looper.ended(await service.started());
    expect(service.calls()).toHaveLength(1);
  },
);
