import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';

import type { TurnVerdict } from '../../src/codex/classify.ts';
import { classifyTurn } from '../../src/codex/classify.ts';
import type { AgentCommandOptions } from '../../src/codex/command.ts';
import { buildAgentCommand } from '../../src/codex/command.ts';
import { buildAgentEnvironment } from '../../src/codex/environment.ts';
import type { TurnReport } from '../../src/codex/turn-report.ts';
import { readTurnReport } from '../../src/codex/turn-report.ts';
import type { Answer, ModelScript } from '../support/mock-model.ts';
import {
  BROKEN,
  QUOTA_EXCEEDED,
  RATE_LIMITED,
  startMockModel,
  UNAUTHORISED,
  usageLimit,
  writeCodexHome,
} from '../support/mock-model.ts';
import { hasRealCodex, realCodexPath } from '../support/real-codex.ts';
import { tempDir } from '../support/temp-dir.ts';

const RUN_ID = '12345678';
const TURN_DEADLINE_MS = 60_000;

interface Turn {
  readonly report: TurnReport;
  readonly verdict: TurnVerdict;
  readonly exitCode: number | null;
}

/**
 * One turn as the runner does it: prompt file on stdin, the run log as stdout and stderr. The log is
 * in the folder that a failing test keeps.
 */
async function runTurn(
  directory: string,
  env: Record<string, string>,
  options: Partial<AgentCommandOptions> & { prompt?: string } = {},
): Promise<Turn> {
  const workspace = join(directory, 'workspace');
  mkdirSync(workspace, { recursive: true });
  const promptPath = join(directory, 'prompt');
  writeFileSync(promptPath, options.prompt ?? 'do it');
  const logPath = join(directory, 'run.log');
  const command = buildAgentCommand({
    binary: realCodexPath,
    sandbox: 'danger-full-access',
    network: false,
    workspace,
    lastMessagePath: join(directory, 'last'),
    model: null,
    reasoning: null,
    resumeThreadId: null,
    extraArgs: [],
    addDirs: [],
    runId: RUN_ID,
    ...options,
  });
  const daemonEnv = {
    PATH: process.env['PATH'],
    HOME: directory,
    LOOPER_API_TOKEN: 'hidden',
    ...env,
  };
  const stdin = openSync(promptPath, 'r');
  const log = openSync(logPath, 'a', 0o600);
  const start = statSync(logPath).size;
  const child = spawn(command.file, command.args, {
    stdio: [stdin, log, log],
    env: buildAgentEnvironment({
      daemonEnv,
      envFileRest: {},
      secretNames: [],
      runId: RUN_ID,
      url: 'http://127.0.0.1:3456/run',
      ticket: null,
    }),
    timeout: TURN_DEADLINE_MS,
    killSignal: 'SIGINT',
  });
  const [exitCode, signal] = (await once(child, 'exit')) as [number | null, string | null];
  closeSync(stdin);
  closeSync(log);
  const end = statSync(logPath).size;
  const report = await readTurnReport(logPath, start, end);
  return {
    report,
    verdict: classifyTurn(report, { exitCode, signal }),
    exitCode,
  };
}

/** A script that answers with each in turn, the last one again and again. */
function inTurn(...answers: readonly Answer[]): ModelScript {
  return (request) => answers[Math.min(request.number, answers.length) - 1]!;
}

