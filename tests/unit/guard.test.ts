import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import { LooperError } from '../../src/errors.ts';
import { type HttpEnv, answerProblems, setAnswerHeaders } from '../../src/http/answers.ts';
import { parseJsonObject, readBody, readJsonObject } from '../../src/http/body.ts';
import { createGuard, isJsonType } from '../../src/http/guard.ts';

const TOKEN = 'a-token-of-sixteen-letters';

interface AppOptions {
  readonly token?: string;
  readonly host?: string;
  readonly allowedHosts?: readonly string[];
  readonly session?: string;
}

function createApp({ token, host = '127.0.0.1', allowedHosts = [], session }: AppOptions = {}) {
  const app = new Hono<HttpEnv>();
  const bugs: unknown[] = [];
  answerProblems(app, (error) => bugs.push(error));
  app.use(setAnswerHeaders);
  const hasSession = (c: { req: { header(name: string): string | undefined } }) =>
    session !== undefined && c.req.header('cookie') === session;
  app.use(createGuard({ host, allowedHosts, token }, hasSession));
  app.get('/health', (c) => c.json({ ok: true }));
  app.post('/run', async (c) => c.json(await readJsonObject(c)));
  app.post('/runs/:id/stop', (c) => c.json({ ok: true }));
  app.post('/login', (c) => c.text('login'));
  app.post('/hooks/:name', async (c) => c.text(String((await readBody(c)).byteLength)));
  app.get('/page', (c) => c.html('<p>', 200, { 'Content-Security-Policy': 'default-src self' }));
  app.get('/busy', () => {
    throw new LooperError('RUN_IN_PROGRESS', 'busy: another run is in progress', {
      retryAfterSeconds: 1.2,
      details: { active_run_id: 'ab12cd34', status: 'of the run' },
    });
  });
  return Object.assign(app, { bugs });
}

const json = { 'Content-Type': 'application/json' };
const postRun = (headers: Record<string, string> = json, body = '{}'): RequestInit => ({
  method: 'POST',
  headers,
  body,
});

describe('row 66: Host, Origin and Sec-Fetch-Site', () => {
  test.each([
    ['127.0.0.1:3456', 200],
    ['localhost', 200],
    ['LocalHost.:80', 200],
    ['[::1]:3456', 200],
    ['[0:0:0:0:0:0:0:1]', 200],
    ['box.tail.net', 200],
    ['192.168.1.5:80', 200],
    ['evil.example', 421],
    ['localhost.evil.example', 421],
    ['127.0.0.1.nip.io', 421],
    ['127.0.0.2', 421],
    ['0.0.0.0:3456', 421],
    ['[::2]', 421],
    ['localhost:80:80', 421],
    ['', 421],
    ['localhost, evil.example', 421],
  ])('Host %j is %i', async (host, status) => {
    const app = createApp({ host: '192.168.1.5', allowedHosts: ['box.tail.net'] });
    const answer = await app.request('/health', { headers: { Host: host } });
    expect(answer.status).toBe(status);
  });

  test('without a socket the address names the host', async () => {
    expect((await createApp().request('http://evil.example/health')).status).toBe(421);
  });

  test('a wildcard address is no name', async () => {
    const app = createApp({ host: '0.0.0.0', token: TOKEN });
    expect((await app.request('http://0.0.0.0/health')).status).toBe(421);
  });

  test.each<[Record<string, string>, number]>([
    [{}, 200],
    [{ Origin: 'http://localhost:5173' }, 200],
    [{ Origin: 'https://box.tail.net' }, 200],
    [{ Origin: 'http://[::1]:80' }, 200],
    [{ Origin: 'https://evil.example' }, 403],
    [{ Origin: 'null' }, 403],
    [{ Origin: '' }, 403],
    [{ Origin: 'http://localhost@evil.example' }, 403],
    [{ Origin: 'http://localhost/, https://evil.example' }, 403],
    [{ Origin: 'file://localhost' }, 403],
    [{ 'Sec-Fetch-Site': 'same-origin' }, 200],
    [{ 'Sec-Fetch-Site': 'none' }, 200],
    [{ 'Sec-Fetch-Site': 'same-site' }, 403],
    [{ 'Sec-Fetch-Site': 'cross-site' }, 403],
    [{ 'Sec-Fetch-Site': 'new-value' }, 403],
    [{ Origin: 'http://localhost', 'Sec-Fetch-Site': 'cross-site' }, 403],
  ])('%j is %i', async (headers, status) => {
    const app = createApp({ allowedHosts: ['box.tail.net'] });
    const answer = await app.request('/run', postRun({ ...json, ...headers }));
    expect(answer.status).toBe(status);
  });
});

