import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { LooperError } from '../../src/errors.ts';
import { deliver } from '../../src/notify/deliver.ts';
import type { Message } from '../../src/notify/index.ts';
import { createZulip, type ZulipConfig } from '../../src/notify/zulip.ts';
import { startFakeZulip, type FakeZulipMode, type RecordedRequest } from '../support/fake-zulip.ts';
import { createZulipJs } from '../support/zulip-js.ts';

const KEY = 'canary-key-0123456789abcdef';
const BASIC = Buffer.from(`bot@example.com:${KEY}`).toString('base64');
const MESSAGE: Message = {
  kind: 'start',
  text: 'run started',
  runId: '0a1b2c3d',
  workspace: '/srv/some/app',
  id: 'looper_0a1b2c3d_start',
  at: '2026-01-01T00:00:00.000Z',
};

function setUp(site: string, overrides: Partial<ZulipConfig> = {}, timeoutMs = 5000) {
  const logged: string[] = [];
  const write = (fields: object, event: string) => {
    logged.push(`${event} ${JSON.stringify(fields)}`);
  };
  const log = { info: write, warn: write };
  const config: ZulipConfig = {
    site,
    email: 'bot@example.com',
    apiKey: KEY,
    source: 'env-only',
    type: 'stream',
    stream: 'coding',
    topic: 'loops',
    to: undefined,
    ...overrides,
  };
  const zulip = createZulip(config, { timeoutMs, log });
  const send = (message: Partial<Message> = {}) =>
    zulip.send({ ...MESSAGE, ...message }, AbortSignal.timeout(timeoutMs));
  const attempt = () => deliver(zulip, MESSAGE, { timeoutMs, log });
  return { zulip, send, attempt, logged };
}

