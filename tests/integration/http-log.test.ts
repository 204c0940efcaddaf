import { appendFileSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { runFile, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

async function finishedRun() {
  const service = await startService({ scenario: { steps: [{ do: 'lines', count: 20 }] } });
  const id = await service.started();
  await service.looper.ended(id);
  const url = `${service.looper.url}/runs/${id}/log`;
  const get = async (range?: string, more: Record<string, string> = {}) => {
    const response = await fetch(url, {
      headers: { ...(range === undefined ? {} : { Range: range }), ...more },
    });
    return { response, body: Buffer.from(await response.arrayBuffer()) };
  };
  return { service, id, url, get, path: runFile(service.looper.logDirectory, id, '.log') };
}

it('answers with the raw log, and with any part of it', async () => {
  const { get, service, id, url } = await finishedRun();
  const whole = Buffer.from(service.looper.log(id));
  const all = await get();
  expect(all.response.status).toBe(200);
  expect(all.body.equals(whole)).toBe(true);
  expect(Object.fromEntries(all.response.headers)).toMatchObject({
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    'content-length': String(whole.length),
    'last-modified': expect.stringMatching(/ GMT$/),
  });
  for (const [range, start, end] of [
    ['bytes=0-9', 0, 10],
    ['bytes=100-', 100, whole.length],
    ['bytes=-25', whole.length - 25, whole.length],
    [`bytes=${whole.length - 1}-999999`, whole.length - 1, whole.length],
  ] as const) {
    const part = await get(range);
    expect(part.response.status).toBe(206);
    expect(part.response.headers.get('content-range')).toBe(
      `bytes ${start}-${end - 1}/${whole.length}`,
    );
    expect(part.body.equals(whole.subarray(start, end))).toBe(true);
  }
  const none = await get(`bytes=${whole.length}-`);
  expect(none.response.status).toBe(416);
  expect(none.response.headers.get('content-range')).toBe(`bytes */${whole.length}`);
  expect(JSON.parse(none.body.toString())).toMatchObject({ ok: false, status: 416 });
  // A validator that we never gave: everything.
  expect((await get('bytes=0-9', { 'If-Range': '"x"' })).response.status).toBe(200);
  const head = await fetch(url, { method: 'HEAD' });
  expect(head.headers.get('content-length')).toBe(String(whole.length));
  expect((await service.looper.get('/runs/00000000/log')).status).toBe(404);
});

it('takes a log that is not there yet for an empty one', async () => {
  const { get, path } = await finishedRun();
  rmSync(path);
  const { response, body } = await get();
  expect([response.status, body.length]).toEqual([200, 0]);
  expect((await get('bytes=0-')).response.status).toBe(416);
});

it('answers a log of a gigabyte at once, whatever its reader does, in little memory', async () => {
  const { url, path, service } = await finishedRun();
  truncateSync(path, 1024 ** 3);
  appendFileSync(path, 'the end\n');
  const started = performance.now();
  const response = await fetch(url, { headers: { Range: 'bytes=-8' } });
  expect(await response.text()).toBe('the end\n');
  expect(performance.now() - started).toBeLessThan(2_000);

  const before = memoryOf(service.looper.pid);
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`GET ${new URL(url).pathname} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await waitFor('the first bytes', () => socket.bytesRead > 0);
  socket.pause();
  await delay(500);
  expect(socket.bytesRead).toBeLessThan(64 * 1024 ** 2);
  expect(memoryOf(service.looper.pid) - before).toBeLessThan(64 * 1024);
  socket.destroy();
});

/** In KiB. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
}
