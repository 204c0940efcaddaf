/** What `POST /run` accepts and refuses before anything is announced or stopped. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeCodexPath, readCalls, writeScenario } from '../support/fake-codex.ts';
import { startFakeZulip } from '../support/fake-zulip.ts';
import {
  readRecords,
  runIdOf,
  startService,
  zulipEnvironment,
  type Service,
} from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const TOKEN = 'a token of 32 letters, and more.'.replaceAll(/\W/g, '-');

async function announcing(env: Record<string, string> = {}) {
  const zulip = await startFakeZulip();
  const service = await startService({
    scenario: { steps: [{ do: 'hang' }] },
    env: {
      ...zulipEnvironment(zulip),
      LOOPER_KILL_GRACE_SECONDS: '1',
      ...env,
    },
  });
  return { zulip, service, [Symbol.asyncDispose]: () => zulip.close() };
}

/** The run that was active before is active still, and nobody was told anything. */
async function expectUntouched(service: Service, runId: string, requests: number, sent: unknown[]) {
  expect((await service.looper.get('/runs/current')).body).toMatchObject({
    run: { run_id: runId, status: 'running' },
  });
  expect(readRecords(service.looper.logDirectory)).toHaveLength(1);
  expect(sent).toHaveLength(requests);
}

test('a field of the wrong type or out of range is a 400 that names it (row 4)', async () => {
  await using setting = await announcing();
  const { service, zulip } = setting;
  const active = await service.started();

  const wrong: [Record<string, unknown>, string][] = [
    [{ zulip_message: undefined }, 'zulip_message'],
    [{ zulip_message: '  ' }, 'zulip_message'],
    [{ zulip_message: 7 }, 'zulip_message'],
    [{ zulip_message: undefined, message: ['a'] }, 'message'],
    [{ codex_prompt: 5 }, 'codex_prompt'],
    [{ codex_prompt: '  \n' }, 'codex_prompt'],
    [{ codex_prompt: undefined, prompt: {} }, 'prompt'],
    [{ workspace: 1 }, 'workspace'],
    [{ workspace: '' }, 'workspace'],
    [{ codex_exec_binary: [] }, 'codex_exec_binary'],
    [{ codex_exec_delay_seconds: '1' }, 'codex_exec_delay_seconds'],
    [{ codex_exec_delay_seconds: -1 }, 'codex_exec_delay_seconds'],
    [{ codex_exec_delay_seconds: 3600.5 }, 'codex_exec_delay_seconds'],
    [{ codex_exec_startup_check_seconds: true }, 'codex_exec_startup_check_seconds'],
    [{ codex_exec_startup_check_seconds: 1e8 }, 'codex_exec_startup_check_seconds'],
    [{ startup_delay_seconds: 'soon' }, 'startup_delay_seconds'],
    [{ sidebar_delay_seconds: -0.1 }, 'sidebar_delay_seconds'],
    [{ new_task_delay_seconds: [] }, 'new_task_delay_seconds'],
    [{ prompt_send_delay_seconds: 3601 }, 'prompt_send_delay_seconds'],
    [{ startup_delay_seconds: 2000, sidebar_delay_seconds: 2000 }, 'startup_delay_seconds'],
    [{ on_busy: 'wait' }, 'on_busy'],
    [{ model: '' }, 'model'],
    [{ model: '--yolo' }, 'model'],
    [{ model: 'a b' }, 'model'],
    [{ reasoning: '"high"' }, 'reasoning'],
    [{ reasoning: 3 }, 'reasoning'],
  ];
  const fields = ['zulip_message', 'message', 'codex_prompt', 'prompt', 'workspace', 'model'];
  fields.push('codex_exec_binary', 'codex_exec_delay_seconds', 'on_busy', 'reasoning');
  fields.push('codex_exec_startup_check_seconds', 'startup_delay_seconds');
  for (const [given, name] of [
    ...wrong,
    ...fields.map((field) => [{ [field]: null }, field] as (typeof wrong)[number]),
  ]) {
    const { status, body, headers } = await service.run(given);
    expect({ given, status, body }).toMatchObject({
      given,
      status: 400,
      body: { ok: false, status: 400, error: expect.stringContaining(`'${name}'`) },
    });
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(headers.get('x-request-id')).toMatch(/\S/);
  }
  for (const body of [[], 'text', 5, null]) {
    const { status } = await service.looper.post('/run', body);
    expect({ body, status }).toEqual({ body, status: 400 });
  }
  await expectUntouched(service, active, 1, zulip.messages);
});