describe.skipIf(!hasRealCodex())('the real codex against a scripted model', () => {
  test('runs a command, says its last message and is judged completed', async () => {
    await using model = await startMockModel({
      script: inTurn(
        { exec: 'echo hello > made.txt', say: 'I will write it' },
        { say: 'all done' },
      ),
    });
    const directory = tempDir();
    const turn = await runTurn(directory, writeCodexHome(join(directory, 'home'), model.url), {
      prompt: '--help "quoted"\nline two',
    });
    expect(turn.verdict).toEqual({
      kind: 'completed',
      message: 'all done',
      resetsAt: null,
    });
    expect(turn.report).toMatchObject({
      turnStarted: true,
      terminal: 'completed',
      finalMessage: 'all done',
      usage: { input_tokens: 200, output_tokens: 40 },
      commands: { total: 1, failed: 0, sandboxFailed: 0 },
    });
    expect(turn.report.threadId).toBe(model.requests[0]?.threadId);
    expect(model.requests[0]?.prompt).toBe('--help "quoted"\nline two');
    expect(readFileSync(join(directory, 'workspace', 'made.txt'), 'utf8')).toBe('hello\n');
    expect(readFileSync(join(directory, 'last'), 'utf8')).toBe('all done');
  });

  test('model and reasoning reach the provider', async () => {
    await using model = await startMockModel({ script: inTurn({ say: 'ok' }) });
    const directory = tempDir();
    const turn = await runTurn(directory, writeCodexHome(join(directory, 'home'), model.url), {
      model: 'gpt-5.6-sol',
      reasoning: 'high',
    });
    expect(turn.verdict.kind).toBe('completed');
    expect(model.requests[0]?.body).toMatchObject({
      model: 'gpt-5.6-sol',
      reasoning: { effort: 'high' },
    });
  });

  test.each(['core', 'none'])(
    'the marker reaches commands under inherit = "%s", Looper\'s secrets do not',
    async (inherit) => {
      await using model = await startMockModel({
        script: inTurn({ exec: '/usr/bin/env > env.txt' }, { say: 'ok' }),
      });
      const directory = tempDir();
      const env = writeCodexHome(join(directory, 'home'), model.url, {
        extra: `[shell_environment_policy]\ninherit = "${inherit}"\n`,
      });
      const turn = await runTurn(directory, env);
      expect(turn.verdict.kind).toBe('completed');
      const seen = readFileSync(join(directory, 'workspace', 'env.txt'), 'utf8').split('\n');
      expect(seen).toContain(`LOOPER_RUN_ID=${RUN_ID}`);
      expect(seen.join('\n')).not.toContain('hidden');
    },
  );

  test.each(['UTC', 'America/New_York'])(
    'a usage limit is told from other failures and keeps its end (%s)',
    async (zone) => {
      // Codex prints the time in its own zone, which is the runner's too.
      vi.stubEnv('TZ', zone);
      onTestFinished(() => {
        vi.unstubAllEnvs();
      });
      const resetsAt = new Date('2033-05-18T03:33:00Z');
      await using model = await startMockModel({ script: inTurn(usageLimit(resetsAt)) });
      const directory = tempDir();
      const env = { ...writeCodexHome(join(directory, 'home'), model.url), TZ: zone };
      const turn = await runTurn(directory, env);
      expect(turn.exitCode).toBe(1);
      expect(turn.verdict).toMatchObject({
        kind: 'usage_limited',
        resetsAt: resetsAt.toISOString(),
      });
    },
  );

  test('a usage limit that ends today names no date', async () => {
    const resetsAt = new Date();
    // The last minute of the day, so that it is today whenever this runs.
    resetsAt.setHours(23, 59, 0, 0);
    await using model = await startMockModel({ script: inTurn(usageLimit(resetsAt)) });
    const directory = tempDir();
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const env = { ...writeCodexHome(join(directory, 'home'), model.url), TZ: zone };
    const turn = await runTurn(directory, env);
    expect(turn.verdict).toMatchObject({
      kind: 'usage_limited',
      message: expect.stringMatching(/try again at 11:59\sPM/) as string,
      resetsAt: resetsAt.toISOString(),
    });
  });

  test.each<[string, Answer, TurnVerdict['kind']]>([
    ['429 without a word', RATE_LIMITED, 'usage_limited'],
    ['429 insufficient_quota', QUOTA_EXCEEDED, 'usage_limited'],
    ['401', UNAUTHORISED, 'auth_error'],
    ['400', { status: 400, error: { message: 'You’ve hit your usage limit.' } }, 'failed'],
    ['500', BROKEN, 'network_error'],
    ['a stream that breaks off', { cut: true }, 'network_error'],
    ['too long a thread', { failed: 'context_length_exceeded' }, 'context_overflow'],
  ])('%s', async (_name, answer, kind) => {
    await using model = await startMockModel({ script: inTurn(answer) });
    const directory = tempDir();
    const turn = await runTurn(directory, writeCodexHome(join(directory, 'home'), model.url));
    expect({ kind: turn.verdict.kind, exitCode: turn.exitCode }).toEqual({
      kind,
      exitCode: 1,
    });
  });

  test('a refused connection ends, as a network error', async () => {
    const directory = tempDir();
    // A port that was just free: nothing listens there any more.
    const model = await startMockModel({ script: inTurn({ say: 'never' }) });
    await model[Symbol.asyncDispose]();
    const turn = await runTurn(directory, writeCodexHome(join(directory, 'home'), model.url));
    expect(turn.verdict.kind).toBe('network_error');
  });

  test('resuming keeps the thread, its sandbox and its workspace', async () => {
    await using model = await startMockModel({
      script: (request) => {
        if (request.prompt === 'first') return { say: 'one' };
        return request.toolOutputs.length === 0 ? { exec: 'pwd > where' } : { say: 'two' };
      },
    });
    const directory = tempDir();
    const env = writeCodexHome(join(directory, 'home'), model.url);
    const first = await runTurn(directory, env, { prompt: 'first' });
    const second = await runTurn(directory, env, {
      prompt: 'second',
      resumeThreadId: first.report.threadId,
    });
    expect(second.verdict).toMatchObject({ kind: 'completed', message: 'two' });
    expect(second.report.threadId).toBe(first.report.threadId);
    // Cumulative over the thread: one request before, two now.
    expect(second.report.usage?.input_tokens).toBe(300);
    const where = readFileSync(join(directory, 'workspace', 'where'), 'utf8');
    expect(where).toBe(`${join(directory, 'workspace')}\n`);
  });

  test('an unknown thread is refused before anything happens', async () => {
    await using model = await startMockModel({ script: inTurn({ say: 'never' }) });
    const directory = tempDir();
    const turn = await runTurn(directory, writeCodexHome(join(directory, 'home'), model.url), {
      resumeThreadId: '01a1fb6e-cfd4-77c2-8498-4fca32471bb3',
    });
    expect(turn.verdict.kind).toBe('resume_failed');
    expect(model.requests).toEqual([]);
  });

  test('the sandbox keeps writes inside the workspace, or its absence is noticed', async () => {
    await using model = await startMockModel({
      script: inTurn({ exec: 'touch inside && touch ../outside' }, { say: 'tried' }),
    });
    const directory = tempDir();
    const turn = await runTurn(directory, writeCodexHome(join(directory, 'home'), model.url), {
      sandbox: 'read-only',
    });
    expect(['completed', 'sandbox_unusable']).toContain(turn.verdict.kind);
    expect(existsSync(join(directory, 'workspace', 'inside'))).toBe(false);
    expect(existsSync(join(directory, 'outside'))).toBe(false);
  });
});
