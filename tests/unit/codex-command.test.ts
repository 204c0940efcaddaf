import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { AgentCommandOptions } from '../../src/codex/command.ts';
import { buildAgentCommand, formatCommand } from '../../src/codex/command.ts';
import { buildAgentEnvironment } from '../../src/codex/environment.ts';

const plain: AgentCommandOptions = {
  binary: '/opt/codex',
  sandbox: 'workspace-write',
  network: false,
  workspace: '/srv/app',
  lastMessagePath: '/logs/a.turn1.last',
  model: null,
  reasoning: null,
  resumeThreadId: null,
  extraArgs: [],
  addDirs: [],
  runId: '12345678',
};

describe('buildAgentCommand', () => {
  test('the plain command', () => {
    expect(formatCommand(buildAgentCommand(plain))).toBe(
      '/opt/codex --ask-for-approval never exec --json --sandbox workspace-write ' +
        '--skip-git-repo-check -C /srv/app -o /logs/a.turn1.last ' +
        '-c features.unbounded_connection_retries=false ' +
        `-c 'shell_environment_policy.set.LOOPER_RUN_ID="12345678"' -`,
    );
  });

  test('everything else has its place, before resume', () => {
    const { args } = buildAgentCommand({
      ...plain,
      network: true,
      model: 'gpt-5.5',
      reasoning: 'high',
      resumeThreadId: '01a1fb6e-cfd4-77c2-8498-4fca32471bb3',
      extraArgs: ['-c', 'features.unbounded_connection_retries=true'],
      addDirs: ['/srv/app/.git', '/srv/main/.git'],
    });
    const line = args.join(' ');
    expect(line).toContain('-C /srv/app --add-dir /srv/app/.git --add-dir /srv/main/.git -o ');
    expect(line).toContain(' -m gpt-5.5 ');
    expect(line).toContain('-c sandbox_workspace_write.network_access=true ');
    expect(line).toContain('-c model_reasoning_effort="high" ');
    expect(line.endsWith(' resume 01a1fb6e-cfd4-77c2-8498-4fca32471bb3 -')).toBe(true);
    // The operator's comes first, so Looper's wins.
    expect(line.indexOf('retries=true')).toBeLessThan(line.indexOf('retries=false'));
  });

  test.each([
    '-cmodel="pwned"',
    '--yolo',
    'high"\nsandbox_mode="danger-full-access',
    'a b',
    'a\0b',
    '',
    'x'.repeat(129),
  ])('%j is refused as model, reasoning and thread', (value) => {
    for (const field of ['model', 'reasoning', 'resumeThreadId'] as const) {
      expect(() => buildAgentCommand({ ...plain, [field]: value })).toThrow(/is not accepted/);
    }
  });
});

describe('formatCommand', () => {
  test('nothing breaks or reorders the line', () => {
    const line = formatCommand({
      file: '/opt/codex',
      args: ['a\nb', '\u001b[31m', '\u202e', "it's"],
    });
    expect(line).toBe(String.raw`/opt/codex $'a\x0ab' $'\x1b[31m' $'\xe2\x80\xae' 'it'\''s'`);
  });

  test('bash reads back what was written', () => {
    const words = fc.array(
      fc.string({ unit: 'grapheme' }).map((word) => word.replaceAll('\0', '')),
      {
        minLength: 1,
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(words, (args) => {
        const line = formatCommand({ file: 'x', args });
        expect(line).not.toContain('\n');
        // Without a terminal or a null device on stdin bash may read its start-up file.
        const out = execFileSync('bash', ['--norc', '-c', `printf '%s\\0' ${line}`], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        expect(out.split('\0').slice(1, -1)).toEqual(args);
      }),
      { numRuns: 20 },
    );
  });
});

describe('buildAgentEnvironment', () => {
  test("the daemon's and the file's, without what is Looper's or secret", () => {
    expect(
      buildAgentEnvironment({
        daemonEnv: {
          PATH: '/bin',
          OPENAI_API_KEY: 'the agent needs it',
          GITHUB_SECRET: 'named by the configuration',
          LOOPER_API_TOKEN: 'secret',
          LOOPER_RUN_ID: 'of an outer run',
          LOOPER_TICKET: 'of an outer run',
          ZULIPRC_PATH: '/z',
          ZULIP_BOT_API_KEY: 'secret',
          CODEX_EXEC_BINARY: '/c',
          CODEX_HOME: '/home/c',
          EMPTY: undefined,
        },
        envFileRest: { PATH: '/other', FROM_FILE: '1', CHAT_URL: 'secret' },
        secretNames: ['GITHUB_SECRET', 'CHAT_URL'],
        runId: '12345678',
        url: 'http://127.0.0.1:3456/run',
        ticket: null,
      }),
    ).toEqual({
      PATH: '/bin',
      OPENAI_API_KEY: 'the agent needs it',
      CODEX_HOME: '/home/c',
      FROM_FILE: '1',
      LOOPER_RUN_ID: '12345678',
      LOOPER_URL: 'http://127.0.0.1:3456/run',
    });
  });

  test('a ticket turn names its ticket', () => {
    const environment = buildAgentEnvironment({
      daemonEnv: {},
      envFileRest: {},
      secretNames: [],
      runId: 'auto12345678',
      url: 'u',
      ticket: '.looper/tickets/TICKET-001.md',
    });
    expect(environment['LOOPER_TICKET']).toBe('.looper/tickets/TICKET-001.md');
  });
});