test('what cannot be started is refused while the active run goes on', async () => {
  await using setting = await announcing({ CODEX_EXEC_STARTUP_CHECK_SECONDS: '0' });
  const { service, zulip } = setting;
  const active = await service.started();
  const file = join(service.home, 'a-file');
  writeFileSync(file, '');
  const blocked = join(service.home, 'blocked');
  const garbled = join(service.home, 'garbled');
  for (const [workspace, ticket] of [
    [blocked, '---\nagent: user\ndone: false\ntitle: Choose\n---\n'],
    [garbled, '---\ndone: maybe\n---\n'],
  ] as const) {
    mkdirSync(join(workspace, '.looper/tickets'), { recursive: true });
    writeFileSync(join(workspace, '.looper/tickets/TICKET-001.md'), ticket);
  }
  const refused: [Record<string, unknown>, number, RegExp][] = [
    [{ workspace: join(service.home, 'missing') }, 422, /missing.*does not exist/],
    [{ workspace: file }, 422, /a-file.*not a directory/],
    [{ workspace: 'relative/path' }, 422, /not an absolute path/],
    [{ workspace: undefined }, 422, /no workspace/],
    [{ workspace: service.home }, 422, /the log directory/],
    [{ codex_prompt: undefined }, 422, /nothing to run/],
    [{ codex_prompt: undefined, workspace: blocked }, 422, /waits for a person: Choose/],
    [{ codex_prompt: undefined, workspace: garbled }, 422, /cannot be read as a ticket/],
    [{ codex_exec_binary: fakeCodexPath }, 403, /'codex_exec_binary' is refused/],
  ];
  for (const [given, expected, sentence] of refused) {
    const { status, body } = await service.run(given);
    expect({ status, body }).toMatchObject({
      status: expected,
      body: { error: expect.stringMatching(sentence) },
    });
  }
  await expectUntouched(service, active, 1, zulip.messages);
});

test('a workspace outside of the roots is refused, whatever its name looks like (row 69)', async () => {
  const service = await startService();
  const roots = join(service.home, 'ws');
  for (const name of ['ws/inside', 'ws-evil', 'outside']) {
    mkdirSync(join(service.home, name), { recursive: true });
  }
  symlinkSync(join(service.home, 'outside'), join(roots, 'link'));
  symlinkSync(roots, join(service.home, 'root-by-another-name'));
  await service.looper.stop();
  await service.restarted({ LOOPER_WORKSPACE_ROOTS: join(service.home, 'root-by-another-name') });

  const paths = ['ws/../ws-evil', 'ws-evil', 'ws/link', 'ws/link/.', 'outside', '.'];
  for (const path of paths) {
    const { status, body } = await service.run({ workspace: `${service.home}/${path}` });
    expect({ path, status, body }).toMatchObject({
      path,
      status: 403,
      body: { error: expect.stringContaining('LOOPER_WORKSPACE_ROOTS') },
    });
  }
  expect(readRecords(service.looper.logDirectory)).toEqual([]);
  expect((await service.run({ workspace: join(roots, 'inside') })).status).toBe(200);
});

test.each([
  ['outside', 403, 'lies outside of LOOPER_WORKSPACE_ROOTS'],
  ['workspace/other', 422, 'was replaced by a link'],
])(
  'a workspace that is swapped for a link to %s while its run waits gets no agent (row 69)',
  async (to, status, words) => {
    const service = await startService({
      env: (home) => ({ LOOPER_WORKSPACE_ROOTS: join(home, 'workspace') }),
    });
    const given = join(service.workspace, 'given');
    const target = join(service.home, to);
    for (const path of [given, target]) mkdirSync(path);
    const scenarioPath = writeScenario(target, {});
    const answer = service.run({ workspace: given, codex_exec_delay_seconds: 1 });
    await waitFor('its record', () => readRecords(service.looper.logDirectory).length === 1);
    renameSync(given, `${given}-of-before`);
    symlinkSync(target, given);
    expect(await answer).toMatchObject({ status, body: { error: expect.stringContaining(words) } });
    expect(readRecords(service.looper.logDirectory)).toMatchObject([{ outcome: 'spawn_failed' }]);
    expect(readCalls(scenarioPath)).toEqual([]);
  },
);

