/** What people hear of runs, through the real service. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startReceiver } from '../support/fake-receiver.ts';
import { startFakeZulip, type FakeZulip, type RecordedRequest } from '../support/fake-zulip.ts';
import { runIdOf, startService, zulipEnvironment, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';
import { createZulipJs } from '../support/zulip-js.ts';

const TICKET = '---\ntitle: One\ndone: false\n---\nDo it.\n';

function writeTicket({ workspace }: Service): void {
  const directory = join(workspace, '.looper/tickets');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'TICKET-001.md'), TICKET);
}

/** Without ZULIP_TOPIC: each workspace has its own topic. */
function withoutTopic(zulip: FakeZulip): Record<string, string> {
  return { ...zulipEnvironment(zulip), ZULIP_TOPIC: '' };
}

function contents(zulip: FakeZulip): string[] {
  return zulip.messages.map(({ content = '' }) => content);
}

async function heard(zulip: FakeZulip, count: number): Promise<string[]> {
  await waitFor(`${count} messages`, () => zulip.messages.length >= count, 15_000);
  return contents(zulip);
}

/** Waits until this letter is marked as sent: a daemon that dies before that sends it again. */
async function marked({ looper }: Service, letter: string): Promise<void> {
  const outbox = join(looper.logDirectory, 'outbox');
  await waitFor(`the mark of ${letter}`, () => readdirSync(outbox).includes(`${letter}.sent`));
}

function onTheWire({ method, path, authorization, mediaType, fields }: RecordedRequest) {
  return { method, path, authorization, mediaType, fields };
}

test("a run's whole life in Zulip, past a daemon that is killed, each part once", async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({
    env: withoutTopic(zulip),
    scenario: {
      turns: [
        {
          steps: [
            { do: 'outbox', mode: 'notify', title: 'Half way', text: 'Two of @**all** four.' },
            { do: 'wait', path: 'go-on' },
            { do: 'outbox', mode: 'pause', title: 'Which port?', text: '80 or 8080' },
          ],
          usage: { input_tokens: 100, output_tokens: 11 },
        },
        { steps: [{ do: 'ticket' }] },
      ],
    },
  });
  writeTicket(service);
  const started = await service.run({ zulip_message: 'Work!', codex_prompt: undefined });
  expect(started.body).toMatchObject({
    notified: true,
    zulip_output: 'OK message_id=1001 type=stream stream=ops topic=workspace',
  });
  const asking = runIdOf(started);
  await heard(zulip, 2);
  await marked(service, `${asking}.message-1.zulip`);

  await service.looper.kill();
  const looper = await service.restarted();
  writeFileSync(join(service.workspace, 'go-on'), '');
  expect(await looper.ended(asking)).toMatchObject({ outcome: 'waiting' });
  await heard(zulip, 3);

  const replied = await looper.post(`/runs/${asking}/reply`, { text: 'Take 8080.' });
  const answered = runIdOf(replied);
  expect(await looper.ended(answered)).toMatchObject({ outcome: 'succeeded' });
  await heard(zulip, 5);
  await marked(service, `${answered}.end.zulip`);
  await looper.kill();
  await (await service.restarted()).stop();

  expect(contents(zulip)).toEqual([
    'Work!',
    `Run ${asking}: Half way\nTwo of @\u200B**all** four.`,
    expect.stringMatching(
      new RegExp(
        `^Run ${asking} \\(tickets\\): waiting after \\d+ s\\. Answer: looper reply ${asking} "…"\n` +
          'It asks: Which port\\?\n80 or 8080\n' +
          'tickets done: 0, left: 1, turns: 1, tokens: 111\\.$',
      ),
    ),
    `An answer to run ${asking}: Take 8080.`,
    expect.stringMatching(
      new RegExp(
        `^Run ${answered} \\(tickets\\): succeeded after \\d+ s\\. Look: looper logs ${answered}\n` +
          '(?:.*\n)*tickets done: 1 \\(TICKET-001\\.md\\), left: 0, turns: 1, tokens: \\d+\\.$',
      ),
    ),
  ]);
  expect(new Set(zulip.messages.map(({ to, topic }) => `${to} ${topic}`))).toEqual(
    new Set(['ops workspace']),
  );

  // The same messages by zulip-js are the same requests.
  await using second = await startFakeZulip();
  const oracle = await createZulipJs({
    realm: second.url,
    username: 'bot@example.com',
    apiKey: 'key-of-the-bot',
  });
  for (const message of zulip.messages) await oracle.messages.send({ ...message });
  expect(second.requests.map(onTheWire)).toEqual(zulip.requests.map(onTheWire));
});

