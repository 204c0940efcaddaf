/** Webhooks of every kind against a running daemon: what they start, and how they are refused. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startFakeZulip } from '../support/fake-zulip.ts';
import {
  SECRET,
  signed,
  STANDARD_SECRET,
  writeConfigFile,
  zulipMessage,
} from '../support/hooks.ts';
import type { Looper } from '../support/looper.ts';
import { startService, zulipEnvironment } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const BEARER = { Authorization: `Bearer ${SECRET}` };

/** Announces and cleans up only, so that many of them are cheap. */
const hook = (name: string, type: string, more = '') => `
  - name: ${name}
    verify: { type: ${type}, secret_file: ${type === 'standard-webhooks' ? 'standard' : 'secret'} }
    message: ${name}
    prompt: ""
${more.replaceAll(/^/gm, '    ')}`;

const SECRETS = { secret: SECRET, standard: STANDARD_SECRET };

const send = (
  looper: Looper,
  path: string,
  body: string | Uint8Array | undefined,
  headers: Record<string, string>,
) =>
  fetch(`${looper.url}/hooks/${path}`, {
    method: 'POST',
    headers,
    ...(body === undefined ? {} : { body }),
  });

const serverLog = (looper: Looper): Record<string, unknown>[] =>
  readFileSync(join(looper.logDirectory, 'looper-server.log'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('every scheme: 202, then 409 also after a restart; altered and unsigned 401 (row 73)', async () => {
  const kinds = ['github', 'gitlab', 'standard-webhooks', 'slack', 'zulip', 'bearer'];
  const file = writeConfigFile(`hooks:${kinds.map((kind) => hook(kind, kind)).join('')}`, SECRETS);
  const token = 'a-token-of-sixteen-letters';
  const service = await startService({
    env: { LOOPER_CONFIG_FILE: file, LOOPER_API_TOKEN: token },
  });
  const body = '{"action":"x"}';
  const form = 'user_id=U1&text=go';
  const wrong = `${SECRET}!`;
  const github = signed.github(body, 'issues', 'd1');
  const standard = signed.standard(body, 'd1');
  const slack = signed.slack(form);
  const bearer = { ...BEARER, ...JSON_TYPE, 'Idempotency-Key': 'd1' };
  type Sent = [body: string, headers: Record<string, string>];
  const deliveries: [name: string, ...Sent, altered: Sent][] = [
    ['github', body, github, ['{"action":"y"}', github]],
    ['gitlab', body, signed.gitlab('Push Hook', 'd1'), [body, signed.gitlab('x', 'd2', wrong)]],
    ['standard-webhooks', body, standard, ['{"action":"y"}', standard]],
    ['slack', form, slack, ['user_id=U2&text=go', slack]],
    [
      'zulip',
      zulipMessage('hi', 1),
      JSON_TYPE,
      [zulipMessage('hi', 2, { token: wrong }), JSON_TYPE],
    ],
    ['bearer', body, bearer, [body, { ...bearer, Authorization: `Bearer ${wrong}` }]],
  ];
  for (const [name, content, headers, altered] of deliveries) {
    const accepted = await send(service.looper, name, content, headers);
    expect(`${name} ${accepted.status}`).toBe(`${name} 202`);
    expect(await accepted.json()).toMatchObject({ ok: true, hook: name, fired: true });
    expect((await send(service.looper, name, content, headers)).status).toBe(409);
    expect((await send(service.looper, name, '{}', JSON_TYPE)).status).toBe(401);
    const answer = await send(service.looper, name, ...altered);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ ok: false, code: 'UNAUTHORISED' });
  }
  await service.looper.kill();
  const looper = await service.restarted();
  for (const [name, content, headers] of deliveries) {
    const answer = await send(looper, name, content, headers);
    expect(`${name} ${answer.status}`).toBe(`${name} 409`);
    expect(await answer.json()).toMatchObject({ ok: false, code: 'DELIVERY_REPEATED' });
  }
  const log = readFileSync(join(looper.logDirectory, 'looper-server.log'), 'utf8');
  expect(log).not.toContain(SECRET);
});

