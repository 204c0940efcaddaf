/**
 * Row 71: every secret that Looper can be given is one of a kind here, and is looked for afterwards
 * wherever Looper writes, answers, announces or starts something.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createCanaries, filesWith, watchProcesses, type Canaries } from '../support/canary.ts';
import { NOBODY, runCli } from '../support/cli.ts';
import { writeScenario } from '../support/fake-codex.ts';
import { startReceiver } from '../support/fake-receiver.ts';
import { startFakeZulip } from '../support/fake-zulip.ts';
import { canFindProcesses } from '../support/find-processes.ts';
import { signed, writeConfigFile } from '../support/hooks.ts';
import { runFile, startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { ticketText } from '../support/ticket-runs.ts';
import { waitFor } from '../support/wait-for.ts';

const EMAIL = 'bot@example.com';
const MARKED = 'the rest of the sentence stays';

/** What git and a channel's command were started with, one file for each of their calls. */
function writeWitnesses(directory: string): { git: string; command: string; seen: string } {
  const seen = join(directory, 'seen');
  const bin = join(directory, 'bin');
  for (const folder of [seen, bin]) mkdirSync(folder);
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
  const witness = (name: string, then: string): string => {
    const path = join(bin, name);
    const dump = `{ env; echo "$0" "$@"; } >"${seen}/${name}.$$"`;
    writeFileSync(path, `#!/bin/sh\n${dump}\n${then}\n`, { mode: 0o755 });
    return path;
  };
  return {
    git: witness('git', `exec ${real} "$@"`),
    command: witness('command', `cat >>"${seen}/command.$$"`),
    seen,
  };
}

function addRepository(workspace: string): void {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: workspace, stdio: 'ignore' });
  git('init', '--quiet');
  writeFileSync(join(workspace, '.git/info/exclude'), '.fake-codex*\n');
  git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--allow-empty', '-m', 'start');
}

