import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { isAlive, readBootId, readIdentity, sendSignal } from '../../src/processes/identity.ts';
import type { ProcessIdentity } from '../../src/processes/identity.ts';
import { readEnvironment } from '../../src/processes/proc.ts';
import { killTreeByPid, listWithPs, readStatWithPs } from '../../src/processes/ps.ts';
import { listProcesses } from '../../src/processes/table.ts';
import { identityOf, looksAlive } from '../support/scripted-agent.ts';
import { waitFor } from '../support/wait-for.ts';

const onLinux = process.platform === 'linux';

function start(
  command: string,
  args: readonly string[],
  options: { detached?: boolean; env?: Record<string, string> } = {},
): { child: ChildProcess; identity: ProcessIdentity } {
  const child = spawn(command, args, { stdio: 'ignore', ...options });
  onTestFinished(() => {
    if (options.detached === true && child.pid !== undefined) killGroup(child.pid);
    else child.kill('SIGKILL');
  });
  return { child, identity: identityOf(child.pid) };
}

function killGroup(pgid: number): void {
  try {
    process.kill(-pgid, 'SIGKILL');
  } catch {
    // The test has ended it.
  }
}

describe('identity', () => {
  it('names a process by pid, boot and start, and knows when it is gone', async () => {
    const { child, identity } = start('sleep', ['60']);
    expect(readIdentity(identity.pid)).toEqual(identity);
    expect(identity.start_time.startsWith(readBootId())).toBe(true);
    expect(isAlive(identity)).toBe(true);
    const exit = once(child, 'exit');
    expect(sendSignal(identity, 'SIGKILL')).toBe('sent');
    await exit;
    expect(isAlive(identity)).toBe(false);
    expect(readIdentity(identity.pid)).toBeNull();
    expect(sendSignal(identity, 'SIGKILL')).toBe('gone');
  });

  it('never signals another process under a reused pid, nor one of another boot (rows 39, 64)', () => {
    const { identity } = start('sleep', ['60']);
    const ticks = identity.start_time.split(':').at(-1);
    for (const start_time of ['', '0', `${identity.start_time}0`, `another-boot:${ticks}`]) {
      const reused = { pid: identity.pid, start_time };
      expect(isAlive(reused)).toBe(false);
      expect(sendSignal(reused, 'SIGKILL')).toBe('gone');
      expect(sendSignal(reused, 'SIGKILL', 'group')).not.toBe('sent');
    }
    expect(isAlive(identity)).toBe(true);
  });

  it.each([0, -1, 1, 1.5, Number.NaN, 2 ** 53])('refuses the pid %d (row 65)', (pid) => {
    const identity = { pid, start_time: readIdentity(1)?.start_time ?? '' };
    expect(sendSignal(identity, 'SIGKILL')).toBe('refused');
    expect(sendSignal(identity, 'SIGKILL', 'group')).toBe('refused');
    expect(isAlive(identity)).toBe(false);
  });

  it('refuses to signal itself, and a group that its leader has left or shares with us', () => {
    expect(sendSignal(identityOf(process.pid), 'SIGKILL')).toBe('refused');
    const { identity } = start('sleep', ['60']);
    expect(sendSignal(identity, 'SIGKILL', 'group')).toBe('refused');
    expect(isAlive(identity)).toBe(true);
  });

  it.runIf(onLinux)('takes a zombie for dead', async () => {
    // The shell becomes a program that never asks after its child.
    const parent = start('sh', ['-c', 'sleep 0.2 & exec sleep 60']);
    const pid = await waitFor('the child', () =>
      spawnSync('ps', ['-o', 'pid=', '--ppid', String(parent.identity.pid)])
        .stdout.toString()
        .trim(),
    );
    const zombie = identityOf(Number(pid));
    await waitFor('the child to end', () => !looksAlive(zombie.pid));
    expect(() => process.kill(zombie.pid, 0)).not.toThrow();
    expect(readIdentity(zombie.pid)).toEqual(zombie);
    expect(isAlive(zombie)).toBe(false);
    expect(sendSignal(zombie, 'SIGKILL')).toBe('gone');
  });
});

