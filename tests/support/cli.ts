import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { looperEnvironment, type Looper } from './looper.ts';
import { waitFor } from './wait-for.ts';

export const cliPath = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

const DEADLINE_MS = 20_000;

export interface CliOptions {
  /** Holds `logs/`, as for a daemon. */
  readonly home: string;
  /** Where the service is; without one nobody answers. */
  readonly url?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that is still working. */
export interface RunningCli {
  readonly process: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until stdout holds this. */
  shows(text: string): Promise<void>;
  ended(): Promise<CliResult>;
}

/** No service listens there: the port of a URL that is never bound. */
export const NOBODY = 'http://127.0.0.1:9';

/** For a daemon that starts no second run: it needs no runner that waits for one. */
export const ONE_RUN = { LOOPER_STANDBY_RUNNER: '0' };

/** Starts `looper <args>`; it is killed when the test ends. */
export function startCli(args: readonly string[], options: CliOptions): RunningCli {
  const child = spawn(process.execPath, [cliPath, ...args], {
    cwd: options.cwd ?? options.home,
    env: looperEnvironment({
      home: options.home,
      env: { LOOPER_URL: options.url ?? NOBODY, ...options.env },
    }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(options.input ?? '');
  const exited = once(child, 'close');
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    shows: async (text) => {
      await waitFor(`"${text}" in: ${args.join(' ')}`, () => stdout.includes(text), DEADLINE_MS);
    },
    ended: async () => {
      const late = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
      await exited;
      clearTimeout(late);
      return { code: child.exitCode, stdout, stderr };
    },
  };
}

/** Runs `looper <args>` to its end. */
export function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return startCli(args, options).ended();
}

/** The same for a daemon and a workspace of a test. */
export function cliOf(
  { looper, workspace }: { readonly looper: Looper; readonly workspace: string },
  env: Readonly<Record<string, string>> = {},
) {
  const home = dirname(looper.logDirectory);
  const options = (): CliOptions => ({ home, url: looper.url, cwd: workspace, env });
  return {
    run: (...args: string[]): Promise<CliResult> => runCli(args, options()),
    start: (...args: string[]): RunningCli => startCli(args, options()),
    runWith: (input: string, ...args: string[]): Promise<CliResult> =>
      runCli(args, { ...options(), input }),
  };
}

/** What a command printed as JSON. */
export function jsonOf({ stdout, stderr }: CliResult): Record<string, unknown> {
  try {
    return JSON.parse(stdout) as Record<string, unknown>;
  } catch {
    throw new Error(`no JSON on stdout: ${stdout}\n${stderr}`);
  }
}