test('a chat that was down hears ends afterwards, and no start of what has ended', async () => {
  await using zulip = await startFakeZulip({ mode: 'server-error' });
  const service = await startService({ env: zulipEnvironment(zulip) });
  const { body } = await service.run({ zulip_message: 'Nobody hears this' });
  expect(body).toMatchObject({ notified: false, codex_exec_started: true });
  const runId = String(body['run_id']);
  await service.looper.ended(runId);
  const outbox = join(service.looper.logDirectory, 'outbox');
  await waitFor('the end to wait on disk', () =>
    readdirSync(outbox).includes(`${runId}.end.zulip.waiting`),
  );
  await service.looper.kill();
  zulip.mode = 'ok';
  const looper = await service.restarted();
  expect(await heard(zulip, 1)).toEqual([expect.stringContaining(`Run ${runId} (prompt)`)]);
  await looper.stop();
  expect(zulip.messages).toHaveLength(1);
  expect(readdirSync(outbox)).toEqual([`${runId}.end.zulip.sent`]);
});

test('a trigger that a person takes out of the queue is announced now, not at the next start', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({
    env: zulipEnvironment(zulip),
    scenario: { steps: [{ do: 'hang' }] },
  });
  await service.started();
  const queued = await service.started({ on_busy: 'queue' });
  await service.looper.post(`/runs/${queued}/stop`);
  expect(await heard(zulip, 2)).toEqual([
    'Go',
    expect.stringMatching(
      new RegExp(`^Run ${queued} \\(prompt\\): stopped\\. .*\n.* in the queue`),
    ),
  ]);
});

test('a usage limit says when it goes on', async () => {
  await using zulip = await startFakeZulip();
  const message = "You've hit your usage limit. Try again in 2 hours 5 minutes.";
  const service = await startService({
    env: zulipEnvironment(zulip),
    scenario: { steps: [{ do: 'fail', message }] },
  });
  const runId = await service.started();
  const { outcome, resets_at } = await service.looper.ended(runId);
  expect(outcome).toBe('usage_limited');
  const [, end] = await heard(zulip, 2);
  const until = resets_at?.slice(0, 16).replace('T', ' ');
  expect(end).toContain(`\nThe limit ends at ${until} UTC. Trigger a run after that.\n`);
});

test('somebody who misses pings hears the start, the success and the failure of each run', async () => {
  await using receiver = await startReceiver();
  const service = await startService({
    env: { LOOPER_HEALTHCHECK_URL: `${receiver.url}/ping/canary-uuid` },
    scenario: { turns: [{}, { steps: [{ do: 'sleep', ms: 300 }], exitCode: 3 }] },
  });
  const first = await service.started();
  await service.looper.ended(first);
  const second = await service.started();
  await service.looper.ended(second);
  await waitFor('four pings', () => receiver.requests.length === 4);
  await service.looper.stop();
  expect(receiver.requests.map(({ path, body }) => [path, body.split(':')[0]])).toEqual([
    ['/ping/canary-uuid/start', `Run ${first} (prompt)`],
    ['/ping/canary-uuid', `Run ${first} (prompt)`],
    ['/ping/canary-uuid/start', `Run ${second} (prompt)`],
    ['/ping/canary-uuid/fail', `Run ${second} (prompt)`],
  ]);
  const log = readFileSync(join(service.looper.logDirectory, 'looper-server.log'), 'utf8');
  expect(log).not.toContain('canary-uuid');
});