describe('listProcesses', () => {
  it('sees itself and a child, with the exact arguments', async () => {
    const args = ['-c', 'sleep 60; :', 'two words', '', 'tail '];
    const env = { LOOPER_RUN_ID: 'abc', CODEX_THREAD_ID: 'def' };
    const { identity } = start('/bin/sh', args, { detached: true, env });
    // Until `exec` has happened, a child still shows our own command line.
    const info = await waitFor('the arguments', async () => {
      const found = (await listProcesses()).get(identity.pid);
      return found?.argv[0] === '/bin/sh' ? found : null;
    });
    expect(info).toEqual({
      identity,
      ppid: process.pid,
      pgid: identity.pid,
      sid: identity.pid,
      uid: process.geteuid?.(),
      isDead: false,
      argv: ['/bin/sh', ...args],
      environment: { runId: 'abc', threadId: 'def', isEmpty: false },
    });
    expect((await listProcesses()).get(process.pid)?.ppid).toBe(process.ppid);
  });

  it.runIf(onLinux)('reads what marks a run, and only whole variable names', async () => {
    const filler = 'x'.repeat(100_000);
    const env = { FILLER: filler, NOT_LOOPER_RUN_ID: 'no', LOOPER_RUN_ID: 'abc' };
    const { identity } = start('/bin/sleep', ['60'], { env });
    const marked = { runId: 'abc', threadId: null, isEmpty: false };
    await waitFor('the environment', () => readEnvironment(identity.pid)?.runId === 'abc');
    expect(readEnvironment(identity.pid)).toEqual(marked);
    expect(readEnvironment(2 ** 30)).toBeNull();
  });
});

// What systems without /proc use; procps answers the same questions.
describe('ps', () => {
  it('agrees with itself about who we are', async () => {
    const rows = await listWithPs();
    const own = rows.find(({ pid }) => pid === process.pid);
    const { startTime = '', pgid, isDead } = readStatWithPs(process.pid) ?? {};
    expect(own).toMatchObject({
      ppid: process.ppid,
      uid: process.getuid?.(),
      startTime,
      pgid,
      isDead,
    });
    const startedSecondsAgo = Date.now() / 1000 - Number(startTime);
    expect(Math.abs(startedSecondsAgo - process.uptime())).toBeLessThan(5);
    expect(readStatWithPs(2 ** 22 + 1)).toBeNull();
  });

  it('gives the same start in every time zone and language (row 57)', async () => {
    const { identity } = start('sleep', ['60']);
    const startOf = async (): Promise<unknown[]> => {
      const row = (await listWithPs()).find(({ pid }) => pid === identity.pid);
      return [row?.startTime, readStatWithPs(identity.pid)?.startTime];
    };
    const [listed, single] = await startOf();
    expect(listed).toMatch(/^\d+$/);
    expect(single).toBe(listed);
    onTestFinished(() => void vi.unstubAllEnvs());
    // Half an hour off the others, and a clock that is set forward and back twice a year.
    for (const zone of ['Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns']) {
      vi.stubEnv('TZ', zone);
      vi.stubEnv('LC_ALL', 'de_DE.UTF-8');
      expect(await startOf()).toEqual([listed, listed]);
    }
  });

  it('kills a tree, and refuses what tree-kill would take for a group', async () => {
    const { child, identity } = start('sh', ['-c', 'sleep 60; sleep 60; :'], {
      detached: true,
    });
    // The shell outlives its first child, which tree-kill ends before it.
    const exit = once(child, 'exit');
    for (const pid of [0, -1, 1, process.pid, Number.NaN]) await killTreeByPid(pid);
    await killTreeByPid(identity.pid);
    expect(await exit).toEqual([null, 'SIGKILL']);
  });
});
