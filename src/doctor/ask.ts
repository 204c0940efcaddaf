import { spawn } from 'node:child_process';
import { messageOf, systemErrorCode } from '../errors.ts';
import { isSameProcess, readIdentity, type ProcessIdentity } from '../processes/identity.ts';

const MAX_OUTPUT_CHARS = 64 * 1024;

export type Answer =
  | {
      readonly kind: 'ended';
      /** -1: it died of a signal. */
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
    }
  | { readonly kind: 'absent'; readonly why: string }
  | { readonly kind: 'late' };

export interface AskOptions {
  /** The whole environment of the command: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Milliseconds; then it is killed with everything in its process group. */
  readonly deadlineMs: number;
  /** Ends it early, as a deadline does. */
  readonly signal: AbortSignal;
}

/** Runs a command that only tells something, without stdin. Never rejects. */
export function ask(command: readonly string[], options: AskOptions): Promise<Answer> {
  const [file = '', ...args] = command;
  return new Promise((resolve) => {
    // A group of its own: codex's launcher is not the process that works.
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: options.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const leader = child.pid === undefined ? null : readIdentity(child.pid);
    let stdout = '';
    let stderr = '';
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', giveUp);
      resolve(answer);
    };
    const giveUp = (): void => {
      killGroup(leader);
      child.stdout.destroy();
      child.stderr.destroy();
      settle({ kind: 'late' });
    };
    const timer = setTimeout(giveUp, options.deadlineMs);
    options.signal.addEventListener('abort', giveUp);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(0, MAX_OUTPUT_CHARS);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(0, MAX_OUTPUT_CHARS);
    });
    child.on('error', (error) => {
      const isMissing = systemErrorCode(error) === 'ENOENT';
      settle({ kind: 'absent', why: isMissing ? 'is not on PATH' : messageOf(error) });
    });
    child.on('close', (code) => settle({ kind: 'ended', code: code ?? -1, stdout, stderr }));
  });
}

/** Also when the leader has ended and others of its group hold the output open. */
function killGroup(leader: ProcessIdentity | null): void {
  if (leader === null) return;
  const now = readIdentity(leader.pid);
  // A group keeps its number from being given to others; somebody who has it means that it is gone.
  if (now !== null && !isSameProcess(now, leader)) return;
  try {
    process.kill(-leader.pid, 'SIGKILL');
  } catch (error) {
    // EPERM: on macOS, where only zombies are left of it.
    if (systemErrorCode(error) !== 'ESRCH' && systemErrorCode(error) !== 'EPERM') throw error;
  }
}

/** The first line that says why, without what codex says at every start in a temporary folder. */
export function firstWords(text: string): string {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('WARNING:'));
  return (lines[0] ?? 'it said nothing').trim().slice(0, 200);
}
