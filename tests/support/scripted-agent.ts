import { spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { readIdentity, type ProcessIdentity } from '../../src/processes/identity.ts';
import { tempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

export interface AgentOptions {
  readonly mode?: 'cooperative' | 'stubborn' | 'done';
  /** What it starts; see the fixture. */
  readonly starts?: readonly string[];
  readonly shape?: 'native' | 'launcher';
  readonly env?: Readonly<Record<string, string>>;
  readonly detached?: boolean;
}

export interface ScriptedAgent {
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
  readonly dir: string;
  /** The pid that a started process wrote down. */
  pidOf(name: string): number;
}

/**
 * Starts a process that looks like `codex exec <args>`: the native binary's shape is bash under
 * another name running a script called `exec`. Returns when all that it starts is there. What is
 * left of it when the test ends is killed.
 */
export async function startAgent(
  args: readonly string[] = [],
  options: AgentOptions = {},
): Promise<ScriptedAgent> {
  const { mode = 'cooperative', starts = [], shape = 'native' } = options;
  const dir = tempDir('looper-agent-');
  symlinkSync(fixture('process-agent.sh'), join(dir, 'exec'));
  symlinkSync(fixture('process-launcher.mjs'), join(dir, 'codex'));
  const isNative = shape === 'native';
  const child = spawn(
    isNative ? '/bin/bash' : process.execPath,
    [...(isNative ? [] : [join(dir, 'codex')]), 'exec', ...args],
    {
      cwd: dir,
      detached: options.detached ?? true,
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'],
        AGENT_DIR: dir,
        AGENT_MODE: mode,
        AGENT_STARTS: starts.join(' '),
        ...options.env,
      },
      ...(isNative ? { argv0: '/opt/codex' } : {}),
    },
  );
  const identity = identityOf(child.pid);
  const pidOf = (name: string): number => readPid(join(dir, `${name}.pid`)) ?? 0;
  onTestFinished(() => {
    writeFileSync(join(dir, 'end'), '');
    child.kill('SIGKILL');
    for (const pid of pidsWorkingIn(dir)) process.kill(pid, 'SIGKILL');
  });
  for (const name of ['agent', ...starts]) {
    await waitFor(`${name} to start`, () => readPid(join(dir, `${name}.pid`)));
  }
  return { child, identity, dir, pidOf };
}

/** Who a process is, which must exist. */
export function identityOf(pid: number | undefined): ProcessIdentity {
  const identity = readIdentity(pid ?? 0);
  if (identity === null) throw new Error(`there is no process ${pid}`);
  return identity;
}

/** A witness of its own, apart from the code under test. */
export function looksAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Pids of everything that an agent started: it works in the agent's folder, marked or not. */
export function pidsWorkingIn(dir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && looksAlive(Number(name)))
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/cwd`) === dir;
      } catch {
        return false;
      }
    })
    .map(Number);
}

function readPid(path: string): number | null {
  if (!path.endsWith('.pid') || !existsSync(path)) return null;
  return Number(readFileSync(path, 'utf8')) || null;
}