describe('what a hook does not take', () => {
  test('unknown names, types, sizes and broken bodies', async () => {
    const file = writeConfigFile(`hooks:${hook('one', 'bearer')}`, SECRETS);
    const { looper } = await startService({ env: { LOOPER_CONFIG_FILE: file } });
    const status = async (
      ...request: Parameters<typeof send> extends [Looper, ...infer R] ? R : never
    ) => (await send(looper, ...request)).status;
    const json = { ...BEARER, ...JSON_TYPE };
    expect(await status('two', '{}', json)).toBe(404);
    expect(await status('one', '{}', { ...BEARER, 'Content-Type': 'text/plain' })).toBe(415);
    expect(await status('one', new Uint8Array([123, 125]), BEARER)).toBe(415);
    expect(await status('one', `{"a":"${'x'.repeat(1024 ** 2)}"}`, json)).toBe(413);
    expect(await status('one', '{"a"', json)).toBe(400);
    expect(await status('one', '[1]', json)).toBe(400);
    expect(await status('one', `{"a":${'['.repeat(100)}${']'.repeat(100)}}`, json)).toBe(400);
    expect(await status('one', '{}', { ...json, Host: 'x', Origin: 'https://evil.example' })).toBe(
      403,
    );
    expect((await fetch(`${looper.url}/hooks/one`)).status).toBe(405);
    // No body at all, and vendors' own JSON types, are fine.
    expect(await status('one', undefined, BEARER)).toBe(202);
    const vendor = { ...BEARER, 'Content-Type': 'application/cloudevents+json; charset=utf-8' };
    expect(await status('one', '{}', vendor)).toBe(202);
  });

  test('row 74: 300 bad signatures a minute are 429, health is fine and a good one passes', async () => {
    const file = writeConfigFile(`hooks:${hook('one', 'github')}${hook('two', 'gitlab')}`, SECRETS);
    const { looper } = await startService({ env: { LOOPER_CONFIG_FILE: file } });
    const statuses: number[] = [];
    for (let i = 0; i < 300; i += 1) {
      const bad = signed.github('{}', 'push', String(i), `${SECRET}!`);
      statuses.push((await send(looper, 'one', '{}', bad)).status);
    }
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect(statuses.filter((status) => status === 401)).toHaveLength(30);
    expect((await looper.get('/health')).status).toBe(200);
    const good = signed.github('{}', 'push', 'good');
    expect((await send(looper, 'one', '{}', good)).status).toBe(202);
    expect((await send(looper, 'two', '{}', signed.gitlab('Push Hook', 'a'))).status).toBe(202);
  });
});

test('the answer comes at once, whatever the run does', async () => {
  const service = await startService({
    // It takes its whole grace to be replaced.
    scenario: { steps: [{ do: 'stubborn' }, { do: 'hang' }] },
    env: (home) => ({
      LOOPER_CONFIG_FILE: writeConfigFile(
        `hooks:${hook('again', 'bearer', `workspace: ${home}/workspace`).replace('prompt: ""', 'prompt: again')}`,
        SECRETS,
      ),
      LOOPER_KILL_GRACE_SECONDS: '2',
      CODEX_EXEC_STARTUP_CHECK_SECONDS: '1',
    }),
  });
  const replaced = await service.started();
  expect((await send(service.looper, 'again', undefined, BEARER)).status).toBe(202);
  const answered = await waitFor('the answer in the log', () =>
    serverLog(service.looper).find(
      ({ msg, path }) => msg === 'http.end' && path === '/hooks/again',
    ),
  );
  // 5 ms here; the run takes two seconds at least to replace the other.
  expect(answered['ms']).toBeLessThan(1_000);
  expect((await service.looper.get('/runs/current')).body).toMatchObject({
    run: { run_id: replaced },
  });
  expect(await service.looper.ended(replaced)).toMatchObject({ outcome: 'replaced' });
  await waitFor('the run of the hook', async () => {
    const { body } = await service.looper.get('/runs/current');
    const run = body['run'] as { trigger: string; status: string } | undefined;
    return run?.trigger === 'hook:again' && run.status === 'running';
  });
});

