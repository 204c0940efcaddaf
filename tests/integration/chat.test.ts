/** Chat commands through Zulip's outgoing webhook, against a running daemon and scripted agents. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SECRET, writeConfigFile, zulipMessage } from '../support/hooks.ts';
import { startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const ZULIP_DEADLINE_MS = 10_000;

const env = (home: string) => ({
  LOOPER_CONFIG_FILE: writeConfigFile(
    `
hooks:
  - name: chat
    verify: { type: zulip, secret_file: secret }
    chat: true
    senders: [Iago@zulip.com]
    workspace: ${home}/workspace
`,
    { secret: SECRET },
  ),
  LOOPER_API_TOKEN: 'a-token-of-sixteen-letters',
  LOOPER_AUTO_START_WHEN_IDLE: '1',
  LOOPER_IDLE_POLL_SECONDS: '3600',
  LOOPER_KILL_GRACE_SECONDS: '3',
});

let lastId = 1_000;

async function say(
  service: Service,
  content: string,
  options: { sender?: string; id?: number } = {},
) {
  const start = performance.now();
  const answer = await fetch(`${service.looper.url}/hooks/chat`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: zulipMessage(`@**Looper** ${content}`, options.id ?? (lastId += 1), options),
  });
  const body = (await answer.json()) as Record<string, unknown>;
  expect(performance.now() - start).toBeLessThan(ZULIP_DEADLINE_MS / 2);
  return { status: answer.status, body, content: String(body['content']) };
}

const ask = async (service: Service, content: string): Promise<string> => {
  const { status, content: said } = await say(service, content);
  expect(status).toBe(200);
  return said;
};

const runId = (text: string): string => /\b[0-9a-f]{8}\b/.exec(text)?.[0] ?? text;

const token = { 'X-Looper-Token': 'a-token-of-sixteen-letters' };

async function record(service: Service, id: string) {
  const answer = await fetch(`${service.looper.url}/runs/${id}`, { headers: token });
  return ((await answer.json()) as { run: Record<string, unknown> }).run;
}

const ended = (service: Service, id: string) =>
  waitFor(`run ${id} to end`, async () => {
    const run = await record(service, id);
    return run['status'] === 'finished' ? run : null;
  });

test('status, run, tail, stop, pause and resume', async () => {
  const service = await startService({
    scenario: {
      steps: [{ do: 'say', text: 'I look around @**all**' }, { do: 'stubborn' }, { do: 'hang' }],
    },
    env,
  });
  expect(await ask(service, 'status')).toMatch(/^Nothing runs\./);
  expect(await ask(service, 'tail')).toBe('There is no run yet.');
  expect(await ask(service, 'stop')).toBe('Nothing runs.');
  expect(await ask(service, 'what can you do?')).toMatch(/I know: `status`, `run`/);

  const started = runId(await ask(service, 'run fix the login\nand the logout'));
  await waitFor('the agent', () => service.calls()[0]);
  expect(service.calls()[0]?.prompt).toContain('fix the login\nand the logout');
  expect(await record(service, started)).toMatchObject({ trigger: 'chat', mode: 'prompt' });
  expect(await ask(service, 'status')).toContain(`Run ${started} (chat) is running`);
  const tail = await waitFor('the words of the agent', async () => {
    const text = await ask(service, 'tail');
    return text.includes('I look around') ? text : null;
  });
  // What an agent prints wakes nobody.
  expect(tail).not.toContain('@**all**');

  // The agent takes its whole grace; the answer does not wait for that.
  expect(await ask(service, 'stop')).toBe(`Run ${started} is being stopped.`);
  expect(await ended(service, started)).toMatchObject({ outcome: 'stopped' });

  expect(await ask(service, 'pause')).toMatch(/until you say `resume`/);
  expect(await ask(service, 'status')).toContain('The idle timer is paused');
  expect(await ask(service, 'resume')).toMatch(/by itself again/);
  expect(await ask(service, 'status')).toContain('The idle timer is on');
});

test('a question is asked in status and answered with reply', async () => {
  const service = await startService({
    scenario: {
      turns: [
        { steps: [{ do: 'outbox', mode: 'pause', title: 'Which database?', text: 'Old or new?' }] },
        {},
      ],
    },
    env,
  });
  expect(await ask(service, 'reply yes')).toBe('No run waits for an answer.');
  const asking = runId(await ask(service, 'run choose a database'));
  expect(await ended(service, asking)).toMatchObject({ outcome: 'waiting' });
  expect(await ask(service, 'status')).toContain(`Run ${asking} asks: Which database?`);
  expect(await ask(service, 'reply')).toContain(`Run ${asking} asks: Which database?`);
  expect(await ask(service, 'reply the new one')).toContain(`Your answer to run ${asking}`);
  await waitFor('the next turn', () => service.calls()[1]);
  expect(service.calls()[1]?.prompt).toContain('the new one');
  expect(await ask(service, 'reply again')).toBe('No run waits for an answer.');
});

test('what cannot be done is said in words', async () => {
  const service = await startService({
    env: (home) => ({ ...env(home), CODEX_EXEC_BINARY: '/nowhere/codex' }),
  });
  expect(await ask(service, 'run x')).toMatch(/^That did not work: .*\/nowhere\/codex/);
});

test('strangers and bots are not listened to, and no message counts twice', async () => {
  const service = await startService({ env });
  const stranger = await say(service, 'run x', { sender: 'mallory@zulip.com' });
  expect(stranger.status).toBe(200);
  expect(stranger.content).toBe(
    'Ignored: "mallory@zulip.com" is not among the senders of this hook.',
  );
  const bot = await say(service, 'run x', { sender: 'looper-bot@zulip.com' });
  expect(bot.body).toMatchObject({ fired: false, response_not_required: true });
  expect(bot.body).not.toHaveProperty('content');

  expect((await say(service, 'status', { id: 5 })).status).toBe(200);
  expect((await say(service, 'status', { id: 5 })).status).toBe(409);
  expect(service.calls()).toEqual([]);
  const log = readFileSync(join(service.looper.logDirectory, 'looper-server.log'), 'utf8');
  expect(log).not.toContain(SECRET);
});
