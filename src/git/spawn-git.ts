import { spawn } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { isAbsolute, sep } from 'node:path';
import { messageOf, systemErrorCode } from '../errors.ts';
import { GitError } from './git-error.ts';

const MAX_STDOUT_BYTES = 64 * 1024 * 1024;
const MAX_STDERR_BYTES = 16 * 1024;
/** SIGTERM lets git remove its lock files; only then is it killed. */
const KILL_AFTER_MS = 2_000;

export interface GitCall {
  readonly args: readonly string[];
  /** The whole environment of the child: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly stdin?: string | Uint8Array;
}

export interface GitAnswer {
  readonly code: number;
  readonly stdout: Buffer;
  /** At most 16 KiB of it, trimmed. */
  readonly stderr: string;
}

/**
 * Runs the `git` that the environment's PATH names until it ends or its deadline (milliseconds)
 * passes. Any exit code is an answer; throws `GitError` when there is none.
 */
export function spawnGit(call: GitCall): Promise<GitAnswer> {
  const shown = `git ${call.args.find((arg) => !arg.startsWith('-') && !arg.includes('=')) ?? ''}`;
  return new Promise((resolve, reject) => {
    const child = spawn('git', call.args, {
      cwd: call.cwd,
      env: call.env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let stdoutBytes = 0;
    let stderrBytes = 0;
    let stopped: GitError | null = null;
    let kill: NodeJS.Timeout | undefined;

    const stop = (error: GitError): void => {
      if (stopped !== null) return;
      stopped = error;
      child.kill('SIGTERM');
      kill = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    };
    const deadline = setTimeout(() => {
      stop(new GitError('timeout', `${shown} in ${call.cwd} took over ${call.timeoutMs} ms`));
    }, call.timeoutMs);

    child.stdout.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length;
      if (stdoutBytes <= MAX_STDOUT_BYTES) stdout.push(chunk);
      else
        stop(new GitError('output', `${shown} in ${call.cwd} said over ${MAX_STDOUT_BYTES} bytes`));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderrBytes += chunk.length;
      if (stderrBytes <= MAX_STDERR_BYTES) stderr.push(chunk);
    });
    // git may end before it has read everything; its exit code says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(call.stdin ?? '');

    child.on('error', (error) => {
      clearTimeout(deadline);
      clearTimeout(kill);
      const why =
        systemErrorCode(error) === 'ENOENT'
          ? 'not found on PATH; install git or set LOOPER_COMMIT=off'
          : messageOf(error);
      reject(new GitError('absent', `git could not be started in ${call.cwd}: ${why}`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(deadline);
      clearTimeout(kill);
      if (stopped !== null) reject(stopped);
      else if (code === null) reject(new GitError('failed', `${shown} died of ${signal}`));
      else {
        const said = Buffer.concat(stderr).toString('utf8').trim();
        resolve({ code, stdout: Buffer.concat(stdout), stderr: said });
      }
    });
  });
}

/**
 * PATH without relative folders and those inside the work tree: the agent can write there. Never
 * empty, for an empty PATH means the current directory.
 */
export async function trustedSearchPath(path: string, workTree: string): Promise<string> {
  const folders: string[] = [];
  for (const folder of path.split(':').filter((folder) => isAbsolute(folder))) {
    const real = await realpath(folder).catch(() => folder);
    if (real !== workTree && !real.startsWith(`${workTree}${sep}`)) folders.push(folder);
  }
  return folders.length > 0 ? folders.join(':') : '/usr/bin:/bin';
}