describe('row 67: tokens', () => {
  const requests: Record<string, string>[] = [
    {},
    { Authorization: 'Bearer ' },
    { Authorization: 'Bearer a' },
    { Authorization: `Bearer ${'x'.repeat(5000)}` },
    { Authorization: `Bearer ${TOKEN}x` },
    { Authorization: `Bearer ${TOKEN.slice(0, -1)}` },
    { Authorization: `Bearer ${TOKEN.toUpperCase()}` },
    { Authorization: `Basic ${TOKEN}` },
    { Authorization: TOKEN },
    { 'X-Looper-Token': 'wrong' },
    { Cookie: `token=${TOKEN}` },
  ];

  test('whatever is wrong, the answer is the same 401', async () => {
    const app = createApp({ token: TOKEN });
    const bodies = new Set<string>();
    for (const headers of requests) {
      const answer = await app.request(`/run?token=${TOKEN}`, postRun({ ...json, ...headers }));
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="looper"');
      bodies.add(await answer.text());
    }
    expect(bodies.size).toBe(1);
    expect([...bodies][0]).not.toContain(TOKEN);
  });

  test.each([
    { Authorization: `Bearer ${TOKEN}` },
    { Authorization: `bearer  ${TOKEN}` },
    { 'X-Looper-Token': TOKEN },
    { Authorization: 'Bearer wrong', 'X-Looper-Token': TOKEN },
  ])('%j is let in', async (headers) => {
    const app = createApp({ token: TOKEN });
    expect((await app.request('/run', postRun({ ...json, ...headers }))).status).toBe(200);
  });

  test('what checks itself needs none, everything else does, unknown paths too', async () => {
    const app = createApp({ token: TOKEN });
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const status = async (method: string, path: string) =>
      (await app.request(path, { method, headers: form })).status;
    expect(await status('GET', '/health')).toBe(200);
    expect(await status('POST', '/login')).toBe(200);
    expect(await status('POST', '/hooks/github')).toBe(200);
    const closedTo = async (method: string, paths: readonly string[]) => {
      const statuses = await Promise.all(paths.map((path) => status(method, path)));
      return paths.filter((_, i) => statuses[i] === 401);
    };
    const toGet = ['/page', '/login', '/hooks/github', '/nowhere', '/health/', '/Health'];
    expect(await closedTo('GET', toGet)).toEqual(toGet);
    const toPost = ['/run', '/hooks', '/hooks/', '/hooks/a/b', '/login/x'];
    expect(await closedTo('POST', toPost)).toEqual(toPost);
  });

  test('a session of the dashboard counts as well', async () => {
    const app = createApp({ token: TOKEN, session: 'session=good' });
    const status = async (Cookie: string) =>
      (await app.request('/page', { headers: { Cookie } })).status;
    expect(await status('session=good')).toBe(200);
    expect(await status('session=bad')).toBe(401);
  });

  test('comes after the Host and before the body', async () => {
    const app = createApp({ token: TOKEN });
    expect((await app.request('http://evil.example/run', postRun())).status).toBe(421);
    expect((await app.request('/run', postRun({}, '{'))).status).toBe(401);
  });
});

