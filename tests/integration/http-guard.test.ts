import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { type Socket, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LooperError, systemErrorCode } from '../../src/errors.ts';
import { type HttpEnv, answerProblems, setAnswerHeaders } from '../../src/http/answers.ts';
import { readJsonObject } from '../../src/http/body.ts';
import { createGuard } from '../../src/http/guard.ts';
import { type HttpServer, type HttpTimeouts, startHttpServer } from '../../src/http/listen.ts';
import { waitFor } from '../support/wait-for.ts';

const SHORT: HttpTimeouts = { headersMs: 300, requestMs: 600, keepAliveMs: 300, checkEveryMs: 50 };
const MIB = 1024 ** 2;

interface Service extends HttpServer {
  /** Bodies that reached the handler of `POST /run`. */
  readonly received: unknown[];
  readonly bugs: unknown[];
}

async function startService(
  options: { token?: string; timeouts?: HttpTimeouts; maxConnections?: number } = {},
): Promise<Service> {
  const received: unknown[] = [];
  const bugs: unknown[] = [];
  const app = new Hono<HttpEnv>();
  answerProblems(app, (error) => bugs.push(error));
  app.use(setAnswerHeaders);
  app.use(createGuard({ host: '127.0.0.1', allowedHosts: ['tail.net'], token: options.token }));
  app.get('/health', (c) => c.json({ ok: true }));
  app.post('/run', async (c) => {
    received.push(await readJsonObject(c));
    return c.json({ ok: true });
  });
  app.get('/slow', async (c) => {
    await delay(800);
    return c.text('worth the wait');
  });
  app.get('/events', (c) =>
    streamSSE(c, async (stream) => {
      while (!stream.aborted) {
        await stream.writeSSE({ data: 'beat' });
        await delay(100);
      }
    }),
  );
  app.get('/broken', () => {
    throw new Error('secret detail');
  });
  const server = await startHttpServer({
    fetch: app.fetch,
    host: '127.0.0.1',
    port: 0,
    onError: (error) => bugs.push(error),
    ...(options.timeouts && { timeouts: options.timeouts }),
    ...(options.maxConnections !== undefined && { maxConnections: options.maxConnections }),
  });
  onTestFinished(() => server.close({ graceMs: 0 }));
  return { ...server, received, bugs };
}

interface Connection {
  readonly socket: Socket;
  text: string;
  /** Milliseconds from the connection to its end; undefined while it is open. */
  closedAfterMs: number | undefined;
}

async function open(server: HttpServer): Promise<Connection> {
  const socket = connect(server.port, '127.0.0.1');
  const connection: Connection = { socket, text: '', closedAfterMs: undefined };
  const start = performance.now();
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => (connection.text += chunk));
  // A reset is one of the ways in which a server may close.
  socket.on('error', () => undefined);
  socket.on('close', () => (connection.closedAfterMs = performance.now() - start));
  onTestFinished(() => void socket.destroy());
  await waitFor('the connection', () => !socket.connecting);
  return connection;
}

/** Sends bytes as they are and returns what comes back until the server closes. */
async function raw(server: HttpServer, ...parts: (string | Buffer)[]): Promise<string> {
  const connection = await open(server);
  for (const part of parts) connection.socket.write(part);
  await waitFor('the server to close', () => connection.closedAfterMs !== undefined);
  return connection.text;
}

function post(body: string | Buffer, headers: readonly string[] = []): [string, string | Buffer] {
  const lines = [
    'POST /run HTTP/1.1',
    'Host: 127.0.0.1:3456',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...headers,
  ];
  return [`${lines.join('\r\n')}\r\n\r\n`, body];
}

const get = (path: string, ...headers: string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', ''].join('\r\n');

const request = (...lines: string[]) => `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`;

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const bodyOf = (answer: string): unknown =>
  JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));

