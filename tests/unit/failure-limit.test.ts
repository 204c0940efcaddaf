import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { LooperError } from '../../src/errors.ts';
import { type HttpEnv, answerProblems, setAnswerHeaders } from '../../src/http/answers.ts';
import { createFailureLimit } from '../../src/http/failure-limit.ts';
import { createGuard } from '../../src/http/guard.ts';

const TOKEN = 'a-token-of-sixteen-letters';

function setting() {
  const clock = { now: 0 };
  const app = new Hono<HttpEnv>();
  answerProblems(app, () => undefined);
  app.use(setAnswerHeaders);
  app.use(createFailureLimit({ maxFailures: 3, windowMs: 60_000, now: () => clock.now }));
  app.use(createGuard({ host: '127.0.0.1', allowedHosts: [], token: TOKEN }));
  app.get('/health', (c) => c.json({ ok: true }));
  app.get('/runs', (c) => c.json({ ok: true }));
  app.get('/runs/:id', () => {
    throw new LooperError('NOT_FOUND', 'there is no run');
  });
  app.post('/hooks/:name', (c) => {
    const name = c.req.param('name');
    if (!['a', 'b'].includes(name)) throw new LooperError('NOT_FOUND', 'there is no hook');
    if (c.req.header('x-good') === undefined) throw new LooperError('UNAUTHORISED', 'unauthorized');
    return c.json({ ok: true }, 202);
  });
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const method = path.startsWith('/hooks') ? 'POST' : 'GET';
    return app.request(`http://localhost${path}`, { method, headers });
  };
  const statuses = async (path: string, count: number) => {
    const answers: number[] = [];
    for (let i = 0; i < count; i += 1) answers.push((await ask(path)).status);
    return answers;
  };
  return { clock, ask, statuses };
}

test('row 74: after some wrong tokens 429, with health fine and the right token let in', async () => {
  const { ask, statuses, clock } = setting();
  expect(await statuses('/runs', 5)).toEqual([401, 401, 401, 429, 429]);
  clock.now = 20_000;
  const answer = await ask('/runs');
  expect(answer.status).toBe(429);
  expect(answer.headers.get('retry-after')).toBe('40');
  expect(answer.headers.get('x-request-id')).toMatch(/\S/);
  expect(await answer.json()).toMatchObject({ ok: false, status: 429, code: 'TOO_MANY_FAILURES' });
  expect((await ask('/health')).status).toBe(200);
  expect((await ask('/runs', { 'X-Looper-Token': TOKEN })).status).toBe(200);
  expect((await ask('/hooks/a')).status).toBe(401);
});

test('the next window begins anew', async () => {
  const { statuses, clock } = setting();
  expect(await statuses('/runs', 4)).toEqual([401, 401, 401, 429]);
  clock.now = 60_000;
  expect(await statuses('/runs', 4)).toEqual([401, 401, 401, 429]);
});

test('each hook counts for itself, unknown ones together, and a good signature passes', async () => {
  const { ask, statuses } = setting();
  expect(await statuses('/hooks/a', 4)).toEqual([401, 401, 401, 429]);
  expect(await statuses('/hooks/b', 1)).toEqual([401]);
  expect((await ask('/hooks/a', { 'X-Good': '1' })).status).toBe(202);
  const unknown = ['/hooks/x', '/hooks/y', '/hooks/z', '/hooks/zz'];
  const answers = [];
  for (const path of unknown) answers.push((await ask(path)).status);
  expect(answers).toEqual([404, 404, 404, 429]);
});

test('other failures do not count', async () => {
  const { ask } = setting();
  for (let i = 0; i < 10; i += 1) {
    expect((await ask('/runs/1', { 'X-Looper-Token': TOKEN })).status).toBe(404);
  }
});
