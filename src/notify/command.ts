import { spawn, type ChildProcess } from 'node:child_process';
import { messageOf } from '../errors.ts';
import { notifyFailed } from './failure.ts';
import type { Notifier } from './index.ts';
import { cutToLimit, neutraliseControls } from './text.ts';

/** Of what the command says on stderr, for the sentence of its failure. */
const STDERR_BYTES = 4096;
const SHOWN_CHARACTERS = 300;

export interface CommandHost {
  /** Where commands start, and what relative paths in them mean. */
  readonly directory: string;
  /** Without Looper's own settings and secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends the process and everything below it. */
  readonly killTree: (pid: number) => Promise<unknown>;
}

/**
 * Any program: the message on its stdin, exit code 0 is a success. Never a shell, so nothing in a
 * message can become a command; `LOOPER_NOTIFY_KIND` and `LOOPER_NOTIFY_RUN` say what it is about.
 */
export function createCommand(
  name: string,
  argv: readonly [program: string, ...args: string[]],
  { directory, environment, killTree }: CommandHost,
): Notifier {
  const [program, ...args] = argv;
  return {
    name,
    async send(message, signal) {
      const child = spawn(program, args, {
        cwd: directory,
        env: {
          ...environment,
          LOOPER_NOTIFY_KIND: message.kind,
          LOOPER_NOTIFY_RUN: message.runId ?? '',
        },
        stdio: ['pipe', 'ignore', 'pipe'],
        // A group of its own: Ctrl-C in the daemon's terminal is not meant for it.
        detached: true,
      });
      const ended = endOf(child);
      // Who does not read its input may still succeed.
      child.stdin.on('error', () => undefined);
      child.stdin.end(`${neutraliseControls(message.text)}\n`);
      const kill = (): void => {
        // Where it has gone already, there is nothing to kill.
        if (child.pid !== undefined) void killTree(child.pid).catch(() => undefined);
      };
      if (signal.aborted) kill();
      signal.addEventListener('abort', kill, { once: true });
      try {
        const { code, stderr } = await ended;
        if (code === 0) return { output: `OK ${name} (exit code 0)` };
        const said = cutToLimit(neutraliseControls(stderr).trim(), SHOWN_CHARACTERS, '…');
        throw notifyFailed(`${program} ended with ${code}${said === '' ? '' : `: ${said}`}`, {
          isInDoubt: signal.aborted,
        });
      } finally {
        signal.removeEventListener('abort', kill);
        // What it left behind may hold the pipe for ever.
        child.stderr.destroy();
      }
    },
  };
}

/** Resolves at the exit, not when the last child has closed the pipe. */
function endOf(child: ChildProcess): Promise<{ code: number | string; stderr: string }> {
  return new Promise((resolve, reject) => {
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-STDERR_BYTES);
    });
    child.once('error', (error) => {
      reject(notifyFailed(`${child.spawnfile} could not be started: ${messageOf(error)}`));
    });
    child.once('exit', (code, signal) => {
      // What it wrote last is read in this turn of the event loop.
      setImmediate(() => resolve({ code: code ?? signal ?? 'nothing', stderr }));
    });
  });
}