test('on_busy: queue keeps the trigger of a hook until the active run has ended', async () => {
  const service = await startService({
    scenario: { turns: [{ steps: [{ do: 'wait', path: 'go' }] }, {}] },
    env: (home) => ({
      LOOPER_CONFIG_FILE: writeConfigFile(
        `hooks:${hook('later', 'bearer', `workspace: ${home}/workspace\non_busy: queue`).replace('prompt: ""', 'prompt: later')}`,
        SECRETS,
      ),
      CODEX_EXEC_STARTUP_CHECK_SECONDS: '0.5',
    }),
  });
  // While the launch is under way too: queueing is a promise.
  const starting = service.run();
  await waitFor(
    'the launch',
    async () => (await service.looper.get('/runs/latest')).status === 200,
  );
  expect((await send(service.looper, 'later', undefined, BEARER)).status).toBe(202);
  await starting;
  const queued = await waitFor('the queued run', async () => {
    const { body } = await service.looper.get('/runs');
    const runs = body['runs'] as { run_id: string; trigger: string; status: string }[];
    return runs.find(({ trigger, status }) => trigger === 'hook:later' && status === 'queued');
  });
  writeFileSync(join(service.workspace, 'go'), '');
  expect(await service.looper.ended(queued.run_id)).toMatchObject({ outcome: 'succeeded' });
  expect(service.calls()[1]?.prompt).toContain('later');
});

test('a trigger that cannot start is in the log and in the chat', async () => {
  await using zulip = await startFakeZulip();
  const file = writeConfigFile(
    `hooks:${hook('lost', 'bearer', 'workspace: /nowhere/at/all').replace('prompt: ""', 'prompt: x')}`,
    SECRETS,
  );
  const { looper } = await startService({
    env: { ...zulipEnvironment(zulip), LOOPER_CONFIG_FILE: file },
  });
  const sent = await send(looper, 'lost', undefined, { ...BEARER, 'X-Request-Id': 'mine' });
  expect(sent.status).toBe(202);
  const message = await waitFor('the message', () => zulip.messages[0]);
  expect(message['content']).toMatch(/hook:lost could not start a run: .*\/nowhere\/at\/all/);
  const line = serverLog(looper).find(({ msg }) => msg === 'trigger.refused');
  expect(line).toMatchObject({ requestId: 'mine', trigger: 'hook:lost', level: 'error' });
});

describe('the configuration file', () => {
  test('with a problem keeps the service from starting, in words', async () => {
    const file = writeConfigFile('hooks:\n  - nme: one\n');
    const error = await startService({ env: { LOOPER_CONFIG_FILE: file } }).catch(String);
    expect(error).toContain('serve exited 2');
    expect(error).toContain('line 2: hooks[0].nme is not a key that belongs here: write name');
  });

  test('is read again when it changes; a broken one is named and the last good one kept', async () => {
    const file = writeConfigFile(`hooks:${hook('one', 'bearer')}`, SECRETS);
    const { looper } = await startService({ env: { LOOPER_CONFIG_FILE: file } });
    const status = async (name: string, secret = SECRET) =>
      (await send(looper, name, undefined, { Authorization: `Bearer ${secret}` })).status;
    const logged = (msg: string) => serverLog(looper).filter((line) => line['msg'] === msg);
    expect([await status('one'), await status('two')]).toEqual([202, 404]);

    writeFileSync(file, `hooks:${hook('two', 'bearer')}`);
    await waitFor('the new hook', async () => (await status('two')) === 202);
    expect(await status('one')).toBe(404);

    writeFileSync(file, 'hooks:\n  - name: three\n    message: x\n');
    const [problem] = await waitFor('the problem', () => {
      const lines = logged('config_file.invalid');
      return lines.length > 0 ? lines : null;
    });
    expect(problem?.['problem']).toMatch(/line 2: hooks\[0\]\.verify is missing/);
    expect([await status('two'), await status('three')]).toEqual([202, 404]);

    rmSync(file);
    await waitFor('the second problem', () => logged('config_file.invalid').length === 2);
    expect(await status('two')).toBe(202);

    writeFileSync(file, `hooks:${hook('two', 'bearer')}`);
    await waitFor('the mended file', () => logged('config_file.reloaded').length === 2);

    // A secret is changed without a change of the file.
    const rotated = `${SECRET}-of-tomorrow`;
    writeFileSync(join(dirname(file), 'secret'), rotated);
    await waitFor('the new secret', async () => (await status('two', rotated)) === 202);
    expect(await status('two')).toBe(401);
  });
});