/** The sentence of the error, which must be one of ours and must not hold the key. */
async function sentenceOf(sending: Promise<unknown>): Promise<string> {
  const error: unknown = await sending.then(
    (delivery) => new Error(`delivered: ${JSON.stringify(delivery)}`),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(LooperError);
  const { code, message } = error as LooperError;
  expect(code).toBe('NOTIFY_FAILED');
  expect(message).not.toContain(KEY);
  expect(message).not.toContain(BASIC);
  return message;
}

/** What two requests for the same message have in common. */
function onTheWire({ method, path, authorization, mediaType, fields }: RecordedRequest) {
  return { method, path, authorization, mediaType, fields };
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('a delivery', () => {
  it("gives the original's sentence for a stream", async () => {
    await using server = await startFakeZulip();
    const { send } = setUp(server.url);
    expect(await send()).toEqual({
      output: 'OK message_id=1001 type=stream stream=coding topic=loops',
    });
    expect(server.messages).toEqual([
      { type: 'stream', to: 'coding', topic: 'loops', content: 'run started' },
    ]);
  });

  it.each([
    ['/srv/some/app', 'app'],
    ['/', 'Looper'],
    [null, 'Looper'],
  ])('has a topic for each workspace where none is set: %s', async (workspace, topic) => {
    await using server = await startFakeZulip();
    const { send } = setUp(server.url, { topic: undefined });
    const { output } = await send({ workspace });
    expect(output).toBe(`OK message_id=1001 type=stream stream=coding topic=${topic}`);
    expect(server.messages[0]).toMatchObject({ topic });
  });

  it('strips the trailing slash of the site', async () => {
    await using server = await startFakeZulip();
    await setUp(`${server.url}/`).send();
    expect(server.requests[0]?.path).toBe('/api/v1/messages');
  });

  it('row 17: is cut at the limit by code point, neutralised, and without the key', async () => {
    await using server = await startFakeZulip();
    const { send } = setUp(server.url, { topic: undefined });
    await send({
      kind: 'question',
      text: `\u001B[31m@**all**\u001B[0m ${KEY}\0${'👍'.repeat(10_001)}`,
      workspace: `/srv/${'T'.repeat(100)}`,
    });
    const { content = '', topic } = server.messages[0] ?? {};
    expect(content.startsWith('@\u200B**all** [redacted]\uFFFD👍')).toBe(true);
    expect(content.endsWith('👍\n[message truncated]')).toBe(true);
    expect(Array.from(content).length).toBeLessThanOrEqual(10_000);
    expect(topic).toBe(`${'T'.repeat(57)}...`);
  });
});

describe('a private message', () => {
  const users = [
    { user_id: 7, full_name: 'Ada Lovelace' },
    { user_id: 8, full_name: 'Ada Yonath' },
    { user_id: 9, full_name: 'Grace Hopper', is_active: false },
  ];

  it.each([
    ['ada@example.com', '["ada@example.com"]'],
    ['42', '[42]'],
  ])('goes to %s without a look-up', async (to, expected) => {
    await using server = await startFakeZulip({ users });
    const { output } = await setUp(server.url, { type: 'private', to }).send();
    expect(output).toBe(`OK message_id=1001 type=private to=${to}`);
    expect(server.requests.map((request) => request.path)).toEqual(['/api/v1/messages']);
    expect(server.messages).toEqual([{ type: 'private', to: expected, content: 'run started' }]);
  });

  it('looks a name up once', async () => {
    await using server = await startFakeZulip({ users });
    const { send } = setUp(server.url, { type: 'private', to: 'lovelace' });
    expect((await send()).output).toBe('OK message_id=1001 type=private to=lovelace');
    await send();
    expect(server.requests.map((request) => `${request.method} ${request.path}`)).toEqual([
      'GET /api/v1/users',
      'POST /api/v1/messages',
      'POST /api/v1/messages',
    ]);
    expect(server.messages[1]).toMatchObject({ to: '[7]' });
  });

  it('is not sent when the name fits two people', async () => {
    await using server = await startFakeZulip({ users });
    const { send } = setUp(server.url, { type: 'private', to: 'Ada' });
    expect(await sentenceOf(send())).toMatch(/fits Ada Lovelace \(7\), Ada Yonath \(8\)\./u);
    expect(server.messages).toEqual([]);
  });

  it('asks again after a look-up that failed', async () => {
    await using server = await startFakeZulip({ users, mode: 'unauthorized' });
    const { send } = setUp(server.url, { type: 'private', to: 'Ada Lovelace' });
    expect(await sentenceOf(send())).toMatch(/HTTP 401/u);
    server.mode = 'ok';
    await send();
    expect(server.messages).toHaveLength(1);
  });
});

describe('the same message by zulip-js', () => {
  const text = 'Grüße 👍\n`code`\t--dry-run "quoted" & a=b; c%20d\r\n\r\n-- end  ';
  // \r\n is the one thing that is not kept: a lone \r is a control character in a chat.
  const content = text.replaceAll('\r\n', '\n');

  it('is the same request, for a stream', async () => {
    await using server = await startFakeZulip();
    const oracle = await createZulipJs({
      realm: server.url,
      username: 'bot@example.com',
      apiKey: KEY,
    });
    await oracle.messages.send({ type: 'stream', to: 'coding & more', topic: 'ä/ö', content });
    await setUp(server.url, { stream: 'coding & more', topic: 'ä/ö' }).send({ text });
    const [theirs, ours] = server.requests.map(onTheWire);
    expect(server.requests).toHaveLength(2);
    expect(ours).toEqual(theirs);
    // Guards the comparison: the fake did understand what it compared.
    expect(theirs).toMatchObject({
      authorization: `Basic ${BASIC}`,
      mediaType: 'multipart/form-data',
      fields: { type: 'stream', to: 'coding & more', topic: 'ä/ö', content },
    });
  });

  it.each([
    ['ada@example.com', 'ada@example.com'],
    ['42', 42],
  ])('is the same request, for %s', async (to, recipient) => {
    await using server = await startFakeZulip();
    const oracle = await createZulipJs({
      realm: server.url,
      username: 'bot@example.com',
      apiKey: KEY,
    });
    await oracle.messages.send({ type: 'private', to: [recipient], content });
    await setUp(server.url, { type: 'private', to }).send({ text });
    const [theirs, ours] = server.requests.map(onTheWire);
    expect(server.requests).toHaveLength(2);
    expect(ours).toEqual(theirs);
  });

  it('is the same look-up', async () => {
    await using server = await startFakeZulip({ users: [{ user_id: 7, full_name: 'Ada' }] });
    const oracle = await createZulipJs({
      realm: server.url,
      username: 'bot@example.com',
      apiKey: KEY,
    });
    await oracle.users.retrieve({});
    await setUp(server.url, { type: 'private', to: 'Ada' }).send();
    const [theirs, ours] = server.requests.map(onTheWire);
    expect(ours).toMatchObject({ method: 'GET', path: '/api/v1/users' });
    expect(ours).toEqual(theirs);
  });
});

describe('a server that fails', () => {
  it('row 11: refused: one retry, then a failure; the run is not affected', async () => {
    const site = `http://127.0.0.1:${await closedPort()}`;
    const { attempt, logged } = setUp(site);
    expect(await attempt()).toMatchObject({
      kind: 'failed',
      isInDoubt: false,
      sentence: expect.stringMatching(
        /^cannot reach Zulip at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*Check ZULIP_SITE/u,
      ),
    });
    expect(logged.map((line) => line.split(' ')[0])).toEqual([
      'notify.zulip.retry',
      'notify.failed',
    ]);
  });

  it('row 11: a name that does not exist is a failure that names it', async () => {
    // One letter longer than a label may be: the resolver says no without asking a server.
    const { send } = setUp(`http://${'z'.repeat(64)}.invalid`);
    expect(await sentenceOf(send())).toMatch(
      /cannot reach Zulip at http:\/\/z+\.invalid: getaddrinfo /u,
    );
  });

  it('row 11: a connection that was reset may have delivered, so it is in doubt', async () => {
    await using server = await startFakeZulip({ mode: 'reset-once' });
    expect(await setUp(server.url).attempt()).toMatchObject({ kind: 'failed', isInDoubt: true });
    expect(server.requests).toHaveLength(1);
  });

  it.each<FakeZulipMode>(['hang', 'drip'])('row 12: %s: ends at the deadline', async (mode) => {
    await using server = await startFakeZulip({ mode });
    const { zulip, attempt } = setUp(server.url, {}, 150);
    const startedAt = performance.now();
    expect(await attempt()).toMatchObject({
      kind: 'failed',
      isInDoubt: true,
      sentence: 'no answer within 0.15 s (LOOPER_NOTIFY_TIMEOUT_SECONDS)',
    });
    expect(performance.now() - startedAt).toBeLessThan(1000);
    const alone = zulip.send(MESSAGE, AbortSignal.timeout(100));
    expect(await sentenceOf(alone)).toMatch(/did not answer in time/u);
  });

  it('row 12: cut body: a failure at once, and not posted a second time', async () => {
    await using server = await startFakeZulip({ mode: 'cut' });
    expect(await sentenceOf(setUp(server.url).send())).toMatch(/said 200: the answer broke off/u);
    expect(server.requests).toHaveLength(1);
  });

  it('row 12: an answer without end is cut off', async () => {
    await using server = await startFakeZulip({ mode: 'huge' });
    expect(await sentenceOf(setUp(server.url).send())).toMatch(/longer than 65536 B/u);
  });

  it.each<[FakeZulipMode, RegExp]>([
    ['html', /said 200 with "<!doctype html><h1>Hi<\/h1>", which is not an answer of Zulip/u],
    ['null', /said 200 with "null", which is not/u],
    ['empty', /said 200 with an empty body, which is not/u],
  ])('row 13: 200 %s: a failure, not a success', async (mode, expected) => {
    await using server = await startFakeZulip({ mode });
    expect(await sentenceOf(setUp(server.url).send())).toMatch(expected);
    expect(server.requests).toHaveLength(1);
  });

  it.each<[FakeZulipMode, RegExp]>([
    [
      'unauthorized',
      /refused: Invalid API key \(HTTP 401, INVALID_API_KEY\)\. Check ZULIP_BOT_EMAIL/u,
    ],
    ['bad-request', /refused: Channel 'x' does not exist \(HTTP 400, STREAM_DOES_NOT_EXIST\)$/u],
  ])('row 14: %s: a failure with the code, no retry', async (mode, expected) => {
    await using server = await startFakeZulip({ mode });
    expect(await sentenceOf(setUp(server.url).send())).toMatch(expected);
    expect(server.requests).toHaveLength(1);
  });

  it('row 14: an error that repeats the credentials is shown without them', async () => {
    await using server = await startFakeZulip({ mode: 'echo' });
    const { send, attempt, logged } = setUp(server.url);
    expect(await sentenceOf(send())).toMatch(/headers: Basic \[redacted\]/u);
    await attempt();
    expect(logged.join('\n')).not.toMatch(new RegExp(`${KEY}|${BASIC}`, 'u'));
  });

  it.each<FakeZulipMode>(['rate-limited', 'rate-limited-json'])(
    'row 15: %s: waits as long as it is told, then delivers',
    async (mode) => {
      await using server = await startFakeZulip({ mode, retryAfterSeconds: 0.4 });
      expect((await setUp(server.url).send()).output).toMatch(/^OK message_id=1001/u);
      const [first, second] = server.requests;
      const waitedMs = (second?.receivedAtMs ?? 0) - (first?.receivedAtMs ?? 0);
      // More than the 250 ms of an answer that does not say.
      expect(waitedMs).toBeGreaterThanOrEqual(390);
    },
  );

  it('row 15: a wait beyond the deadline is a failure at once', async () => {
    await using server = await startFakeZulip({ mode: 'rate-limited', retryAfterSeconds: 60 });
    const startedAt = performance.now();
    expect(await sentenceOf(setUp(server.url).send())).toMatch(
      /HTTP 429, RATE_LIMIT_HIT\) \(a retry in 60 s would be after the deadline\)$/u,
    );
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(server.requests).toHaveLength(1);
  });

  it('row 15: 500: one retry, which may succeed', async () => {
    await using server = await startFakeZulip({ mode: 'server-error-once' });
    expect((await setUp(server.url).send()).output).toMatch(/^OK /u);
    expect(server.requests).toHaveLength(2);
  });

  it('row 15: 500 for ever: one retry and no more', async () => {
    await using server = await startFakeZulip({ mode: 'server-error' });
    expect(await sentenceOf(setUp(server.url).send())).toMatch(
      /Internal server error \(HTTP 500, INTERNAL\) \(at the second attempt\)$/u,
    );
    expect(server.requests).toHaveLength(2);
  });

  it('row 15: the deadline ends the wait for a retry', async () => {
    await using server = await startFakeZulip({ mode: 'server-error' });
    const { zulip } = setUp(server.url);
    const sending = zulip.send(MESSAGE, AbortSignal.timeout(100));
    expect(await sentenceOf(sending)).toMatch(/HTTP 500/u);
    expect(server.requests).toHaveLength(1);
  });

  it.each<FakeZulipMode>(['redirect-302', 'redirect-307'])(
    'row 16: %s elsewhere: a failure, and nothing goes there',
    async (mode) => {
      await using elsewhere = await startFakeZulip();
      await using server = await startFakeZulip({ mode, redirectTo: elsewhere.url });
      const sentence = await sentenceOf(setUp(server.url).send());
      expect(sentence).toMatch(/redirects are not followed\. Set ZULIP_SITE to the final address/u);
      expect(sentence).toContain(elsewhere.url);
      expect(server.requests).toHaveLength(1);
      expect(elsewhere.requests).toEqual([]);
    },
  );
});
