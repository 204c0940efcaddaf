/** What each channel sends, held to what its provider documents, and what it does when that fails. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { deliver, type Attempt } from '../../src/notify/deliver.ts';
import { createHealthcheck } from '../../src/notify/healthcheck.ts';
import type { Message, Notifier } from '../../src/notify/index.ts';
import { createNtfy } from '../../src/notify/ntfy.ts';
import { createSlack } from '../../src/notify/slack.ts';
import { createWebhook } from '../../src/notify/webhook.ts';
import { startReceiver, type Receiver, type ReceiverMode } from '../support/fake-receiver.ts';
import { recordLog } from '../support/notify-log.ts';

const PATH = '/services/T000/B000/canary-path';
const TOKEN = 'tk_canary0123456789';
const TOPIC = 'canary-topic-31337';
const SECRET = `whsec_${randomBytes(24).toString('base64')}`;
const CANARIES = ['canary', SECRET.slice('whsec_'.length)];

const MESSAGE: Message = {
  kind: 'question',
  event: 'end',
  text: 'Run 0a1b2c3d asks: <b>5 & 6</b>?',
  runId: '0a1b2c3d',
  workspace: '/srv/app',
  at: '2026-01-02T03:04:05.678Z',
  id: 'looper_0a1b2c3d_end',
  facts: { outcome: 'waiting' },
};

type Make = (url: string, timeoutMs: number, log: ReturnType<typeof recordLog>) => Notifier;

const slack: Make = (url, timeoutMs, log) =>
  createSlack('ops', { url: url + PATH, setting: 'url_file' }, { timeoutMs, log });
const ntfy: Make = (url, timeoutMs, log) =>
  createNtfy('phone', { url, topic: TOPIC, isTopicSecret: true, token: TOKEN }, { timeoutMs, log });
const webhook: Make = (url, timeoutMs, log) =>
  createWebhook(
    'hook',
    { url: url + PATH, setting: 'url_file', secret: SECRET },
    { timeoutMs, log },
  );

/** ntfy answers with the message that it published. */
const PUBLISHED = {
  status: 200,
  body: JSON.stringify({ id: 'hwQ2YpKdmg', time: 1_767_323_045, event: 'message', topic: TOPIC }),
};

const CHANNELS = [
  ['slack', slack, undefined],
  ['ntfy', ntfy, PUBLISHED],
  ['webhook', webhook, undefined],
] as const;

async function attempt(make: Make, url: string, message = MESSAGE, timeoutMs = 5000) {
  const log = recordLog();
  const result = await deliver(make(url, timeoutMs, log), message, { timeoutMs, log });
  for (const canary of CANARIES) expect(JSON.stringify([result, log.lines])).not.toContain(canary);
  return result;
}

function sentenceOf(result: Attempt): string {
  return result.kind === 'failed' ? result.sentence : `delivered: ${result.output}`;
}

function onlyRequest({ requests }: Receiver) {
  expect(requests).toHaveLength(1);
  return requests[0]!;
}

describe('slack', () => {
  it('posts the JSON that Slack, Discord and Mattermost document', async () => {
    await using server = await startReceiver();
    expect(await attempt(slack, server.url)).toEqual({
      kind: 'delivered',
      output: 'OK ops (HTTP 200)',
    });
    const { method, path, headers, body } = onlyRequest(server);
    expect({ method, path, type: headers['content-type'] }).toEqual({
      method: 'POST',
      path: PATH,
      type: 'application/json',
    });
    expect(JSON.parse(body)).toEqual({
      text: 'Run 0a1b2c3d asks: &lt;b&gt;5 &amp; 6&lt;/b&gt;?',
    });
  });

  it('wakes nobody and stays below the smallest documented limit', async () => {
    await using server = await startReceiver();
    const text = `@everyone <!here> <@U123> @channel mail@example.com ${'<'.repeat(5000)}👍`;
    await attempt(slack, server.url, { ...MESSAGE, text });
    const sent = (JSON.parse(onlyRequest(server).body) as { text: string }).text;
    expect(sent).toMatch(
      /^@\u200Beveryone &lt;!here&gt; &lt;@U123&gt; @\u200Bchannel mail@example\.com &lt;/u,
    );
    expect(sent.length).toBeLessThanOrEqual(2000);
    expect(sent.length).toBeGreaterThan(1900);
    expect(sent).toMatch(/(?:&lt;)\n\[message truncated\]$/u);
  });
});