test.runIf(canFindProcesses)('no secret gets out by any way (row 71)', async () => {
  await using zulip = await startFakeZulip();
  await using slack = await startReceiver();
  await using ntfy = await startReceiver({ answer: { status: 200, body: '{"id":"1"}' } });
  await using hook = await startReceiver({ mode: 'server-error' });
  await using health = await startReceiver();
  const receivers = [slack, ntfy, hook, health];

  const canaries = createCanaries();
  const token = canaries.add('token');
  const key = canaries.add('zulip key');
  canaries.also('zulip key', `${EMAIL}:${key}`);
  const bearer = canaries.add('hook secret of the env file');
  const github = canaries.add('hook secret of a file');
  const gitlab = canaries.add('hook secret of the environment');
  const signing = canaries.add('webhook signing', 'whsec_');
  canaries.also('webhook signing', signing.slice('whsec_'.length));
  const secrets = {
    'github.secret': github,
    'slack.url': `${slack.url}/services/${canaries.add('slack path')}`,
    'ntfy.topic': canaries.add('ntfy topic'),
    'ntfy.token': canaries.add('ntfy token'),
    'webhook.secret': signing,
    zuliprc: `[api]\nemail=${EMAIL}\nkey=${key}\nsite=${zulip.url}`,
    env: `UNKNOWN_NAME=${bearer}\nPROJECT=for the agent`,
    token,
  };
  const witnesses = writeWitnesses(tempDir('looper-witness-'));
  const file = writeConfigFile(
    `
hooks:
  - { name: bearer, verify: { type: bearer, secret_env: UNKNOWN_NAME }, message: "Hook: {{said}}", prompt: "" }
  - { name: github, verify: { type: github, secret_file: github.secret }, message: github, prompt: "" }
  - { name: gitlab, verify: { type: gitlab, secret_env: GITLAB_HOOK }, message: gitlab, prompt: "" }
channels:
  - { name: chat, type: zulip, stream: ops, topic: looper }
  - { name: ops, type: slack, url_file: slack.url }
  - { name: phone, type: ntfy, url: "${ntfy.url}", topic_file: ntfy.topic, token_file: ntfy.token }
  - { name: program, type: webhook, url: "${hook.url}", secret_file: webhook.secret }
  - { name: local, type: command, command: ["${witnesses.command}"] }
`,
    secrets,
  );
  const beside = (name: string): string => join(file, '..', name);
  const settings = {
    PATH: `${join(witnesses.git, '..')}:${process.env['PATH'] ?? ''}`,
    LOOPER_CONFIG_FILE: file,
    LOOPER_ENV_FILE: beside('env'),
    LOOPER_HEALTHCHECK_URL: `${health.url}/${canaries.add('health check')}`,
    GITLAB_HOOK: gitlab,
    LOOPER_LOG_LEVEL: 'trace',
    LOOPER_MIRROR_OUTPUT: '1',
    LOOPER_NOTIFY_TIMEOUT_SECONDS: '2',
  };
  const service = await startService({
    env: { ...settings, ZULIPRC_PATH: beside('zuliprc'), LOOPER_API_TOKEN_FILE: beside('token') },
  });
  const { home, workspace } = service;
  addRepository(workspace);
  const processes = watchProcesses(canaries);
  onTestFinished(() => void processes.stop());

  const heard: string[] = [];
  /** Any request; what it answers is looked through. Without `bare`, as the owner. */
  const ask = async (
    path: string,
    { bare = false, headers = {}, ...init }: RequestInit & { bare?: boolean } = {},
  ): Promise<Response> => {
    const own = bare ? {} : { Authorization: `Bearer ${token}` };
    const answer = await fetch(service.looper.url + path, {
      redirect: 'manual',
      ...init,
      headers: { ...own, ...(headers as Record<string, string>) },
    });
    heard.push(`${path} ${answer.status} ${[...answer.headers].join('\n')}`);
    heard.push(`${path} ${await answer.clone().text()}`);
    return answer;
  };
  const send = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    ask(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', ...headers },
    });
  const start = async (fields: object, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await send('/run', { zulip_message: 'Go', workspace, ...fields }, headers);
    const { run_id } = (await answer.json()) as { run_id: string };
    await waitFor(
      `the end of ${run_id}`,
      async () => {
        const { run } = (await (await ask(`/runs/${run_id}`)).json()) as {
          run: { status: string };
        };
        return run.status === 'finished';
      },
      20_000,
      50,
    );
    return run_id;
  };

  // A ticket run whose agent starts tools; the announcements go out.
  writeScenario(workspace, {
    steps: [
      { do: 'spawn', kind: 'tool' },
      { do: 'spawn', kind: 'setsid' },
      { do: 'write', path: 'work.txt', text: 'x' },
      { do: 'outbox', title: 'Hi', text: 'half of it is done' },
      { do: 'ticket' },
      { do: 'sleep', ms: 200 },
    ],
  });
  const tickets = join(workspace, '.looper/tickets');
  mkdirSync(tickets, { recursive: true });
  writeFileSync(join(tickets, 'TICKET-001.md'), ticketText({ title: 'One' }));
  const ticketRun = await start({}, { 'Idempotency-Key': 'one' });
  await waitFor('the last ping', () => health.requests.length >= 2);
  await waitFor('the end in the chat', () => zulip.messages.length >= 3);

  // The same key by the variable, and a token that was set directly.
  await service.looper.stop();
  const before = service.looper.output();
  await service.restarted({
    ...settings,
    LOOPER_API_TOKEN: token,
    LOOPER_API_TOKEN_FILE: '',
    ZULIPRC_PATH: '/nowhere',
    ZULIP_SITE: zulip.url,
    ZULIP_BOT_EMAIL: EMAIL,
    ZULIP_BOT_API_KEY: key,
  });
  hook.mode = 'ok';

  // So far nobody but the daemon has had any: no file of its home, no process that it started.
  expect(filesWith(canaries, home)).toEqual({});
  const held = processes.stop();
  expect(held.filter(({ what, argv }) => what === 'argv' || !argv.endsWith('serve'))).toEqual([]);
  expect(new Set(held.flatMap(({ names }) => names))).toEqual(
    new Set(['token', 'zulip key', 'health check', 'hook secret of the environment']),
  );

  // A person and a hook that quote secrets.
  const quote = `${token} and ${key} and ${bearer} and ${settings.LOOPER_HEALTHCHECK_URL}; ${MARKED}`;
  writeScenario(workspace, {});
  const quotedBy = await start({ zulip_message: quote, codex_prompt: quote });
  const accepted = await send(
    '/hooks/bearer',
    { said: quote },
    { Authorization: `Bearer ${bearer}` },
  );
  expect(accepted.status).toBe(202);

  // Refusals.
  const wrong = { 'X-Looper-Token': `${token}x` };
  for (const path of ['/runs', '/ready', '/nothing']) {
    await ask(path, { bare: true, headers: wrong });
  }
  const signature = signed.github('{}', 'push', 'd1', `${github}x`);
  await ask('/hooks/github', { bare: true, method: 'POST', body: '{}', headers: signature });
  await ask('/hooks/github', {
    bare: true,
    method: 'POST',
    body: '{',
    headers: { ...signature, 'X-Hub-Signature-256': 'sha256=' },
  });
  const form = (value: string) => ({
    bare: true,
    method: 'POST',
    body: new URLSearchParams({ token: value }),
  });
  await ask('/login', form(`${token}x`));
  const cookie = (await ask('/login', form(token))).headers.get('set-cookie')?.split(';')[0] ?? '';
  const page = await ask('/', { bare: true, headers: { Cookie: cookie } });
  expect(page.status).toBe(200);
  for (const path of [
    `/runs/${ticketRun}`,
    `/runs/${ticketRun}/log`,
    `/runs/${ticketRun}/events`,
    `/runs/${quotedBy}`,
    `/tickets?workspace=${workspace}`,
    '/metrics',
    '/openapi.json',
    '/ready',
    '/health',
    '/autopoll',
  ]) {
    expect(`${path} ${(await ask(path)).status}`).toBe(`${path} 200`);
  }

  // The command line, as the owner, and a start that is refused.
  const commands = [
    ['status'],
    ['status', '--json'],
    ['logs', ticketRun],
    ['logs', quotedBy, '--json'],
    ['tickets', 'list'],
    ['notify', 'test'],
    ['doctor'],
    ['serve'],
  ];
  const printed = await Promise.all(
    commands.flatMap((args) =>
      [{}, { LOOPER_PORT: 'x', LOOPER_HEALTHCHECK_URL: `no-url-${key}`, GITLAB_HOOK: 'short' }].map(
        async (mistakes) => {
          const { stdout, stderr } = await runCli(args, {
            home,
            url: args[0] === 'serve' ? NOBODY : service.looper.url,
            cwd: workspace,
            env: { ...settings, LOOPER_API_TOKEN: token, ZULIP_BOT_API_KEY: key, ...mistakes },
          });
          return `looper ${args.join(' ')}\n${stdout}\n${stderr}`;
        },
      ),
    ),
  );

  // An agent that quotes them: what it says stays as it is in the files of its run and where they are shown.
  writeScenario(workspace, {
    steps: [{ do: 'outbox', title: `My ${token}`, text: quote }],
    message: quote,
  });
  const { body: told } = await service.looper.post(
    '/run',
    { zulip_message: 'Go', workspace, codex_prompt: 'Tell' },
    { Authorization: `Bearer ${token}` },
  );
  const agentSaid = String(told['run_id']);
  await waitFor(
    'the words of person, hook and agent in the chat',
    () => zulip.messages.filter(({ content }) => content?.includes(MARKED)).length >= 4,
  );
  const pinged = () => health.requests.some(({ body }) => body.includes('[redacted]'));
  await waitFor('a ping with the words of the agent', pinged);

  // Deliveries that fail.
  for (const mode of ['unauthorized', 'echo'] as const) {
    zulip.mode = mode;
    slack.mode = mode === 'echo' ? 'echo' : 'unknown';
    ntfy.mode = 'echo';
    const answer = await send('/run', { zulip_message: mode, codex_prompt: '', workspace });
    expect(await answer.json()).toMatchObject({
      warnings: expect.arrayContaining([expect.stringMatching(/^chat: /)]),
    });
  }

  const texts = [...heard, ...printed, before, service.looper.output()];
  expect(printed.join('\n')).toContain('LOOPER_HEALTHCHECK_URL (its value is not shown)');

  // What was announced, apart from the headers and the addresses that are there to prove who asks.
  const announced = [
    ...zulip.requests.flatMap(({ fields }) => Object.values(fields)),
    ...receivers.flatMap(({ requests }) => requests).map(({ body }) => withoutTopic(body, secrets)),
  ];
  expect(leaks([...texts, ...announced], canaries)).toEqual([]);
  const proofs = [zulip, ...receivers].flatMap(({ requests }) => requests.map(toText));
  expect(new Set(proofs.flatMap((text) => canaries.in(text)))).toEqual(
    new Set(['zulip key', 'slack path', 'ntfy topic', 'ntfy token', 'health check']),
  );

  // Logs, records, outbox, answers, state: the words of a person reach the agent as they are, and
  // those of an agent stay as it wrote them.
  const found = filesWith(canaries, service.looper.logDirectory);
  const quoting = Object.keys(found).filter((name) => !name.includes(agentSaid));
  const { logDirectory } = service.looper;
  expect(quoting.map((name) => join(logDirectory, name))).toEqual([
    runFile(logDirectory, quotedBy, '.turn1.prompt'),
  ]);
  expect(filesWith(canaries, witnesses.seen)).toEqual({});
  expect(readdirSync(witnesses.seen).map((name) => name.split('.')[0])).toEqual(
    expect.arrayContaining(['git', 'command']),
  );
  const given = service.calls().map(({ argv, env }) => JSON.stringify({ argv, env }));
  expect(given.length).toBeGreaterThanOrEqual(3);
  expect(leaks(given, canaries)).toEqual([]);
});

const toText = (request: object): string => JSON.stringify(request);

/** The request to ntfy names its topic in the body; who asks for that address has to. */
function withoutTopic(body: string, secrets: Readonly<Record<string, string>>): string {
  return body.replace(`"topic":"${secrets['ntfy.topic']}"`, '');
}

function leaks(texts: readonly string[], canaries: Canaries): string[] {
  return texts.flatMap((text) => {
    const names = canaries.in(text);
    return names.length === 0 ? [] : [`${names.join(', ')}: ${text.slice(0, 300)}`];
  });
}