test('a caller chooses neither binary nor arguments nor environment of the agent (row 70)', async () => {
  const service = await startService();
  const refused = await service.run({ codex_exec_binary: '/bin/sh' });
  expect(refused).toMatchObject({ status: 403, body: { ok: false } });
  expect(readRecords(service.looper.logDirectory)).toEqual([]);

  const ignored = {
    codex_exec_args: ['--dangerously-bypass-approvals-and-sandbox'],
    args: ['--sandbox', 'danger-full-access'],
    env: { LD_PRELOAD: '/tmp/evil.so', CODEX_HOME: '/tmp/evil' },
    codex_exec_sandbox: 'danger-full-access',
  };
  const answer = await service.run(ignored);
  expect(answer.body['warnings']).toEqual(
    Object.keys(ignored).map((field) => `field '${field}' is unknown and was ignored`),
  );
  expect(answer.body['codex_exec_sandbox']).toBe('workspace-write');
  await service.looper.ended(runIdOf(answer));
  const [call] = service.calls();
  expect(call?.argv.join(' ')).toContain('--sandbox workspace-write');
  expect(JSON.stringify(call)).not.toMatch(/danger|evil/);
});

test('only requests that were meant for Looper come in', async () => {
  const service = await startService({ env: { LOOPER_API_TOKEN: TOKEN } });
  const { looper, workspace } = service;
  const body = { zulip_message: 'Go', codex_prompt: 'Do it', workspace };
  const bearer = { Authorization: `Bearer ${TOKEN}` };
  const statusOf = async (headers: Record<string, string>): Promise<number> =>
    (await looper.post('/run', body, headers)).status;

  for (const headers of [
    {},
    { Authorization: 'Bearer ' },
    { Authorization: `Bearer ${TOKEN}x` },
    { Authorization: `Bearer ${TOKEN.slice(0, -1)}` },
    { 'X-Looper-Token': TOKEN.toUpperCase() },
  ]) {
    expect({ headers, status: await statusOf(headers) }).toEqual({ headers, status: 401 });
  }
  expect(await statusOf({ ...bearer, Origin: 'https://evil.example' })).toBe(403);
  expect(await statusOf({ ...bearer, 'Content-Type': 'text/plain' })).toBe(415);
  const large = await looper.post('/run', { ...body, extra: 'x'.repeat(1024 ** 2) }, bearer);
  expect(large.status).toBe(413);
  expect((await looper.get('/runs')).status).toBe(401);
  expect((await looper.get('/ready')).status).toBe(401);
  expect((await looper.get('/health')).body).toMatchObject({ ok: true });
  expect(readRecords(looper.logDirectory)).toEqual([]);

  expect(await statusOf(bearer)).toBe(200);
  expect(await statusOf({ 'X-Looper-Token': TOKEN })).toBe(200);
});

test('unknown fields are named in the warnings, and no script of the caller is executed (row 4)', async () => {
  const service = await startService();
  const script = join(service.home, 'script.sh');
  const trace = join(service.home, 'executed');
  writeFileSync(script, `#!/bin/sh\ntouch ${trace}\n`, { mode: 0o755 });
  const answer = await service.run({ zulip_script_path: script, toString: 1, password_store: 'x' });
  runIdOf(answer);
  expect(answer.body['warnings']).toEqual([
    expect.stringContaining("'zulip_script_path'"),
    expect.stringContaining("'toString'"),
    expect.stringContaining("'password_store'"),
  ]);
  await service.looper.ended(runIdOf(answer));
  expect(() => writeFileSync(trace, '', { flag: 'wx' })).not.toThrow();
});

test('aliases and defaults count where the newer name is absent', async () => {
  const service = await startService({ env: { LOOPER_CODEX_MODEL: 'model-of-the-service' } });
  await service.looper.stop();
  await service.restarted({ LOOPER_WORKSPACE: service.workspace, LOOPER_PROMPT: 'by default' });
  const post = async (body: Record<string, unknown>) => {
    const runId = runIdOf(await service.looper.post('/run', body));
    await service.looper.ended(runId);
    return service.calls().at(-1);
  };
  const byAlias = await post({ message: 'Hi', prompt: 'by alias' });
  expect(byAlias).toMatchObject({ prompt: 'by alias', cwd: service.workspace });
  expect(byAlias?.argv.join(' ')).toContain('-m model-of-the-service');

  const both = { zulip_message: 'Hi', message: 'x', codex_prompt: 'by name', prompt: 'by alias' };
  const named = await post({ ...both, model: 'gpt-5', reasoning: 'high' });
  expect(named).toMatchObject({ prompt: 'by name' });
  expect(named?.argv.join(' ')).toContain('-m gpt-5');
  expect(named?.argv).toContain('model_reasoning_effort="high"');

  expect(await post({ zulip_message: 'Hi' })).toMatchObject({ prompt: 'by default' });
});
