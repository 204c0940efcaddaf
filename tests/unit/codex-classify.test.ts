import { describe, expect, onTestFinished, test, vi } from 'vitest';

import type { TurnVerdict } from '../../src/codex/classify.ts';
import { classifyTurn } from '../../src/codex/classify.ts';
import { parseResetTime } from '../../src/codex/reset-time.ts';
import type { TurnReport } from '../../src/codex/turn-report.ts';
import { createTurnReader } from '../../src/codex/turn-report.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const report = (over: Partial<TurnReport> = {}): TurnReport => ({
  ...createTurnReader().report(),
  threadId: 't',
  turnStarted: true,
  ...over,
});
const failed = (errorMessage: string): TurnReport => report({ terminal: 'failed', errorMessage });
const OK = { exitCode: 0, signal: null };
const BAD = { exitCode: 1, signal: null };

describe('why a turn failed', () => {
  test.each<[string, TurnVerdict['kind']]>([
    ["You've hit your usage limit.", 'usage_limited'],
    ['You’ve hit your usage limit for gpt-6. Switch to another model now,', 'usage_limited'],
    ['Quota exceeded. Check your plan and billing details.', 'usage_limited'],
    ['Your workspace is out of credits. Add credits to continue.', 'usage_limited'],
    ['You hit your spend cap set in your workspace.', 'usage_limited'],
    ['exceeded retry limit, last status: 429 Too Many Requests', 'usage_limited'],
    ['Rate limit reached for gpt-5.5. Please try again in 2s.', 'usage_limited'],
    ['unexpected status 401 Unauthorized: no', 'auth_error'],
    ['unexpected status 403 Forbidden: no', 'auth_error'],
    ['Missing environment variable: `OPENAI_API_KEY`.', 'auth_error'],
    ['Your access token could not be refreshed. Please log out and sign in again.', 'auth_error'],
    ["Codex ran out of room in the model's context window.", 'context_overflow'],
    ['{"error":{"code":"context_length_exceeded","message":"long"}}', 'context_overflow'],
    ['{"error":{"code":"insufficient_quota"}}', 'usage_limited'],
    ['exceeded retry limit, last status: 503 Service Unavailable', 'network_error'],
    ['unexpected status 500 Internal Server Error: oops', 'network_error'],
    ['stream disconnected before completion: closed', 'network_error'],
    ['Connection failed: error sending request', 'network_error'],
    [
      'We’re currently experiencing high demand, which may cause temporary errors.',
      'network_error',
    ],
    ['Selected model is at capacity. Please try a different model.', 'network_error'],
    ['unexpected status 404 Not Found: no such model', 'failed'],
    // What a provider quotes (a prompt, say) decides nothing.
    ['unexpected status 400 Bad Request: "You’ve hit your usage limit, status 401"', 'failed'],
    ['{"error":{"message":"You’ve hit your usage limit"}}', 'failed'],
    ['{"error":"text"}', 'failed'],
    ['{"error":{"code":"constructor"}}', 'failed'],
    ['{ not json', 'failed'],
    ['something new', 'failed'],
    ['', 'failed'],
  ])('%j is %s', (message, kind) => {
    expect(classifyTurn(failed(message), BAD, NOW).kind).toBe(kind);
  });

  test('the message is one short line', () => {
    const { message } = classifyTurn(failed(`a\u001b[31m\n\tb ${'x'.repeat(9_000)}`), BAD, NOW);
    expect(message).toMatch(/^a \[31m b x+…$/);
    expect(message).toHaveLength(500);
  });

  test('the code of a bad request says nothing of its own', () => {
    expect(classifyTurn(failed('{"error":{"message":"No such tool."}}'), BAD, NOW)).toEqual({
      kind: 'failed',
      message: 'No such tool.',
      resetsAt: null,
    });
  });

  test('what the agent says or its commands print decides nothing', () => {
    const turn = report({
      finalMessage: 'You’ve hit your usage limit. unexpected status 401',
      textTail: 'no rollout found for thread id',
    });
    expect(classifyTurn({ ...turn, terminal: 'completed' }, OK, NOW).kind).toBe('completed');
    expect(classifyTurn(turn, BAD, NOW).kind).toBe('failed');
  });
});

describe('how a turn ended', () => {
  test('completed', () => {
    const turn = report({ terminal: 'completed', finalMessage: 'all\ndone' });
    expect(classifyTurn(turn, OK, NOW)).toEqual({
      kind: 'completed',
      message: 'all done',
      resetsAt: null,
    });
  });

  test('exit code 0 and a last message, but no terminal event: completed, with a warning', () => {
    const verdict = classifyTurn(report({ finalMessage: 'done' }), OK, NOW);
    expect(verdict).toMatchObject({ kind: 'completed', warning: expect.any(String) as string });
  });

  test.each<[string, TurnReport, { exitCode: number | null; signal: string | null }, string]>([
    ['exit code 0 and nothing said', report(), OK, 'said nothing'],
    ['completed, then a bad exit', report({ terminal: 'completed' }), BAD, 'exited with code 1'],
    ['killed', report(), { exitCode: null, signal: 'SIGKILL' }, 'SIGKILL'],
    [
      'completed, then killed',
      report({ terminal: 'completed' }),
      { exitCode: null, signal: 'SIGKILL' },
      'SIGKILL',
    ],
    ['nobody saw the end', report(), { exitCode: null, signal: null }, 'nobody saw'],
  ])('%s: failed', (_name, turn, exit, words) => {
    const verdict = classifyTurn(turn, exit, NOW);
    expect(verdict.kind).toBe('failed');
    expect(verdict.message).toContain(words);
  });

  test('completed, but nobody saw the exit code: completed, with a warning', () => {
    const turn = report({ terminal: 'completed' });
    expect(classifyTurn(turn, { exitCode: null, signal: null }, NOW)).toMatchObject({
      kind: 'completed',
      warning: expect.any(String) as string,
    });
  });

  test('before the session, stderr says why', () => {
    const textTail =
      'WARNING: proceeding\nwarning: Untrusted project-local configuration is disabled.\n' +
      'Reading additional input from stdin...\nNot inside a trusted directory\n';
    const turn = report({ threadId: null, turnStarted: false, textTail });
    expect(classifyTurn(turn, BAD, NOW)).toMatchObject({
      kind: 'failed',
      message: 'codex exited with code 1: Not inside a trusted directory',
    });
  });

  test.each(['no rollout found for thread id 1', 'thread 1 already has an active writer'])(
    'before the session, "%s" is a thread that cannot be resumed',
    (textTail) => {
      const turn = report({ threadId: null, turnStarted: false, textTail });
      expect(classifyTurn(turn, BAD, NOW).kind).toBe('resume_failed');
    },
  );

  test('completed, but the sandbox let no command run', () => {
    const turn = report({ terminal: 'completed', finalMessage: 'sorry' });
    const none = { total: 2, failed: 2, sandboxFailed: 2 };
    const some = { total: 3, failed: 2, sandboxFailed: 2 };
    expect(classifyTurn({ ...turn, commands: none }, OK, NOW).kind).toBe('sandbox_unusable');
    expect(classifyTurn({ ...turn, commands: some }, OK, NOW).kind).toBe('completed');
  });
});

describe('parseResetTime', () => {
  test.each<[string, string, string | null]>([
    ['UTC', 'or try again at May 18th, 2033 3:33 AM.', '2033-05-18T03:33:00.000Z'],
    ['America/New_York', 'try again at May 17th, 2033 11:33 PM.', '2033-05-18T03:33:00.000Z'],
    ['UTC', 'try again at Jan 1st, 2027 12:00 AM.', '2027-01-01T00:00:00.000Z'],
    ['UTC', 'try again at 12:05 PM.', '2026-11-21T12:05:00.000Z'],
    ['Asia/Tokyo', 'try again at 11:30 PM.', '2026-11-21T14:30:00.000Z'],
    ['UTC', 'try again at 3:33\u202fPM.', '2026-11-21T15:33:00.000Z'],
    ['UTC', 'try again in 3 days 4 hours 5 minutes.', '2026-11-24T16:05:00.000Z'],
    ['UTC', 'try again in 1 day, 1 hour and 30 seconds', '2026-11-22T13:00:30.000Z'],
    ['UTC', 'Please try again in 1.5s.', '2026-11-21T12:00:01.500Z'],
    ['UTC', '{"error":{"resets_at": 2000000000}}', '2033-05-18T03:33:20.000Z'],
    ['UTC', '{"error":{"resets_in_seconds":60}}', '2026-11-21T12:01:00.000Z'],
    ['UTC', 'try again at Feb 30th, 2033 3:33 AM.', null],
    ['UTC', 'try again at Foo 3rd, 2033 3:33 AM.', null],
    ['UTC', 'try again at 13:61 AM.', null],
    ['UTC', 'Try again later.', null],
  ])('%s: %s', (zone, message, expected) => {
    vi.stubEnv('TZ', zone);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    expect(parseResetTime(message, NOW)).toBe(expected);
  });

  test('only a usage limit has an end', () => {
    const limited = failed('You’ve hit your usage limit. Please try again in 1 hour.');
    expect(classifyTurn(limited, BAD, NOW).resetsAt).toBe('2026-11-21T13:00:00.000Z');
    const other = failed('stream disconnected before completion: try again in 1 hour');
    expect(classifyTurn(other, BAD, NOW).resetsAt).toBeNull();
  });
});
