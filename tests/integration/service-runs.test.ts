/** What `GET /runs`, `/runs/:id` and `/ready` tell. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import { startService } from '../support/service.ts';

/** `fetch` would tidy the path up. */
function statusOfRaw(url: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const sent = request({ hostname, port, path }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('runs are listed newest first, by pages; current and latest are ids', async () => {
  const service = await startService({
    scenario: { turns: [{}, {}, { steps: [{ do: 'hang' }] }] },
  });
  const { looper } = service;
  const ids: string[] = [];
  for (let run = 1; run <= 3; run += 1) {
    ids.unshift(await service.started());
    if (run < 3) await looper.ended(ids[0] ?? '');
  }
  const list = async (query: string): Promise<string[]> =>
    ((await looper.get(`/runs${query}`)).body['runs'] as RunRecord[]).map((run) => run.run_id);
  const all = await list('');
  expect(all).toEqual(ids);
  expect(await list('?limit=2')).toEqual(all.slice(0, 2));
  expect(await list(`?limit=2&before=${all[0]}`)).toEqual(all.slice(1));
  expect(await list(`?before=${all[2]}`)).toEqual([]);

  expect((await looper.get('/runs/current')).body).toMatchObject({
    ok: true,
    run: { run_id: ids[0], status: 'running', trigger: 'http', mode: 'prompt' },
  });
  const latest = (await looper.get('/runs/latest')).body['run'] as RunRecord;
  expect(latest.run_id).toBe(all[0]);
  expect(await list('?before=latest')).toEqual(all.slice(1));
  expect((await looper.get(`/runs/${ids[1]}`)).body).toMatchObject({
    run: { run_id: ids[1], status: 'finished', outcome: 'succeeded' },
  });

  for (const query of ['?limit=0', '?limit=-1', '?limit=x', '?limit=1.5', '?limit=']) {
    const { status } = await looper.get(`/runs${query}`);
    expect({ query, status }).toEqual({ query, status: 400 });
  }
  expect((await looper.get('/runs?before=00000000')).status).toBe(404);
  expect((await looper.get('/runs?limit=100000')).status).toBe(200);
});

test('an id that is none is a 404, whatever it looks like (row 8)', async () => {
  const service = await startService();
  const { url, logDirectory } = service.looper;
  const ids = ['..%2f', '..%2f..%2fetc%2fpasswd', '%00', '%zz', '%e2%80%ae', '0', '00000000'];
  // `..` is no id: it makes the address of the dashboard.
  ids.push('.', encodeURIComponent(logDirectory), 'a'.repeat(5_000), 'ABCDEF01');
  ids.push('current', 'latest', '*', '__proto__', '0badcafe.json');
  for (const id of ids) {
    expect({ id, status: await statusOfRaw(url, `/runs/${id}`) }).toEqual({ id, status: 404 });
  }
  expect((await service.looper.get('/health')).status).toBe(200);
  expect((await service.looper.post('/runs/..%2fx/stop')).status).toBe(404);
});

test('every answer carries a request id, which both logs repeat', async () => {
  const service = await startService();
  const { looper, workspace } = service;
  const body = { zulip_message: 'Go', codex_prompt: 'Do it', workspace };
  const answer = await looper.post('/run', body, { 'X-Request-Id': 'from-the-caller.7' });
  expect(answer.headers.get('x-request-id')).toBe('from-the-caller.7');
  const log = looper.log(answer.body['run_id'] as string);
  expect(log).toMatch(/^# looper_request_id=from-the-caller\.7\n# workspace=.*\n# command=.*\n\n/);
  const lines = readFileSync(join(looper.logDirectory, 'looper-server.log'), 'utf8').split('\n');
  const ours = lines.filter((line) => line.includes('"requestId":"from-the-caller.7"'));
  expect(ours.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'http.start',
    'run.step',
    'run.success',
    'http.end',
  ]);
});