describe('ntfy', () => {
  it('publishes as JSON, with the title, tags and priority of its documentation', async () => {
    await using server = await startReceiver({ answer: PUBLISHED });
    expect(await attempt(ntfy, server.url)).toMatchObject({ kind: 'delivered' });
    const { method, path, headers, body } = onlyRequest(server);
    expect({ method, path, authorization: headers.authorization }).toEqual({
      method: 'POST',
      path: '/',
      authorization: `Bearer ${TOKEN}`,
    });
    expect(JSON.parse(body)).toEqual({
      topic: TOPIC,
      title: 'Looper app: question',
      message: MESSAGE.text,
      tags: ['question'],
      priority: 4,
    });
  });

  it('stays below the length from which a message becomes an attachment', async () => {
    await using server = await startReceiver({ answer: PUBLISHED });
    await attempt(ntfy, server.url, { ...MESSAGE, kind: 'end', text: 'ä👍'.repeat(3000) });
    const sent = JSON.parse(onlyRequest(server).body) as { message: string; priority?: number };
    expect(Buffer.byteLength(sent.message)).toBeLessThanOrEqual(4096);
    expect(sent.message).toMatch(/^(?:ä👍)+ä?\n\[message truncated\]$/u);
    expect(sent.priority).toBeUndefined();
  });

  it('takes an answer that is not one of ntfy for a failure', async () => {
    await using server = await startReceiver({ answer: { status: 200, body: '{"ok":true}' } });
    expect(sentenceOf(await attempt(ntfy, server.url))).toMatch(
      /not one of ntfy\. Check url, topic/,
    );
  });
});

describe('webhook', () => {
  it('signs as Standard Webhooks says, checked by its own library', async () => {
    await using server = await startReceiver({ answer: { status: 204, body: '' } });
    expect(await attempt(webhook, server.url)).toMatchObject({ kind: 'delivered' });
    const { headers, body, path } = onlyRequest(server);
    expect(path).toBe(PATH);
    const verified = new Webhook(SECRET).verify(body, headers as Record<string, string>);
    expect(verified).toEqual({
      type: 'run.question',
      timestamp: MESSAGE.at,
      data: {
        run_id: '0a1b2c3d',
        workspace: '/srv/app',
        text: MESSAGE.text,
        outcome: 'waiting',
      },
    });
    expect(headers['webhook-id']).toBe('looper_0a1b2c3d_end');
    expect(Number(headers['webhook-timestamp'])).toBeCloseTo(Date.now() / 1000, -1);
  });
});

