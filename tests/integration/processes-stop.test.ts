import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isAlive } from '../../src/processes/identity.ts';
import { pollUntil } from '../../src/processes/poll.ts';
import { stopTree, sweepMarked } from '../../src/processes/stop.ts';
import { identityOf, looksAlive, pidsWorkingIn, startAgent } from '../support/scripted-agent.ts';
import { waitFor } from '../support/wait-for.ts';

const GRACE_MS = 3000;
/** For an agent that obeys, which a loaded machine must not turn into one that was killed. */
const LONG_GRACE_MS = 20_000;
const ESCAPES = ['plain', 'setsid', 'double-fork', 'setsid-double-fork', 'bare'] as const;

/** A run id of its own for every test, so that tests in parallel do not find each other. */
function markRun(): { env: { LOOPER_RUN_ID: string }; marker: (runId: string) => boolean } {
  const id = `test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  return { env: { LOOPER_RUN_ID: id }, marker: (runId) => runId === id };
}

describe.runIf(process.platform === 'linux')('stopTree', () => {
  it.each(['native', 'launcher'] as const)('stops an agent that obeys (%s)', async (shape) => {
    const agent = await startAgent([], { shape });
    const start = performance.now();
    const result = await stopTree({ roots: [agent.identity], graceMs: LONG_GRACE_MS });
    expect(result).toMatchObject({ outcome: 'stopped', survivors: [] });
    expect(result.signalled).toContain(agent.identity.pid);
    // Measured at 30 to 70 ms; far from the grace is what counts on a loaded machine.
    expect(performance.now() - start).toBeLessThan(LONG_GRACE_MS / 2);
    expect(pidsWorkingIn(agent.dir)).toEqual([]);
  });

  it.each(['native', 'launcher'] as const)(
    'reaches whatever left the group (%s) (row 21)',
    async (shape) => {
      const { env, marker } = markRun();
      const agent = await startAgent([], { env, shape, starts: [...ESCAPES, 'deaf'] });
      const result = await stopTree({ roots: [agent.identity], marker, graceMs: GRACE_MS });
      expect(result).toMatchObject({ outcome: 'stopped', survivors: [] });
      expect(pidsWorkingIn(agent.dir)).toEqual([]);
      expect(pidsWorkingIn(agent.dir)).toEqual([]);
    },
  );

  it('kills an agent that ignores SIGINT and SIGTERM once its grace is over (row 20)', async () => {
    const { env, marker } = markRun();
    const agent = await startAgent([], { env, mode: 'stubborn', starts: ESCAPES });
    const start = performance.now();
    const result = await stopTree({ roots: [agent.identity], marker, graceMs: 300 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(300);
    expect(result).toMatchObject({ outcome: 'killed', survivors: [] });
    expect(pidsWorkingIn(agent.dir)).toEqual([]);
  });

  it.each(['storm', 'bare-storm', 'relay'])(
    'outruns a tree that forks into new sessions (%s) (row 22)',
    async (kind) => {
      const { env, marker } = markRun();
      const agent = await startAgent([], { env, mode: 'stubborn', starts: [kind] });
      const result = await stopTree({ roots: [agent.identity], marker, graceMs: 50 });
      expect(result).toMatchObject({ outcome: 'killed', survivors: [] });
      expect(pidsWorkingIn(agent.dir)).toEqual([]);
    },
  );

  it('finds an unmarked orphan by the thread that the agent opened for it', async () => {
    const agent = await startAgent([], { starts: ['thread'] });
    await waitFor('the tool', () => existsSync(join(agent.dir, 'thread-tool.pid')));
    await stopTree({ roots: [agent.identity], graceMs: GRACE_MS });
    expect(looksAlive(agent.pidOf('thread'))).toBe(false);
  });

  it('spares the processes of the session from which the agent was started', async () => {
    // A person's interactive codex sets the thread id, and the agent inherits it.
    const env = { CODEX_THREAD_ID: `persons-${process.pid}` };
    const persons = spawn('sleep', ['60'], { env: { ...process.env, ...env }, detached: true });
    onTestFinished(() => {
      persons.kill('SIGKILL');
    });
    const agent = await startAgent([], { env, starts: ['setsid'] });
    await stopTree({ roots: [agent.identity], graceMs: GRACE_MS });
    expect(looksAlive(agent.pidOf('setsid'))).toBe(false);
    expect(looksAlive(persons.pid ?? 0)).toBe(true);
  });

  it('does not reach beyond the agent into the group that it shares with us', async () => {
    const sibling = spawn('sleep', ['60'], { stdio: 'ignore' });
    onTestFinished(() => {
      sibling.kill('SIGKILL');
    });
    const agent = await startAgent([], { detached: false });
    const result = await stopTree({ roots: [agent.identity], graceMs: GRACE_MS });
    expect(result.outcome).toBe('stopped');
    expect(looksAlive(sibling.pid ?? 0)).toBe(true);
  });

  it('touches nothing for a root that has gone, whoever has its pid now', async () => {
    const agent = await startAgent();
    const reused = { pid: agent.identity.pid, start_time: `${agent.identity.start_time}0` };
    const result = await stopTree({ roots: [reused], graceMs: GRACE_MS });
    expect(result).toEqual({ outcome: 'gone', signalled: [], survivors: [] });
    expect(isAlive(agent.identity)).toBe(true);
  });

  it('never touches itself, what is above it or what is excluded, and says so', async () => {
    const parent = identityOf(process.ppid);
    const self = identityOf(process.pid);
    const agent = await startAgent([], { starts: ['setsid'] });
    const roots = [self, parent, agent.identity];
    const result = await stopTree({ roots, exclude: [agent.identity], graceMs: GRACE_MS });
    expect(result).toEqual({
      outcome: 'survived',
      signalled: [],
      survivors: roots.map(({ pid }) => pid),
    });
    expect(looksAlive(agent.pidOf('setsid'))).toBe(true);
  });

  // Documents the limit: only a cgroup or a PID namespace holds such a process.
  it('does not find what daemonised and cleared its environment before the stop', async () => {
    const { env, marker } = markRun();
    const agent = await startAgent([], { env, starts: ['bare-double-fork'] });
    await stopTree({ roots: [agent.identity], marker, graceMs: GRACE_MS });
    expect(looksAlive(agent.pidOf('bare-double-fork'))).toBe(true);
  });
});

describe.runIf(process.platform === 'linux')('sweepMarked', () => {
  it('kills what an ended agent left, and an agent that still runs, but nothing else', async () => {
    const { env, marker } = markRun();
    const other = markRun();
    const ended = await startAgent([], {
      env,
      mode: 'done',
      starts: ['setsid-double-fork', 'deaf'],
    });
    const running = await startAgent([], { env, shape: 'launcher' });
    const foreign = await startAgent([], { env: other.env });
    const result = await sweepMarked({ marker, graceMs: GRACE_MS });
    expect(result).toMatchObject({ outcome: 'stopped', survivors: [] });
    expect([ended.dir, running.dir].flatMap(pidsWorkingIn)).toEqual([]);
    expect(isAlive(foreign.identity)).toBe(true);
  });

  it('has nothing to do when nothing is left', async () => {
    const { marker } = markRun();
    const result = await sweepMarked({ marker, graceMs: GRACE_MS });
    expect(result).toEqual({ outcome: 'gone', signalled: [], survivors: [] });
  });
});

describe('pollUntil', () => {
  it('gives up at its limit, and notices a yes soon', async () => {
    const start = performance.now();
    expect(await pollUntil(() => false, 60)).toBe(false);
    const waited = performance.now() - start;
    expect(waited).toBeGreaterThanOrEqual(60);
    let isReady = false;
    setTimeout(() => {
      isReady = true;
    }, 20);
    expect(await pollUntil(() => isReady, 5000)).toBe(true);
    expect(performance.now() - start - waited).toBeLessThan(2000);
  });
});