describe('bodies', () => {
  test.each([
    ['application/json', true],
    ['Application/JSON; charset=utf-8', true],
    ['application/json;charset="UTF-8"', true],
    ['application/json; charset=utf-16', false],
    ['application/jsonp', false],
    ['text/plain; a=application/json', false],
    ['application/json, text/plain', false],
    [undefined, false],
  ])('content type %j: %s', (type, accepted) => {
    expect(isJsonType(type)).toBe(accepted);
  });

  test('a request without a body needs no type, one to a hook brings its own', async () => {
    const app = createApp();
    expect((await app.request('/runs/current/stop', { method: 'POST' })).status).toBe(200);
    const stop = await app.request('/runs/current/stop', { method: 'POST', body: 'text' });
    expect(stop.status).toBe(415);
    const hook = await app.request('/hooks/slack', postRun({ 'Content-Type': 'text/xml' }, 'abc'));
    expect(await hook.text()).toBe('3');
    const large = await app.request('/hooks/slack', postRun(json, 'x'.repeat(1024 ** 2 + 1)));
    expect(large.status).toBe(413);
  });

  test.each([
    ['', 'is empty'],
    [' \n', 'is empty'],
    ['{"a":1', 'is not valid JSON'],
    ["{'a':1}", 'is not valid JSON'],
    ['[]', 'must be a JSON object'],
    ['"text"', 'must be a JSON object'],
    ['null', 'must be a JSON object'],
    [`{"a":${'['.repeat(64)}${']'.repeat(64)}}`, 'is nested deeper than 64 levels'],
  ])('%j is refused', (body, sentence) => {
    expect(() => parseJsonObject(Buffer.from(body))).toThrow(`the body ${sentence}`);
  });

  test.each([
    ['{"a":1,"b":2,"a":1}', '"a"'],
    [String.raw`{"a":{"x":[]}, "\u0061" : 2}`, '"a"'],
    [String.raw`{"k\"":":","":1,"k\"":[]}`, String.raw`"k\""`],
    ['{"":1,"":2}', '""'],
    ['{"__proto__":1,"__proto__":2}', '"__proto__"'],
  ])('%s has a name twice (row 4)', (body, name) => {
    expect(() => parseJsonObject(Buffer.from(body))).toThrow(`the body has the name ${name} twice`);
  });

  test.each(['{"a":{"a":1},"b":[{"a":1},"a","a"],"c":"a"}', '{"a":"\\"a\\":","b":":"}', '{}'])(
    '%s has no name twice (row 4)',
    (body) => {
      expect(parseJsonObject(Buffer.from(body))).toEqual(JSON.parse(body));
    },
  );

  test('brackets in strings, escapes and a byte order mark are fine', () => {
    const value = { text: '[{"\\'.repeat(200), deep: [[[[]]]], 'k{y"': 'Zürich 🚀' };
    expect(parseJsonObject(Buffer.from(JSON.stringify(value)))).toEqual(value);
    expect(parseJsonObject(Buffer.from('\ufeff{"a":1}'))).toEqual({ a: 1 });
    const deep = `{"a":${'['.repeat(63)}${']'.repeat(63)}}`;
    expect(Object.keys(parseJsonObject(Buffer.from(deep)))).toEqual(['a']);
  });

  test.each([[[0xff]], [[0xc0, 0xaf]], [[0xed, 0xa0, 0x80]]])('bytes %j are not UTF-8', (bytes) => {
    const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expect(() => parseJsonObject(body)).toThrow('the body is not valid UTF-8');
  });
});

describe('answers', () => {
  test('carry the request id of the caller, or one of ours', async () => {
    const app = createApp();
    const idFor = async (given: string) => {
      const answer = await app.request('/health', { headers: { 'X-Request-Id': given } });
      return answer.headers.get('x-request-id');
    };
    expect(await idFor('trace-1.2_3')).toBe('trace-1.2_3');
    for (const bad of ['a b', 'a/b', 'x'.repeat(129), 'ü', '"']) {
      expect(await idFor(bad)).toMatch(/^[\da-f-]{36}$/);
    }
  });

  test('are data to a browser, unless a page sets its own policy', async () => {
    const app = createApp();
    const headers = (await app.request('/health')).headers;
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    const page = await app.request('/page');
    expect(page.headers.get('content-security-policy')).toBe('default-src self');
  });

  test('to errors are problem documents that older callers can read', async () => {
    const answer = await createApp().request('/busy');
    expect(answer.status).toBe(409);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(answer.headers.get('x-request-id')).toMatch(/./);
    expect(await answer.json()).toEqual({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      detail: 'busy: another run is in progress',
      code: 'RUN_IN_PROGRESS',
      ok: false,
      error: 'busy: another run is in progress',
      active_run_id: 'ab12cd34',
    });
  });

  test('to bugs say nothing, and the bug is handed on', async () => {
    const app = createApp();
    const bug = new Error('secret detail');
    app.get('/bug', () => {
      throw bug;
    });
    const answer = await app.request('/bug');
    expect(answer.status).toBe(500);
    expect(await answer.json()).toMatchObject({ ok: false, error: 'internal error' });
    expect(app.bugs).toEqual([bug]);
  });

  test('405 names the methods, 404 the path', async () => {
    const app = createApp();
    const wrong = await app.request('/runs/ab/stop');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
    const missing = await app.request('/nowhere');
    expect(await missing.json()).toMatchObject({
      status: 404,
      detail: 'there is nothing at /nowhere',
    });
  });
});
