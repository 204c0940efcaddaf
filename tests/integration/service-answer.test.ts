/** What a caller reads in the answer of `POST /run`, the callers of the original Looper included. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeCodexPath } from '../support/fake-codex.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { readRecords, runFile, runIdOf, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const hasCurl = spawnSync('curl', ['--version']).status === 0;
if (!hasCurl) process.stderr.write('skipped: the wrapper script of the original needs curl\n');

const wrapper = `#!/bin/bash
set -euo pipefail
message=$(cat "$1")
payload=$(node -e 'console.log(JSON.stringify({
  zulip_message: process.argv[1], workspace: process.argv[2], password_store: "basic",
  codex_prompt: "Go on", startup_delay_seconds: 0.01, sidebar_delay_seconds: 0.02,
  new_task_delay_seconds: 0, prompt_send_delay_seconds: 0.1 }))' "$message" "$WORKSPACE")
curl -sS --fail -X POST "\${LOOPER_URL:-http://127.0.0.1:3456/run}" \
  -H 'Content-Type: application/json' -H "Authorization: Bearer $LOOPER_TOKEN" -d "$payload"
`;

test('a 200 holds all fields of the contract, and the old aliases are equal', async () => {
  const service = await startService({ scenario: { steps: [{ do: 'hang' }] } });
  const { status, body, headers } = await service.run();
  const log = runFile(service.looper.logDirectory, runIdOf({ status, body, headers }), '.log');
  await waitFor('the agent', () => service.calls().length === 1);
  expect(body).toEqual({
    ok: true,
    run_id: expect.stringMatching(/^[0-9a-f]{8}$/),
    mode: 'prompt',
    workspace: service.workspace,
    notified: false,
    zulip_output: expect.stringContaining('no announcement channel'),
    killed_codex_exec_pids: [],
    remaining_codex_exec_pids: [],
    replaced_run_id: null,
    codex_exec_binary: fakeCodexPath,
    codex_exec_binary_source: 'env',
    codex_exec_started: true,
    codex_exec_result: {
      pid: service.calls()[0]?.pid,
      command: expect.stringContaining(' --ask-for-approval never exec --json '),
      log_path: log,
      startup_return_code: null,
    },
    codex_exec_approval_policy: 'never',
    codex_exec_sandbox: 'workspace-write',
    warnings: [],
    killed_vscode_pids: body['killed_codex_exec_pids'],
    remaining_vscode_pids: body['remaining_codex_exec_pids'],
    codex_prompt_sent: body['codex_exec_started'],
    codex_send_result: body['codex_exec_result'],
  });
  const { command } = body['codex_exec_result'] as { command: string };
  expect(readFileSync(log, 'utf8')).toContain(`# command=${command}\n\n`);
});

test('a second trigger replaces the run and names its agent, or is refused on request', async () => {
  const service = await startService({ scenario: { steps: [{ do: 'hang' }] } });
  const first = await service.run();
  const firstAgent = (first.body['codex_exec_result'] as { pid: number }).pid;

  const refused = await service.run({ on_busy: 'reject' });
  expect(refused.status).toBe(409);
  expect(refused.body).toMatchObject({ ok: false, active_run_id: runIdOf(first) });
  expect(refused.body['error']).toBe('busy: another run is in progress');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(looksAlive(firstAgent)).toBe(true);

  const second = await service.run({ on_busy: 'replace' });
  expect(second.body).toMatchObject({
    replaced_run_id: runIdOf(first),
    killed_codex_exec_pids: [firstAgent],
    killed_vscode_pids: [firstAgent],
    remaining_codex_exec_pids: [],
  });
  expect(looksAlive(firstAgent)).toBe(false);
  expect(await service.looper.record(runIdOf(first))).toMatchObject({ outcome: 'replaced' });
});

test('LOOPER_ON_BUSY=reject holds for triggers that do not say', async () => {
  const service = await startService({
    scenario: { steps: [{ do: 'hang' }] },
    env: { LOOPER_ON_BUSY: 'reject' },
  });
  await service.started();
  expect((await service.run()).status).toBe(409);
  expect((await service.run({ on_busy: 'replace' })).status).toBe(200);
});

test('an empty prompt announces and cleans up, and needs neither workspace nor agent', async () => {
  const service = await startService({ scenario: { steps: [{ do: 'hang' }] } });
  const active = await service.started();
  const { status, body } = await service.run({ codex_prompt: '', workspace: undefined });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    mode: 'none',
    run_id: null,
    workspace: null,
    replaced_run_id: active,
    codex_exec_started: false,
    codex_exec_result: null,
    codex_prompt_sent: false,
    codex_send_result: null,
  });
  expect(body['killed_codex_exec_pids']).toHaveLength(1);
  expect(await service.looper.record(active)).toMatchObject({ outcome: 'replaced' });
  expect((await service.looper.get('/runs/current')).status).toBe(404);

  await service.looper.stop();
  await service.restarted({ CODEX_EXEC_BINARY: join(service.home, 'missing') });
  expect(service.looper.output()).toMatch(/agent +.*missing does not exist.*npm install/);
  expect((await service.run({ codex_prompt: '' })).status).toBe(200);
  expect(readRecords(service.looper.logDirectory)).toHaveLength(1);
});

test.runIf(hasCurl)("the original's wrapper script works unchanged", async () => {
  const token = 'token-of-the-wrapper';
  const service = await startService({ env: { LOOPER_API_TOKEN: token } });
  const script = join(service.home, 'trigger.sh');
  const message = join(service.home, 'message.txt');
  writeFileSync(script, wrapper, { mode: 0o755 });
  writeFileSync(message, 'Done: "all" of it, it\'s \\ fine\n\n\tand $(more) `of` it ✓\n');
  const env = {
    PATH: process.env['PATH'],
    LOOPER_URL: `${service.looper.url}/run`,
    LOOPER_TOKEN: token,
    WORKSPACE: service.workspace,
  };
  const begin = performance.now();
  const { status, stdout, stderr } = spawnSync(script, [message], { env, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  // The legacy delays are summed.
  expect(performance.now() - begin).toBeGreaterThan(130);
  const answer = JSON.parse(stdout) as Record<string, unknown>;
  expect(answer).toMatchObject({ ok: true, codex_exec_started: true, codex_prompt_sent: true });
  expect(answer['warnings']).toEqual([expect.stringContaining('password_store')]);
  await waitFor('the agent', () => service.calls().length === 1);

  const refused = spawnSync(script, [message], {
    env: { ...env, LOOPER_TOKEN: 'wrong' },
    encoding: 'utf8',
  });
  expect(refused.status).toBe(22);
  expect(refused.stderr).toContain('401');
});

test('an agent that fails at once is a 500 with its code and the tail of its log', async () => {
  const service = await startService({
    scenario: {
      session: false,
      steps: [
        { do: 'err', text: 'Error: no such model ✗\n' },
        { do: 'exit', code: 3 },
      ],
    },
  });
  const { status, body } = await service.run({ codex_exec_startup_check_seconds: 20 });
  expect(status).toBe(500);
  const [record] = readRecords(service.looper.logDirectory);
  expect(body['error']).toContain(`codex exec exited early (rc=3, log_path=${record?.log_path}`);
  expect(body['error']).toContain('Error: no such model ✗');
  expect(body['error']).toContain('# codex_exec_return_code=3');
  expect(record).toMatchObject({ outcome: 'failed', turns: [{ exit_code: 3 }] });
});

test('an agent that is done within the startup check is a success, with its code', async () => {
  const service = await startService();
  const { status, body } = await service.run({ codex_exec_startup_check_seconds: 20 });
  expect(status).toBe(200);
  expect(body['codex_exec_result']).toMatchObject({ startup_return_code: 0 });
  expect(body['codex_send_result']).toMatchObject({ startup_return_code: 0 });
});

test('a signal that ends the agent at once is a 500 with minus its number (row 35)', async () => {
  const service = await startService({ scenario: { steps: [{ do: 'kill', signal: 'SIGKILL' }] } });
  const { status, body } = await service.run({ codex_exec_startup_check_seconds: 20 });
  expect(status).toBe(500);
  expect(body['error']).toContain('rc=-9');
});

test('a failing first turn of a loop that goes on is no early exit', async () => {
  const steps = [{ do: 'fail', message: 'stream disconnected before completion' } as const];
  const service = await startService({ scenario: { steps } });
  const tickets = join(service.workspace, '.looper/tickets');
  mkdirSync(tickets, { recursive: true });
  writeFileSync(join(tickets, 'TICKET-001.md'), '---\ndone: false\ntitle: One\n---\nDo it.\n');
  const fields = { codex_prompt: undefined, codex_exec_startup_check_seconds: 1 };
  const { status, body } = await service.run(fields);
  expect(status).toBe(200);
  expect(body).toMatchObject({ mode: 'tickets', codex_exec_started: true });
});
