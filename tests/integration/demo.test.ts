import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createPlace, fillRepository } from '../../src/demo/place.ts';
import { cliPath, startCli, type RunningCli } from '../support/cli.ts';
import { fakeCodexPath } from '../support/fake-codex.ts';
import { startFakeZulip } from '../support/fake-zulip.ts';
import { canFindProcesses, findProcesses } from '../support/find-processes.ts';
import { zulipEnvironment } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const TITLES = [
  'Write slugify()',
  'Test slugify(), accents included',
  'Say in the README how to use it',
];

/** A machine of its own: a home without git's settings, a folder for temporary things, a mark. */
function stranger(env: Readonly<Record<string, string>> = {}) {
  const home = tempDir();
  const temporary = join(home, 'tmp');
  mkdirSync(temporary);
  const mark = `DEMO_TEST=${randomUUID()}`;
  const all = { TMPDIR: temporary, DEMO_TEST: mark.slice('DEMO_TEST='.length), ...env };
  return {
    home,
    temporary,
    env: all,
    demo: (...args: string[]): RunningCli => startCli(['demo', ...args], { home, env: all }),
    left: () => ({
      folders: readdirSync(temporary),
      processes: canFindProcesses ? findProcesses({ variable: mark }) : [],
    }),
  };
}

const NOTHING = { folders: [], processes: [] };

/** The subjects in what `git log --oneline` printed. */
function subjects(stdout: string): string[] {
  return [...stdout.matchAll(/^[0-9a-f]{7,} (.+)$/gm)].map(([, subject]) => subject ?? '');
}

describe('looper demo', () => {
  it('works through three tickets, shows it and leaves nothing, whatever is set here', async () => {
    await using chat = await startFakeZulip();
    const { home, demo, left } = stranger({
      ...zulipEnvironment(chat),
      LOOPER_PORT: new URL(chat.url).port,
      LOOPER_URL: chat.url,
      LOOPER_HEALTHCHECK_URL: chat.url,
      LOOPER_API_TOKEN: 'a-token-of-the-person',
      LOOPER_TICKETS_DIR: '/nonexistent',
      LOOPER_CONFIG_FILE: '/nonexistent',
      LOOPER_KILL_SCOPE: 'all',
      LOOPER_COMMIT: 'off',
      GIT_DIR: '/nonexistent',
    });
    writeFileSync(
      join(home, '.zuliprc'),
      `[api]\nemail=bot@example.com\nkey=k\nsite=${chat.url}\n`,
      { mode: 0o600 },
    );
    const { code, stdout, stderr } = await demo().ended();

    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'The demo has ended; nothing of it is left.\n',
    });
    expect(stdout).toContain('scripted agent: it plays a fixed part, without a model');
    expect(stdout).toMatch(/service +http:\/\/127\.0\.0\.1:\d+ /);
    expect(stdout).toMatch(/dashboard +http:\/\/127\.0\.0\.1:\d+\//);
    expect(stdout).toContain('not ok  "Crème brûlée": cr-me-br-l-e\n  exit code 1\n');
    expect(stdout).toContain('── turn 4: .looper/tickets/TICKET-003-readme.md');
    expect(stdout).toMatch(/^succeeded · run [0-9a-f]{8} · in \ds · 4 turns$/m);
    expect(subjects(stdout)).toEqual(TITLES);
    expect(chat.requests).toEqual([]);
    expect(left()).toEqual(NOTHING);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends with 130 and leaves nothing when %s comes in the middle, twice',
    async (signal) => {
      const { demo, left } = stranger();
      const running = demo();
      await running.shows('turn 2');
      running.process.kill(signal);
      running.process.kill(signal);
      const { code, stdout, stderr } = await running.ended();
      expect(code).toBe(130);
      expect(stderr).toContain('The demo was interrupted; its run is ended.');
      expect(stdout).not.toContain('succeeded');
      expect(left()).toEqual(NOTHING);
    },
  );

  it('leaves its folder with --keep: the repository as Looper left it, and the log', async () => {
    const { demo, left, temporary, env } = stranger();
    const { code, stderr } = await demo('--keep').ended();
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Kept: /m) });
    const [name = ''] = left().folders;
    const folder = join(temporary, name);
    expect(stderr).toContain(`Kept: ${folder}\n`);
    expect(left().processes).toEqual([]);

    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: join(folder, 'slug'), env: { ...process.env, ...env } })
        .toString()
        .trim();
    expect(git('log', '--reverse', '--format=%an: %s').split('\n')).toEqual([
      'Demo: Start',
      ...TITLES.map((title) => `Looper: ${title}`),
    ]);
    expect(git('status', '--porcelain', '--', ':!.looper')).toBe('');
    expect(
      spawnSync(process.execPath, ['slug.test.js'], { cwd: join(folder, 'slug') }).status,
    ).toBe(0);
    const again = startCli(['logs'], { home: folder, env: { LOOPER_LOG_DIR: `${folder}/logs` } });
    expect((await again.ended()).stdout).toContain('All titles come out right. Done.');
  });

  it('lets the configured agent play with --real, and fails when that finishes no ticket', async () => {
    const { demo, left } = stranger({ CODEX_EXEC_BINARY: fakeCodexPath });
    const { code, stdout } = await demo('--real').ended();
    expect(code).toBe(1);
    expect(stdout).toContain(`codex (${fakeCodexPath}), with your account`);
    expect(stdout).not.toContain('scripted');
    expect(stdout).toMatch(/^no_progress · run/m);
    expect(left()).toEqual(NOTHING);
  });

  it.each([
    [
      'no codex with --real',
      ['--real'],
      { CODEX_EXEC_BINARY: '/nonexistent/codex' },
      /codex does not exist\. Install it/,
    ],
    [
      'no temporary directory',
      [],
      { TMPDIR: '/nonexistent' },
      /folder in \/nonexistent \(ENOENT\)/,
    ],
  ])('says what is missing: %s', async (_, args, env, sentence) => {
    const { demo, left } = stranger(env);
    const { code, stderr } = await demo(...args).ended();
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain('    at ');
    expect(left()).toEqual(NOTHING);
  });

  it('says so when there is no git', async () => {
    const place = createPlace(tempDir());
    await expect(fillRepository(place, { PATH: '/nonexistent' })).rejects.toThrow(
      'there is no git on PATH. Install it',
    );
  });

  const hasTerminal =
    process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;
  it.skipIf(!hasTerminal)('keeps the service up on a terminal until Enter', async () => {
    const { env, home, left } = stranger();
    const command = `'${process.execPath}' '${cliPath}' demo`;
    const terminal = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      env: { PATH: process.env['PATH'], HOME: home, TERM: 'xterm', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => {
      terminal.kill('SIGKILL');
    });
    let screen = '';
    terminal.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    const exited = once(terminal, 'exit');
    await waitFor('the last line', () => screen.includes('Press Enter'), 20_000);
    const url = /shows it all: (http:\S+)/.exec(screen)?.[1] ?? '';
    const page = await fetch(url);
    expect([page.status, await page.text()]).toEqual([
      200,
      expect.stringContaining('TICKET-003-readme'),
    ]);
    terminal.stdin.write('\n');
    expect(await exited).toEqual([0, null]);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
    expect(left()).toEqual(NOTHING);
  });
});
