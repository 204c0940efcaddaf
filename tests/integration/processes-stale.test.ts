import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findStale, type KillScope } from '../../src/processes/stale.ts';
import { identityOf, looksAlive, startAgent } from '../support/scripted-agent.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const modules = fileURLToPath(new URL('../../build/processes', import.meta.url));
const scopeAll = fileURLToPath(new URL('../fixtures/process-scope-all.mjs', import.meta.url));
const namespaces = ['-Urpf', '--mount-proc'];
const canUnshare = spawnSync('unshare', [...namespaces, 'true']).status === 0;
if (!canUnshare)
  process.stderr.write('skipped: scope all needs unshare, which is not allowed here\n');

if (process.getuid?.() !== 0) process.stderr.write("skipped: another user's agent needs root\n");

async function stalePids(scope: KillScope, workspace: string | null = null): Promise<number[]> {
  const stale = await findStale({ scope, workspace, isOwnRun: (runId) => runId === 'own' });
  return stale.flatMap(({ pids }) => pids);
}

/** A process with these arguments; those of bash name a script in its folder. */
function startDecoy(
  argv0: string,
  args: readonly string[],
  options: { uid?: number } = {},
): number {
  const dir = tempDir();
  chmodSync(dir, 0o755);
  if (args[0] !== undefined && !args[0].startsWith('-')) {
    writeFileSync(join(dir, args[0]), 'sleep 60; :');
  }
  const child = spawn('/bin/bash', args, {
    argv0,
    cwd: dir,
    stdio: 'ignore',
    detached: true,
    ...options,
  });
  onTestFinished(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  });
  return identityOf(child.pid).pid;
}

describe('findStale', () => {
  it('finds an agent once, launcher and native binary together', async () => {
    const agent = await startAgent(['--json', '-'], { shape: 'launcher' });
    const stale = await findStale({ scope: 'all', workspace: null, isOwnRun: () => false });
    const found = stale.find(({ pids }) => pids.includes(agent.identity.pid));
    // A child of the agent shows its parent's arguments until it has become what it is to be.
    expect(found?.members.map(({ pid }) => pid)).toEqual(
      expect.arrayContaining([agent.identity.pid, agent.pidOf('agent')]),
    );
    expect(found?.pids).toEqual([agent.identity.pid]);
    expect(await stalePids('all')).not.toContain(agent.pidOf('agent'));
  });

  it('finds foreign agents by workspace: their -C, else their own directory', async () => {
    const workspace = tempDir();
    const link = join(tempDir(), 'link');
    symlinkSync(workspace, link);
    const named = await startAgent(['-C', link]);
    const standing = await startAgent();
    expect(await stalePids('workspace', workspace)).toEqual([named.identity.pid]);
    expect(await stalePids('workspace', standing.dir)).toEqual([standing.identity.pid]);
    expect(await stalePids('owned', workspace)).toEqual([]);
  });

  it('finds its own by their marker, and what they left behind', async () => {
    const env = { LOOPER_RUN_ID: 'own' };
    const agent = await startAgent([], { env, starts: ['setsid'] });
    const ended = await startAgent([], { env, starts: ['setsid-double-fork'], mode: 'done' });
    const other = await startAgent([], { env: { LOOPER_RUN_ID: 'of-another-looper' } });
    const stale = await findStale({
      scope: 'owned',
      workspace: null,
      isOwnRun: (runId) => runId === 'own',
    });
    expect(stale.flatMap(({ pids }) => pids)).toEqual([agent.identity.pid]);
    const members = stale.flatMap((one) => one.members.map(({ pid }) => pid));
    expect(members).toContain(ended.pidOf('setsid-double-fork'));
    expect(members).not.toContain(other.identity.pid);
    const exclude = [agent.identity];
    const rest = await findStale({
      scope: 'owned',
      workspace: null,
      isOwnRun: (runId) => runId === 'own',
      exclude,
    });
    expect(rest.flatMap(({ pids }) => pids)).toEqual([]);
  });

  it('leaves decoys alone (row 27)', async () => {
    const decoys = [
      startDecoy('bash', ['-c', 'sleep 60; : codex exec']),
      startDecoy('bash', ['-c', 'sleep 60; : codex --ask-for-approval never exec']),
      startDecoy('vim', ['codex exec.md']),
      startDecoy('grep', ['codex exec']),
      startDecoy('pgrep', ['codex', 'exec']),
      startDecoy('/opt/codex', ['resume', 'exec']),
      startDecoy('/opt/codex', ['exec the plan']),
      startDecoy('codex', ['exec-server']),
      startDecoy('codex', ['app-server', 'exec']),
      startDecoy('codex-linux-sandbox', ['exec']),
    ];
    const agent = startDecoy('codex', ['exec']);
    const found = await waitFor('the agent among them', async () => {
      const pids = await stalePids('all');
      return pids.includes(agent) ? pids : null;
    });
    expect(decoys.filter((pid) => found.includes(pid))).toEqual([]);
    expect(decoys.filter((pid) => !looksAlive(pid))).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)("leaves another user's agent alone (row 28)", async () => {
    const ours = startDecoy('codex', ['exec']);
    const theirs = startDecoy('codex', ['exec'], { uid: 65534 });
    const found = await waitFor('our agent', async () => {
      const pids = await stalePids('all');
      return pids.includes(ours) ? pids : null;
    });
    expect(found).not.toContain(theirs);
    const asThem = await findStale({
      scope: 'all',
      workspace: null,
      isOwnRun: () => false,
      uid: 65534,
    });
    expect(asThem.flatMap(({ pids }) => pids)).toContain(theirs);
  });

  // Signals everything that it finds, hence a PID namespace with nothing else in it.
  it.runIf(canUnshare)('stops every agent in scope all, save the one above it', () => {
    if (!existsSync(modules)) throw new Error(`${modules} is not built; run npm run build`);
    const dir = tempDir();
    writeFileSync(join(dir, 'exec'), 'eval "$CODE"; :');
    // A foreign agent, one of our own, what a tool of it left, and a shell that mentions one; then
    // the code under test below an agent of its own.
    const script = `
      agent() { CODE='sleep 60' bash -c 'exec -a codex bash exec' & }
      agent
      LOOPER_RUN_ID=own agent
      (LOOPER_RUN_ID=own setsid sleep 61 &)
      bash -c 'sleep 62; : codex exec' &
      sleep 0.3
      CODE='"${process.execPath}" "${scopeAll}" "${modules}" own' bash -c 'exec -a codex bash exec'
      ps -eo args=`;
    const { stdout } = spawnSync('unshare', [...namespaces, 'bash', '-c', script], {
      cwd: dir,
      encoding: 'utf8',
      timeout: 20_000,
    });
    const [report = '', ...left] = stdout.split('\n');
    const { stale, stopped, left: staleLeft } = JSON.parse(report);
    expect(stale.map(({ pids }: { pids: number[] }) => pids.length)).toEqual([1, 1, 0]);
    expect(stopped).toMatchObject({ outcome: 'killed', survivors: [] });
    expect(staleLeft).toEqual([]);
    expect(left).toContain('bash -c sleep 62; : codex exec');
    expect(left).not.toContain('sleep 61');
    expect(left).not.toContain('codex exec');
  });
});
