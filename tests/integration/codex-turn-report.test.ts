import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { classifyTurn } from '../../src/codex/classify.ts';
import { buildAgentCommand } from '../../src/codex/command.ts';
import { readTurnReport } from '../../src/codex/turn-report.ts';
import type { Scenario } from '../support/fake-codex.ts';
import { fakeCodexPath, readCalls, writeScenario } from '../support/fake-codex.ts';
import { tempDir } from '../support/temp-dir.ts';

const line = (value: object): string => `${JSON.stringify(value)}\n`;
const COMPLETED = line({ type: 'turn.completed', usage: { input_tokens: 1 } });

describe('readTurnReport', () => {
  test('reads exactly the bytes of the turn', async () => {
    const log = join(tempDir(), 'log');
    const before = line({ type: 'thread.started', thread_id: 'earlier' });
    const turn = line({ type: 'thread.started', thread_id: 'mine' }) + 'wörn\n' + COMPLETED;
    const after = line({ type: 'turn.failed', error: { message: 'later' } });
    writeFileSync(log, before + turn + after);
    const start = Buffer.byteLength(before);
    const report = await readTurnReport(log, start, start + Buffer.byteLength(turn));
    expect(report).toMatchObject({ threadId: 'mine', terminal: 'completed', textTail: 'wörn\n' });
    expect(await readTurnReport(log, start, start)).toMatchObject({ threadId: null });
    // The log was cut since the record was written: what is left is read.
    truncateSync(log, start);
    expect(await readTurnReport(log, start, start + 1000)).toMatchObject({ threadId: null });
  });

  test('an event behind 100 MB without a newline is found, in bounded memory', async () => {
    const log = join(tempDir(), 'log');
    const fd = openSync(log, 'w');
    const block = Buffer.alloc(1024 * 1024, 'x');
    for (let written = 0; written < 100; written += 1) writeSync(fd, block);
    writeSync(fd, COMPLETED);
    closeSync(fd);
    const before = process.memoryUsage.rss();
    const report = await readTurnReport(log, 0, statSync(log).size);
    expect(report.terminal).toBe('completed');
    expect(report.textTail).toHaveLength(4096);
    expect((process.memoryUsage.rss() - before) / 1e6).toBeLessThan(80);
  });

  test('a log that is gone is an error', async () => {
    await expect(readTurnReport(join(tempDir(), 'none'), 0, 1)).rejects.toThrow('ENOENT');
  });
});

/** The command that Looper builds, run by the scripted agent as the runner runs it. */
async function runFake(
  scenario: Scenario,
  resumeThreadId: string | null = null,
  directory = tempDir(),
) {
  const scenarioPath = writeScenario(directory, scenario);
  const { file, args } = buildAgentCommand({
    binary: fakeCodexPath,
    sandbox: 'workspace-write',
    network: false,
    workspace: directory,
    lastMessagePath: join(directory, 'last'),
    model: 'm',
    reasoning: 'high',
    resumeThreadId,
    extraArgs: [],
    addDirs: [],
    runId: 'r',
  });
  writeFileSync(join(directory, 'prompt'), 'the prompt');
  const stdin = openSync(join(directory, 'prompt'), 'r');
  const log = openSync(join(directory, 'log'), 'a');
  const start = statSync(join(directory, 'log')).size;
  const child = spawn(file, args, { stdio: [stdin, log, log], timeout: 20_000 });
  const [exitCode, signal] = (await once(child, 'exit')) as [number | null, string | null];
  closeSync(stdin);
  closeSync(log);
  const report = await readTurnReport(
    join(directory, 'log'),
    start,
    statSync(join(directory, 'log')).size,
  );
  const verdict = classifyTurn(report, { exitCode, signal });
  return { directory, scenarioPath, exitCode, signal, report, verdict };
}

describe('the scripted agent speaks as codex does', () => {
  test('success: prompt from stdin, events, last message', async () => {
    const { report, verdict, directory, scenarioPath } = await runFake({
      message: 'well done',
      steps: [
        { do: 'command', command: 'true' },
        { do: 'change', path: 'a' },
      ],
    });
    expect(verdict).toMatchObject({ kind: 'completed', message: 'well done' });
    expect(report).toMatchObject({ commands: { total: 1, failed: 0 }, fileChanges: 1 });
    expect(readFileSync(join(directory, 'last'), 'utf8')).toBe('well done');
    expect(readCalls(scenarioPath)).toMatchObject([{ prompt: 'the prompt' }]);
  });

  test('one scenario per call; a resumed thread keeps its id and adds up its usage', async () => {
    const scenario: Scenario = { turns: [{ message: 'one' }, { message: 'two' }] };
    const first = await runFake(scenario);
    const second = await runFake(scenario, first.report.threadId, first.directory);
    expect(second.verdict.message).toBe('two');
    expect(second.report.threadId).toBe(first.report.threadId);
    expect(first.report.usage?.input_tokens).toBe(100);
    expect(second.report.usage?.input_tokens).toBe(200);
  });

  test('lines torn by stderr text lose nothing', async () => {
    const event = { type: 'item.completed', item: { type: 'agent_message', text: 'torn' } };
    const { report, verdict } = await runFake({
      message: null,
      steps: [
        { do: 'torn', event, text: 'WARN one\nWARN two' },
        { do: 'torn', event, text: 'WARN three ', first: 'text' },
      ],
    });
    expect(verdict.kind).toBe('completed');
    expect(report.finalMessage).toBe('torn');
    expect(report.textTail).toContain('WARN one\nWARN two\nWARN three \n');
  });

  test.each<[string, Scenario, object]>([
    [
      'a failure',
      { steps: [{ do: 'fail', message: 'You’ve hit your usage limit. Try again in 1 day.' }] },
      { verdict: { kind: 'usage_limited' }, exitCode: 1 },
    ],
    ['no sandbox', { steps: [{ do: 'sandbox' }] }, { verdict: { kind: 'sandbox_unusable' } }],
    [
      'a thread that is unknown',
      {
        session: false,
        exitCode: 1,
        steps: [{ do: 'err', text: 'no rollout found for thread id x\n' }],
      },
      { verdict: { kind: 'resume_failed' } },
    ],
    ['a kill', { steps: [{ do: 'kill', signal: 'SIGKILL' }] }, { signal: 'SIGKILL' }],
    [
      'a flood',
      { steps: [{ do: 'flood', megabytes: 2, newlines: false }] },
      { verdict: { kind: 'completed' } },
    ],
  ])('%s', async (_name, scenario, expected) => {
    expect(await runFake(scenario)).toMatchObject(expected);
  });
});
