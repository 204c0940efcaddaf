import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCommand } from '../../src/notify/command.ts';
import { deliver } from '../../src/notify/deliver.ts';
import type { Message } from '../../src/notify/index.ts';
import { readIdentity } from '../../src/processes/identity.ts';
import { stopTree } from '../../src/processes/stop.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { recordLog } from '../support/notify-log.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const MESSAGE: Message = {
  kind: 'failed',
  text: 'Run 0a1b2c3d failed; $(touch owned) `touch owned` \u001B[31m"quoted"',
  runId: '0a1b2c3d',
  id: 'looper_0a1b2c3d_end',
  at: '2026-01-01T00:00:00.000Z',
};

/** A command in a folder of its own; `script` is a program for node. */
function setUp(script: string, timeoutMs = 5000) {
  const directory = tempDir();
  writeFileSync(join(directory, 'script.mjs'), script);
  const environment = { PATH: process.env['PATH'] ?? '', GREETING: 'hello' };
  const killTree = async (pid: number) => {
    const identity = readIdentity(pid);
    return identity && stopTree({ roots: [identity], graceMs: 0 });
  };
  const argv = [process.execPath, './script.mjs', 'an argument; touch owned'] as const;
  const command = createCommand('mail', argv, { directory, environment, killTree });
  const log = recordLog();
  return {
    directory,
    attempt: (message = MESSAGE) => deliver(command, message, { timeoutMs, log }),
    read: (name: string) => readFileSync(join(directory, name), 'utf8'),
  };
}

test('gets the message on stdin, what it is about in two variables, and no shell', async () => {
  const { attempt, read, directory } = setUp(`
    import { readFileSync, writeFileSync } from 'node:fs';
    const { PATH, ...env } = process.env;
    const input = readFileSync(0, 'utf8');
    writeFileSync('seen', JSON.stringify({ input, env, argv: process.argv.slice(2), cwd: process.cwd() }));
  `);
  expect(await attempt()).toEqual({ kind: 'delivered', output: 'OK mail (exit code 0)' });
  expect(JSON.parse(read('seen'))).toEqual({
    input: 'Run 0a1b2c3d failed; $(touch owned) `touch owned` "quoted"\n',
    env: { GREETING: 'hello', LOOPER_NOTIFY_KIND: 'failed', LOOPER_NOTIFY_RUN: '0a1b2c3d' },
    argv: ['an argument; touch owned'],
    cwd: directory,
  });
  expect(existsSync(join(directory, 'owned'))).toBe(false);
});

test('that fails: the exit code and the end of its stderr', async () => {
  const { attempt } = setUp(`console.error('x'.repeat(9000) + ' no route'); process.exitCode = 3;`);
  expect(await attempt()).toMatchObject({
    kind: 'failed',
    isInDoubt: false,
    sentence: expect.stringMatching(/ended with 3: x+…$/),
  });
});

test('that does not exist is a failure that names it', async () => {
  const killTree = () => Promise.resolve();
  const command = createCommand('mail', ['/nonexistent/mailer'], {
    directory: tempDir(),
    environment: {},
    killTree,
  });
  expect(await deliver(command, MESSAGE, { timeoutMs: 1000, log: recordLog() })).toMatchObject({
    kind: 'failed',
    isInDoubt: false,
    sentence: expect.stringMatching(/^\/nonexistent\/mailer could not be started: .*ENOENT/),
  });
});

test('that reads nothing and ends well has succeeded, however long the message', async () => {
  const { attempt } = setUp('process.exit(0)');
  const message = { ...MESSAGE, text: 'long '.repeat(100_000) };
  expect(await attempt(message)).toMatchObject({ kind: 'delivered' });
});

test('that leaves a child behind which holds stderr has ended all the same', async () => {
  const { attempt, read } = setUp(`
    import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    const child = spawn('sleep', ['5'], { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
    child.unref();
    writeFileSync('pid', String(child.pid));
    process.exit(0);
  `);
  const startedAt = performance.now();
  expect(await attempt()).toMatchObject({ kind: 'delivered' });
  expect(performance.now() - startedAt).toBeLessThan(3000);
  const child = readIdentity(Number(read('pid')));
  if (child !== null) await stopTree({ roots: [child], graceMs: 0 });
});

test('that hangs is killed with all that it started, at the deadline', async () => {
  const { attempt, read, directory } = setUp(
    `
    import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    process.on('SIGTERM', () => undefined);
    process.on('SIGINT', () => undefined);
    const child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
    writeFileSync('pids', process.pid + ' ' + child.pid);
    setInterval(() => undefined, 1000);
  `,
    1000,
  );
  const startedAt = performance.now();
  expect(await attempt()).toMatchObject({
    kind: 'failed',
    isInDoubt: true,
    sentence: 'no answer within 1 s (LOOPER_NOTIFY_TIMEOUT_SECONDS)',
  });
  expect(performance.now() - startedAt).toBeLessThan(2500);
  expect(existsSync(join(directory, 'pids'))).toBe(true);
  const pids = read('pids').split(' ').map(Number);
  expect(pids).toHaveLength(2);
  await waitFor('both to be gone', () => pids.every((pid) => !looksAlive(pid)));
});
