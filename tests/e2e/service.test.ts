import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import { canFindProcesses, findProcesses } from '../support/find-processes.ts';
import { startLooper } from '../support/looper.ts';
import { usageLimit, type ModelScript } from '../support/mock-model.ts';
import { hasRealCodex } from '../support/real-codex.ts';
import {
  markDone,
  runToEnd,
  setStage,
  startScene,
  ticketOf,
  ticketText,
  usableSandbox,
  type Scene,
} from '../support/scene.ts';
import { waitFor } from '../support/wait-for.ts';

const isInstalled = hasRealCodex();
const sandbox = isInstalled ? usableSandbox() : 'danger-full-access';

/** Executes one command in the first request of a turn, and ends the turn in the second. */
function does(command: string, say = 'all done'): ModelScript {
  return ({ toolOutputs }) => (toolOutputs.length === 0 ? { exec: command } : { say });
}

/** Two background sleeps that no other process on this machine is; the shell waits for one. */
function longCommand(): { words: [string, string]; command: string } {
  const seconds = randomInt(1_000_000, 2_000_000);
  const words: [string, string] = [`${seconds}.1`, `${seconds}.2`];
  return { words, command: `sleep ${words[0]} & sleep ${words[1]}` };
}

/** Triggers a run and waits until its agent's long command is under way. */
async function startLong(
  { looper }: Scene,
  words: readonly string[],
  body: Record<string, unknown> = {},
): Promise<string> {
  const answer = await looper.post('/run', { message: 'long', ...body });
  expect(answer.status).toBe(200);
  await waitFor('the long command', () =>
    words.every((word) => findProcesses({ word }).length > 0),
  );
  const runId = String(answer.body['run_id']);
  // Both ways of looking find it, so that finding nothing later means something.
  expect(findProcesses({ variable: `LOOPER_RUN_ID=${runId}` })).not.toEqual([]);
  return runId;
}

function leftOf(runId: string, words: readonly string[]): number[] {
  return [
    ...findProcesses({ variable: `LOOPER_RUN_ID=${runId}` }),
    ...words.flatMap((word) => findProcesses({ word })),
  ];
}