describe.each(CHANNELS)('%s fails', (_name, make, answer) => {
  const start = (
    mode: ReceiverMode,
    more: { retryAfterSeconds?: number; redirectTo?: string } = {},
  ) => startReceiver({ mode, ...(answer && { answer }), ...more });

  it('refused connection: one retry, nothing in doubt', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    const result = await attempt(make, `http://127.0.0.1:${port}`);
    expect(result).toMatchObject({ kind: 'failed', isInDoubt: false, isRefusal: false });
    expect(sentenceOf(result)).toMatch(
      /^cannot reach http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*second attempt\)$/,
    );
  });

  it('hang: ends at the deadline, and the message may have arrived', async () => {
    await using server = await start('hang');
    const startedAt = performance.now();
    const result = await attempt(make, server.url, MESSAGE, 150);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(result).toMatchObject({ isInDoubt: true });
    expect(sentenceOf(result)).toMatch(/^no answer within 0\.15 s/);
  });

  it('429: waits as long as Retry-After says, then delivers', async () => {
    await using server = await start('rate-limited', { retryAfterSeconds: 0.4 });
    expect(await attempt(make, server.url)).toMatchObject({ kind: 'delivered' });
    const [first, second] = server.requests;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(390);
    expect(second?.body).toBe(first?.body);
  });

  it('429 with a wait beyond the deadline: fails at once and passes the wait on', async () => {
    await using server = await start('rate-limited', { retryAfterSeconds: 60 });
    const result = await attempt(make, server.url);
    expect(result).toMatchObject({ isInDoubt: false, retryAfterMs: 60_000 });
    expect(server.requests).toHaveLength(1);
  });

  it('500: one retry and no more', async () => {
    await using server = await start('server-error');
    const result = await attempt(make, server.url);
    expect(sentenceOf(result)).toMatch(/said 500: "rollup_error" \(at the second attempt\)$/);
    expect(server.requests).toHaveLength(2);
  });

  it.each<ReceiverMode>(['gateway-timeout', 'cut'])(
    '%s: in doubt, not posted again',
    async (mode) => {
      await using server = await start(mode);
      expect(await attempt(make, server.url)).toMatchObject({ kind: 'failed', isInDoubt: true });
      expect(server.requests).toHaveLength(1);
    },
  );

  it('redirect: a failure, and nothing goes there', async () => {
    await using elsewhere = await startReceiver();
    await using server = await start('redirect', { redirectTo: elsewhere.url });
    const sentence = sentenceOf(await attempt(make, server.url));
    expect(sentence).toContain(`redirects to ${elsewhere.url}; redirects are not followed`);
    expect(elsewhere.requests).toEqual([]);
  });

  it('HTML: a failure, not a success', async () => {
    await using server = await start('html');
    const result = await attempt(make, server.url);
    expect(result).toMatchObject({ kind: 'failed', isInDoubt: false });
    expect(sentenceOf(result)).toMatch(/said 200 with /);
    expect(server.requests).toHaveLength(1);
  });

  it('404: says what to check; 400: this message was refused', async () => {
    await using server = await start('unknown');
    const unknown = await attempt(make, server.url);
    expect(sentenceOf(unknown)).toMatch(/said 404: "no_service"\. Check url/);
    server.mode = 'refused';
    expect(await attempt(make, server.url)).toMatchObject({ isRefusal: true });
    expect(unknown).toMatchObject({ isRefusal: false });
  });

  it('an error that repeats what was sent is shown without secrets', async () => {
    await using server = await start('echo');
    expect(sentenceOf(await attempt(make, server.url))).toMatch(/said 403/);
  });
});

describe('healthcheck', () => {
  const setUp = (url: string | undefined, timeoutMs = 2000) => {
    const log = recordLog();
    return { log, check: createHealthcheck(url, { timeoutMs, redact: (text) => text, log }) };
  };

  it('pings start, success and failure in order, in front of the query', async () => {
    await using server = await startReceiver();
    const { check } = setUp(`${server.url}/ping/5bf66975?create=1`);
    check.started('Run 0a1b2c3d');
    check.ended('went well', 'success');
    check.ended('went wrong', 'failure');
    await check.drain();
    expect(server.requests.map(({ method, path, body }) => `${method} ${path} ${body}`)).toEqual([
      'POST /ping/5bf66975/start?create=1 Run 0a1b2c3d',
      'POST /ping/5bf66975?create=1 went well',
      'POST /ping/5bf66975/fail?create=1 went wrong',
    ]);
  });

  it('fails without a word of the address, and goes on', async () => {
    await using server = await startReceiver({ mode: 'hang' });
    const { check, log } = setUp(`${server.url}/ping/canary-uuid`, 100);
    check.started('one');
    await check.drain();
    server.mode = 'ok';
    check.ended('two', 'success');
    await check.drain();
    expect(server.requests.map(({ body }) => body)).toEqual(['one', 'two']);
    expect(log.lines.filter((line) => line.startsWith('healthcheck.failed'))).toHaveLength(1);
    expect(log.lines.join('\n')).not.toContain('canary');
  });

  it('does nothing where none is set', async () => {
    const { check, log } = setUp(undefined);
    check.started('one');
    await check.drain();
    expect(log.lines).toEqual([]);
  });
});