describe('row 1: content types', () => {
  test('a missing or foreign content type is 415 and reaches no handler', async () => {
    const server = await startService();
    const types = [[], ['Content-Type: text/plain'], ['Content-Type: multipart/form-data']];
    for (const type of types) {
      const lines = ['POST /run HTTP/1.1', 'Host: localhost', ...type, 'Content-Length: 2'];
      const answer = await raw(server, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n{}`);
      expect(statusOf(answer)).toBe(415);
    }
    // What a page on another origin can send without a preflight.
    const blob = await fetch(`${server.url}/run`, { method: 'POST', body: new Blob(['{}']) });
    expect(blob.status).toBe(415);
    expect(server.received).toEqual([]);
  });
});

describe('rows 2 and 3: bodies that are no JSON object', () => {
  test.each<[string, string | Buffer]>([
    ['broken', '{"a":'],
    ['an array', '[1]'],
    ['null', 'null'],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['nested 100,000 deep', '['.repeat(100_000)],
    ['objects nested 100,000 deep', '{"a":'.repeat(100_000)],
  ])('%s: 400, and the service goes on', async (_, body) => {
    const server = await startService();
    const answer = await raw(server, ...post(body));
    expect(statusOf(answer)).toBe(400);
    expect(bodyOf(answer)).toMatchObject({ ok: false, status: 400 });
    expect(statusOf(await raw(server, get('/health')))).toBe(200);
    expect(server.bugs).toEqual([]);
  });

  test('an empty body is 400', async () => {
    const server = await startService();
    expect(statusOf(await raw(server, ...post('')))).toBe(400);
  });
});

test('row 4: a name that stands twice is a 400 that names it', async () => {
  const server = await startService();
  const answer = await raw(server, ...post('{"codex_prompt":"","codex_prompt":"Do it"}'));
  expect(bodyOf(answer)).toMatchObject({
    status: 400,
    error: expect.stringContaining('"codex_prompt" twice'),
  });
  expect(server.received).toEqual([]);
});

describe('row 5: bodies over 1 MiB', () => {
  const tooLarge = JSON.stringify({ a: 'x'.repeat(MIB) });

  test('declared by length: 413, which the sender can read', async () => {
    const server = await startService();
    const answer = await raw(server, ...post(tooLarge));
    expect(statusOf(answer)).toBe(413);
    expect(server.received).toEqual([]);
  });

  test('chunked: 413 as well', async () => {
    const server = await startService();
    const head = post('')[0].replace('Content-Length: 0', 'Transfer-Encoding: chunked');
    const chunk = `${tooLarge.length.toString(16)}\r\n${tooLarge}\r\n0\r\n\r\n`;
    expect(statusOf(await raw(server, head, chunk))).toBe(413);
    expect(server.received).toEqual([]);
  });

  test('1 MiB exactly, chunked or not, is accepted', async () => {
    const server = await startService();
    const body = JSON.stringify({ a: 'x'.repeat(MIB - '{"a":""}'.length) });
    expect(body).toHaveLength(MIB);
    expect(statusOf(await raw(server, ...post(body)))).toBe(200);
    const head = post('')[0].replace('Content-Length: 0', 'Transfer-Encoding: chunked');
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    expect(statusOf(await raw(server, head, chunk))).toBe(200);
    expect(server.received).toHaveLength(2);
  });

  test('a wrong token is refused before the body is looked at', async () => {
    const server = await startService({ token: 'sixteen-letters!' });
    expect(statusOf(await raw(server, ...post(tooLarge)))).toBe(401);
    expect(statusOf(await raw(server, ...post('{', ['X-Looper-Token: wrong'])))).toBe(401);
    const right = ['Authorization: Bearer sixteen-letters!'];
    expect(statusOf(await raw(server, ...post('{}', right)))).toBe(200);
  });
});

describe('row 6: slow clients', () => {
  test('a header that drips is cut off, with an answer', async () => {
    const server = await startService({ timeouts: SHORT });
    const connection = await open(server);
    connection.socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n');
    const drip = setInterval(() => connection.socket.write('X-A: b\r\n'), 50);
    onTestFinished(() => clearInterval(drip));
    await waitFor('the cut', () => connection.closedAfterMs !== undefined, 3000);
    expect(statusOf(connection.text)).toBe(408);
    expect(connection.text).toMatch(/X-Request-Id: \S/i);
  });

  test('a body that drips is cut off and is no bug of ours', async () => {
    const server = await startService({ timeouts: SHORT });
    const connection = await open(server);
    const [head] = post('x'.repeat(1000));
    connection.socket.write(head);
    const drip = setInterval(() => connection.socket.write('x'), 50);
    onTestFinished(() => clearInterval(drip));
    await waitFor('the cut', () => connection.closedAfterMs !== undefined, 3000);
    expect(connection.closedAfterMs).toBeGreaterThan(SHORT.requestMs - 100);
    expect(server.received).toEqual([]);
    await delay(50);
    expect(server.bugs).toEqual([]);
  });

  test('a connection that never says anything is closed', async () => {
    const server = await startService({ timeouts: SHORT });
    const connection = await open(server);
    await waitFor('the close', () => connection.closedAfterMs !== undefined, 3000);
    expect(connection.closedAfterMs).toBeGreaterThan(SHORT.headersMs - 100);
  });

  test('a connection that was answered and says nothing more is closed', async () => {
    const server = await startService({ timeouts: SHORT });
    const connection = await open(server);
    connection.socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor('the answer', () => connection.text.includes('"ok":true'));
    await waitFor('the close', () => connection.closedAfterMs !== undefined, 4000);
    expect(connection.text.match(/HTTP/g)).toHaveLength(1);
  });

  test('an answer may take longer than a request', async () => {
    const server = await startService({ timeouts: SHORT });
    const answer = await raw(server, get('/slow'));
    expect(statusOf(answer)).toBe(200);
    expect(answer).toContain('worth the wait');
  });

  test('an event stream outlives every limit', async () => {
    const server = await startService({ timeouts: SHORT });
    const connection = await open(server);
    connection.socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor('beats', () => connection.text.split('beat').length > 8, 5000);
    expect(connection.closedAfterMs).toBeUndefined();
  });
});

const LOCAL = 'Host: localhost';
const manyHeaders = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `X-${i}: ${i}`);
/** `POST /run` with this encoding of its body. */
const chunked = (encoding: string, body: string): string =>
  [
    'POST /run HTTP/1.1',
    LOCAL,
    'Content-Type: application/json',
    `Transfer-Encoding: ${encoding}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');

describe('row 7: ambiguous requests', () => {
  test.each<[string, number, string]>([
    ['two Hosts', 421, request('GET /health HTTP/1.1', LOCAL, LOCAL)],
    ['a good and a bad Host', 421, request('GET /health HTTP/1.1', LOCAL, 'Host: evil.example')],
    ['no Host', 421, request('GET /health HTTP/1.1')],
    ['no Host in HTTP/1.0', 421, request('GET /health HTTP/1.0')],
    ['an absolute URL', 421, request('GET http://localhost/health HTTP/1.1', LOCAL)],
    ['a foreign absolute URL', 421, request('GET http://evil.example/ HTTP/1.1', LOCAL)],
    ['a foreign Host', 421, request('GET /health HTTP/1.1', 'Host: evil.example:3456')],
    ['a Host with a path', 400, request('GET /health HTTP/1.1', 'Host: localhost/evil')],
    ['a Host with a user', 400, request('GET /health HTTP/1.1', 'Host: localhost@evil.example')],
    ['an asterisk', 400, request('OPTIONS * HTTP/1.1', LOCAL)],
    [
      'a length and chunks',
      400,
      request('POST /run HTTP/1.1', LOCAL, 'Content-Length: 2', 'Transfer-Encoding: chunked'),
    ],
    [
      'two lengths',
      400,
      request('POST /run HTTP/1.1', LOCAL, 'Content-Length: 2', 'Content-Length: 3'),
    ],
    ['a folded header', 400, request('GET /health HTTP/1.1', LOCAL, 'X-A: b', ' c')],
    [
      'a header of 20 KB',
      431,
      request('GET /health HTTP/1.1', LOCAL, `X-A: ${'b'.repeat(20_000)}`),
    ],
    ['2,500 headers', 431, request('GET /health HTTP/1.1', LOCAL, ...manyHeaders(2500))],
    ['bare line feeds', 400, 'GET /health HTTP/1.1\nHost: localhost\nConnection: close\n\n'],
    ['a bare line feed', 400, request('GET /health HTTP/1.1', `${LOCAL}\nX-A: b`)],
    ['a bare carriage return', 400, request('GET /health HTTP/1.1', `${LOCAL}\rX-A: b`)],
    ['a blank before the colon', 400, request('GET /health HTTP/1.1', 'Host : localhost')],
    ['a NUL in a header', 400, request('GET /health HTTP/1.1', LOCAL, 'X-A: \0')],
    ['a length with a sign', 400, request('POST /run HTTP/1.1', LOCAL, 'Content-Length: +2')],
    ['a length in hex', 400, request('POST /run HTTP/1.1', LOCAL, 'Content-Length: 0x2')],
    ['a negative length', 400, request('POST /run HTTP/1.1', LOCAL, 'Content-Length: -2')],
    ['a list of lengths', 400, request('POST /run HTTP/1.1', LOCAL, 'Content-Length: 2, 2')],
    ['another encoding', 400, chunked('xchunked', '2\r\n{}\r\n0\r\n\r\n')],
    ['chunks that are not last', 400, chunked('chunked, identity', '2\r\n{}\r\n0\r\n\r\n')],
    ['a chunk size of 2^64', 400, chunked('chunked', '10000000000000002\r\n{}\r\n0\r\n\r\n')],
    ['chunks with bare line feeds', 400, chunked('chunked', '2\n{}\n0\n\n')],
    ['a method of nobody', 400, request('FETCH /health HTTP/1.1', LOCAL)],
    ['another protocol', 400, request('GET /health HTTP/3.0', LOCAL)],
    ['the preface of HTTP/2', 400, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TRACE', 405, request('TRACE /health HTTP/1.1', LOCAL)],
    ['no HTTP at all', 400, 'hello\r\n\r\n'],
  ])('%s: %i as a problem document with a request id', async (_, status, bytes) => {
    const server = await startService();
    const answer = await raw(server, bytes);
    expect(statusOf(answer)).toBe(status);
    expect(answer).toMatch(/^x-request-id: \S+\r$/im);
    expect(answer).toMatch(/^content-type: application\/problem\+json\r$/im);
    expect(bodyOf(answer)).toMatchObject({ ok: false, status, error: expect.any(String) });
  });

  test('a body behind the length, or behind the last chunk, is a request of its own', async () => {
    const server = await startService({ token: 'sixteen-letters!' });
    const hidden = request('POST /run HTTP/1.1', LOCAL, 'Content-Type: application/json');
    const bodies = [
      `GET /health HTTP/1.1\r\n${LOCAL}\r\n\r\n${hidden}`,
      `GET /health HTTP/1.1\r\n${LOCAL}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    ];
    for (const bytes of bodies) {
      const statuses = [...(await raw(server, bytes)).matchAll(/HTTP\/1\.1 (\d+)/g)];
      expect(statuses.map(([, status]) => Number(status))).toEqual([200, 401]);
    }
    expect(server.received).toEqual([]);
  });

  test('pipelined requests are answered one after the other, each by its own headers', async () => {
    const server = await startService({ token: 'sixteen-letters!' });
    const ask = (...headers: string[]): string =>
      [
        'POST /run HTTP/1.1',
        LOCAL,
        'Content-Type: application/json',
        'Content-Length: 2',
        ...headers,
      ]
        .join('\r\n')
        .concat('\r\n\r\n{}');
    const right = 'X-Looper-Token: sixteen-letters!';
    const answer = await raw(server, ask(right), ask(), ask(right, 'Connection: close'));
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
    expect(statuses).toEqual([200, 401, 200]);
    expect(server.received).toEqual([{}, {}]);
  });

  test('chunk extensions and trailers change nothing, within a limit', async () => {
    const server = await startService();
    const with_ = (extension: string, trailer = ''): string =>
      chunked('chunked', `2;${extension}\r\n{}\r\n0\r\n${trailer}\r\n`);
    const trailer = 'X-Looper-Token: x\r\n';
    expect(statusOf(await raw(server, with_('a=b', trailer)))).toBe(200);
    expect(statusOf(await raw(server, with_('a'.repeat(20_000))))).toBe(413);
    expect(server.received).toEqual([{}]);
  });

  test('an expectation that nobody knows changes nothing either', async () => {
    const server = await startService({ token: 'sixteen-letters!' });
    expect(statusOf(await raw(server, get('/health', 'Expect: wonders')))).toBe(200);
    expect(statusOf(await raw(server, get('/events', 'Expect: wonders')))).toBe(401);
    const [head, body] = post('{}', ['Expect: 100-continue', 'X-Looper-Token: sixteen-letters!']);
    expect(await raw(server, head, body)).toMatch(/^HTTP\/1\.1 100 .*HTTP\/1\.1 200 /s);
  });

  test('who asks for a tunnel gets none', async () => {
    const server = await startService();
    expect(await raw(server, request('CONNECT localhost:22 HTTP/1.1', LOCAL))).toBe('');
    expect(statusOf(await raw(server, get('/health')))).toBe(200);
  });

  test('who asks for another protocol is answered in this one', async () => {
    const server = await startService({ token: 'sixteen-letters!' });
    for (const protocol of ['websocket', 'h2c']) {
      const upgrade = (path: string): string =>
        [`GET ${path} HTTP/1.1`, LOCAL, 'Connection: Upgrade', `Upgrade: ${protocol}`]
          .join('\r\n')
          .concat('\r\n\r\n');
      const connection = await open(server);
      connection.socket.write(upgrade('/health'));
      await waitFor('the answer', () => connection.text.includes('"ok":true'));
      expect(statusOf(connection.text)).toBe(200);
      connection.socket.write(upgrade('/events'));
      await waitFor('the refusal', () => connection.text.includes('HTTP/1.1 401'));
    }
  });

  test('names are compared without port, case and trailing dot', async () => {
    const server = await startService();
    const hosts = ['LOCALHOST', 'localhost.:1', '[::1]:9', '127.0.0.1', 'Tail.Net:443'];
    const answers = await Promise.all(
      hosts.map((host) => raw(server, request('GET /health HTTP/1.1', `Host: ${host}`))),
    );
    expect(answers.map(statusOf)).toEqual(hosts.map(() => 200));
  });
});

describe('row 8: odd paths', () => {
  test.each(['/runs/..%2f..%2fetc%2fpasswd', '/runs/%00', '/runs/%zz', '/runs/%e2%80%ae'])(
    '%s: 404, and nobody gets past the token that way',
    async (path) => {
      const open = await startService();
      expect(statusOf(await raw(open, get(path)))).toBe(404);
      const guarded = await startService({ token: 'sixteen-letters!' });
      expect(statusOf(await raw(guarded, get(path)))).toBe(401);
    },
  );

  test('the ways around an exempt path lead to the token', async () => {
    const server = await startService({ token: 'sixteen-letters!' });
    const paths = ['/hooks/x/../../run', '/hooks/../run', '/login/../run', '/health/../run'];
    paths.push('/hooks/%2e%2e/run', '//run', '/run/.');
    const [head, body] = post('{}');
    const answers = await Promise.all(
      paths.map((path) => raw(server, head.replace('/run', path), body)),
    );
    expect(answers.map(statusOf)).toEqual(paths.map(() => 401));
    expect(server.received).toEqual([]);
  });
});

describe('row 9: a client that goes away', () => {
  test('in the middle of its body: nothing starts, nothing is a bug', async () => {
    const server = await startService();
    const connection = await open(server);
    connection.socket.write(post('{"a":1}')[0]);
    connection.socket.write('{"a"');
    await delay(50);
    connection.socket.destroy();
    expect(statusOf(await raw(server, get('/health')))).toBe(200);
    await delay(50);
    expect(server.received).toEqual([]);
    expect(server.bugs).toEqual([]);
  });
});

describe('row 10: many idle connections', () => {
  test('the one too many is refused, and health answers on the others and again later', async () => {
    const server = await startService({ maxConnections: 20, timeouts: SHORT });
    const idle = await Promise.all(Array.from({ length: 20 }, () => open(server)));
    const refused = await open(server);
    await waitFor('the refusal', () => refused.closedAfterMs !== undefined, 2000);
    expect(refused.text).toBe('');
    idle[0]?.socket.write(get('/health'));
    await waitFor('an answer', () => statusOf(idle[0]?.text ?? '') === 200);
    await waitFor('the idle ones to be closed', () =>
      idle.every((connection) => connection.closedAfterMs !== undefined),
    );
    expect(statusOf(await raw(server, get('/health')))).toBe(200);
  });
});

test('404, 405 and 500 are problem documents that carry the request id of the caller', async () => {
  const server = await startService();
  for (const [status, path] of [
    [404, '/nowhere'],
    [405, '/run'],
    [500, '/broken'],
  ] as const) {
    const answer = await fetch(`${server.url}${path}`, { headers: { 'X-Request-Id': 'mine.1' } });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('x-request-id')).toBe('mine.1');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('allow')).toBe(status === 405 ? 'POST' : null);
    expect(await answer.json()).toMatchObject({ ok: false, status });
  }
  expect(server.bugs).toEqual([new Error('secret detail')]);
});

test('a port in use is an error that names the address and what to do', async () => {
  const server = await startService();
  const second = startHttpServer({
    fetch: () => new Response(),
    host: '127.0.0.1',
    port: server.port,
    onError: () => undefined,
  });
  const error = await second.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LooperError);
  expect(String(error)).toContain(`127.0.0.1:${server.port}`);
  expect(String(error)).toContain('LOOPER_PORT');
  expect(error instanceof LooperError && systemErrorCode(error.cause)).toBe('EADDRINUSE');
});

describe('close', () => {
  test('lets an answer finish, refuses new connections, and is shared by later calls', async () => {
    const server = await startService();
    const answer = raw(server, get('/slow'));
    await delay(100);
    const first = server.close({ graceMs: 5000 });
    const second = server.close({ graceMs: 0 });
    expect(second).toBe(first);
    await expect(fetch(`${server.url}/health`)).rejects.toThrow('fetch failed');
    expect(await answer).toContain('worth the wait');
    await first;
  });

  test('cuts an event stream after the grace (row 63)', async () => {
    const server = await startService();
    const connection = await open(server);
    connection.socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor('a beat', () => connection.text.includes('beat'));
    const start = performance.now();
    await server.close({ graceMs: 150 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(140);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test('an idle keep-alive connection does not hold it up', async () => {
    const server = await startService();
    const connection = await open(server);
    connection.socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor('the answer', () => connection.text.includes('"ok":true'));
    const start = performance.now();
    await server.close({ graceMs: 3000 });
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test('nor does one that becomes idle while closing', async () => {
    const server = await startService();
    const connection = await open(server);
    connection.socket.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await delay(100);
    const start = performance.now();
    await server.close({ graceMs: 4000 });
    expect(performance.now() - start).toBeLessThan(2000);
    await waitFor('the answer', () => connection.text.endsWith('worth the wait'));
  });
});