describe.skipIf(!isInstalled)('the service with the real codex', () => {
  test('a prompt run writes a file; log, record and answer tell of it', async () => {
    await using scene = await startScene(does('echo hello > made.txt'), { sandbox });
    const { looper, workspace } = scene;
    const answer = await looper.post(
      '/run',
      { zulip_message: 'line one\n"two"', codex_prompt: 'Make it.\n--help "quoted"' },
      { 'X-Request-Id': 'e2e-1' },
    );
    expect(answer.body).toMatchObject({ ok: true, mode: 'prompt', codex_exec_started: true });
    const record = await looper.ended(String(answer.body['run_id']));

    expect(readFileSync(join(workspace, 'made.txt'), 'utf8')).toBe('hello\n');
    expect(scene.model.requests[0]?.prompt).toBe('Make it.\n--help "quoted"');
    expect(record).toMatchObject({
      trigger: 'http',
      mode: 'prompt',
      workspace,
      outcome: 'succeeded',
      reason: 'all done',
      agent: null,
      turns: [
        {
          ticket: null,
          thread_id: scene.model.requests[0]?.threadId,
          exit_code: 0,
          signal: null,
          outcome: 'finished',
          final_message: 'all done',
          usage: {
            input_tokens: 200,
            cached_input_tokens: 80,
            output_tokens: 40,
            reasoning_output_tokens: 10,
          },
        },
      ],
      summary: { turns: 1, usage: { input_tokens: 200 }, commits: [] },
    });
    // A prompt run commits nothing.
    expect(scene.commits()).toEqual([]);

    const lines = looper.log(record.run_id).split('\n');
    expect(lines.slice(0, 4)).toEqual([
      expect.stringMatching(/^# looper_request_id=\S+$/),
      `# workspace=${workspace}`,
      expect.stringMatching(/^# command=\S*codex --ask-for-approval never exec --json .* -$/),
      '',
    ]);
    expect(lines.slice(-2)).toEqual(['# codex_exec_return_code=0', '']);
    const events = lines
      .filter((line) => line.startsWith('{'))
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(events.at(0)).toBe('thread.started');
    expect(events.at(-1)).toBe('turn.completed');
  });

  test('two tickets are marked done by the agent and committed by Looper', async () => {
    await using scene = await startScene(
      (request) => {
        const ticket = ticketOf(request);
        return does(`echo ${ticket} > ${ticket}.txt; ${markDone(ticket)}`)(request);
      },
      {
        sandbox,
        files: {
          '.looper/tickets/TICKET-001.md': ticketText(1),
          '.looper/tickets/TICKET-002.md': ticketText(2),
        },
      },
    );
    const record = await runToEnd(scene.looper, {});
    expect(record).toMatchObject({
      mode: 'tickets',
      outcome: 'succeeded',
      turns: [
        { ticket: '.looper/tickets/TICKET-001.md', outcome: 'finished' },
        { ticket: '.looper/tickets/TICKET-002.md', outcome: 'finished' },
      ],
      summary: { tickets_left: 0, turns: 2, warnings: [] },
    });
    expect(new Set(record.turns.map(({ thread_id }) => thread_id)).size).toBe(2);
    expect(scene.commits()).toEqual(['TICKET-001 Part 1', 'TICKET-002 Part 2']);
    expect(record.summary?.commits).toHaveLength(2);
    expect(scene.dirt()).toBe('');
  });

  describe.each(['workspace-write', 'danger-full-access'])('%s', (mode) => {
    const isUsable = mode === 'danger-full-access' || mode === sandbox;
    test.skipIf(!canFindProcesses || !isUsable)(
      'a run replaced inside a long command leaves no process',
      async () => {
        const { words, command } = longCommand();
        await using scene = await startScene(
          ({ prompt }) => (prompt === 'long' ? { exec: command } : { say: 'short' }),
          { sandbox: mode },
        );
        const { looper } = scene;
        const replaced = await startLong(scene, words, { prompt: 'long' });
        const answer = await looper.post('/run', { message: 'now this', prompt: 'short' });
        // When the answer is there, nothing of the replaced run is.
        expect(leftOf(replaced, words)).toEqual([]);
        expect(answer.status).toBe(200);
        expect(answer.body).toMatchObject({ replaced_run_id: replaced });
        expect(answer.body['killed_codex_exec_pids']).toHaveLength(1);
        expect(await looper.record(replaced)).toMatchObject({
          status: 'finished',
          outcome: 'replaced',
        });
        const record = await looper.ended(String(answer.body['run_id']));
        expect(record).toMatchObject({ outcome: 'succeeded', reason: 'short' });
      },
    );
  });

  test('a 429 ends the run as usage_limited, in the words of the model', async () => {
    await using scene = await startScene(() => usageLimit(new Date('2033-05-18T03:33:00Z')), {
      env: { TZ: 'UTC' },
    });
    const { looper } = scene;
    const limited = await runToEnd(looper, { prompt: 'anything' });
    expect(limited).toMatchObject({
      outcome: 'usage_limited',
      reason: expect.stringMatching(/^You.ve hit your usage limit\./) as string,
      // Codex names the minute; the limit ends somewhere in it.
      resets_at: expect.stringMatching(/^2033-05-18T03:3[34]:00.000Z$/) as string,
      turns: [{ exit_code: 1, outcome: 'usage_limited' }],
    });

    const answer = await looper.post('/run', {
      message: 'again',
      prompt: 'anything',
      codex_exec_startup_check_seconds: 30,
    });
    expect(answer.status).toBe(500);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body).toMatchObject({
      ok: false,
      error: expect.stringContaining('usage limit') as string,
    });
    const { body } = await looper.get('/runs/latest');
    expect(body['run']).toMatchObject({ status: 'finished', outcome: 'usage_limited' });
  });

  test('a daemon killed during a run finds it again and sees its end', async () => {
    const gate = new AbortController();
    await using scene = await startScene(async ({ toolOutputs }) => {
      if (toolOutputs.length === 0) return { exec: 'echo one > one.txt' };
      if (!gate.signal.aborted) await once(gate.signal, 'abort');
      return { say: 'survived' };
    });
    const { looper, model, place, env } = scene;
    const answer = await looper.post('/run', { message: 'go', prompt: 'go' });
    const runId = String(answer.body['run_id']);
    await waitFor('the second request', () => model.requests.length === 2);
    await looper.kill();

    await using again = await startLooper({ home: place.home, env });
    const { body } = await again.get('/runs/current');
    expect(body['run']).toMatchObject({ run_id: runId, status: 'running' });
    gate.abort();
    const record = await again.ended(runId);
    expect(record).toMatchObject({
      outcome: 'succeeded',
      reason: 'survived',
      turns: [{ exit_code: 0, outcome: 'finished' }],
    });
    expect(again.log(runId)).toMatch(/\n# codex_exec_return_code=0\n$/);
    expect(model.requests).toHaveLength(2);
  });

  test("the agent's commands see the run's id and no secret", async () => {
    const secrets = { LOOPER_API_TOKEN: 'secret-token-000', ZULIP_BOT_API_KEY: 'secret-key-000' };
    await using stage = await setStage(does('env > env.txt'), { sandbox });
    const { place, workspace, env, model } = stage;

    // What the agent needs comes from the env file here, beside the secrets that it must not get.
    const { CODEX_HOME, MOCK_API_KEY, ...rest } = env;
    const envFile = join(place.root, 'looper.env');
    const zulip = { ZULIP_SITE: new URL(model.url).origin, ZULIP_BOT_EMAIL: 'bot@example.org' };
    const forAgent = { CODEX_HOME, MOCK_API_KEY, FOR_THE_AGENT: 'yes', ...zulip, ...secrets };
    writeFileSync(
      envFile,
      Object.entries(forAgent)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
      { mode: 0o600 },
    );
    await using looper = await startLooper({
      home: place.home,
      env: { ...rest, LOOPER_ENV_FILE: envFile },
    });
    const answer = await looper.post(
      '/run',
      { message: 'go', prompt: 'go' },
      { Authorization: `Bearer ${secrets.LOOPER_API_TOKEN}` },
    );
    expect(answer.status).toBe(200);
    const path = join(looper.logDirectory, logName(looper.logDirectory, '.json'));
    const record = await waitFor('the end', () => {
      const found = JSON.parse(readFileSync(path, 'utf8')) as RunRecord;
      return found.status === 'finished' ? found : null;
    });
    expect(record.outcome).toBe('succeeded');

    const seen = readFileSync(join(workspace, 'env.txt'), 'utf8');
    expect(seen.split('\n')).toContain(`LOOPER_RUN_ID=${record.run_id}`);
    expect(seen.split('\n')).toContain('FOR_THE_AGENT=yes');
    const own = seen.match(/^(?:LOOPER_|ZULIP|CODEX_EXEC_)[^=]*/gm);
    expect(own?.toSorted()).toEqual(['LOOPER_RUN_ID', 'LOOPER_URL']);
    expect(seen).not.toMatch(/secret-(?:token|key)/);
    const files = readdirSync(looper.logDirectory, { recursive: true, withFileTypes: true });
    const leaks = files.filter(
      (file) =>
        file.isFile() &&
        /secret-(?:token|key)/.test(readFileSync(join(file.parentPath, file.name), 'utf8')),
    );
    expect(leaks).toEqual([]);
  });

  test.skipIf(!canFindProcesses)(
    'a run that a person stops is gone, and its thread can be continued',
    async () => {
      const { words, command } = longCommand();
      let isFirst = true;
      await using scene = await startScene(
        (request) => {
          const ticket = ticketOf(request);
          if (isFirst) {
            isFirst = false;
            return { exec: command };
          }
          return does(markDone(ticket))(request);
        },
        { sandbox, files: { '.looper/tickets/TICKET-001.md': ticketText(1) } },
      );
      const { looper, model } = scene;
      const runId = await startLong(scene, words);
      const stopped = await looper.post(`/runs/${runId}/stop`);
      expect(leftOf(runId, words)).toEqual([]);
      expect(stopped.status).toBe(200);
      expect(stopped.body['run']).toMatchObject({
        status: 'finished',
        outcome: 'stopped',
        turns: [{ outcome: 'stopped' }],
        // The empty folders that codex's sandbox leaves when a command is cut off are no work.
        changed: false,
      });

      const record = await runToEnd(looper, {});
      expect(record).toMatchObject({ outcome: 'succeeded', turns: [{ outcome: 'finished' }] });
      expect(scene.commits()).toEqual(['TICKET-001 Part 1']);
      expect(scene.dirt()).toBe('');
      // SIGINT let codex write down how its turn ended, so the model is told.
      const resumed = model.requests[1];
      expect(resumed?.threadId).toBe(model.requests[0]?.threadId);
      expect(JSON.stringify(resumed?.body.input)).toContain('<turn_aborted>');
    },
  );
});

function logName(directory: string, ending: string): string {
  return readdirSync(directory).find((name) => name.endsWith(ending)) ?? '';
}
