import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunRecord } from '../../src/runs/record.ts';
import { fakeCodexPath } from './fake-codex.ts';
import { waitFor } from './wait-for.ts';

const cliPath = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface LooperOptions {
  /** Holds `logs/`; two daemons on one home share a log directory. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs the daemon's, which follows as its last arguments: `unshare …`, say. */
  readonly within?: readonly string[];
  /** Another installation's `dist/cli.js`. */
  readonly cli?: string;
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

/** A real daemon: the built command, its own environment, a free port. */
export interface Looper extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly logDirectory: string;
  readonly process: ChildProcess;
  /** What it has printed so far, stdout and stderr. */
  output(): string;
  get(path: string): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Waits until the run has ended and its record says so. */
  ended(runId: string, timeoutMs?: number): Promise<RunRecord>;
  record(runId: string): Promise<RunRecord>;
  /** The raw log of a run. */
  log(runId: string): string;
  /** Sends SIGTERM and waits for the exit; returns the code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** The environment of a daemon that can touch nothing but what it started itself. */
export function looperEnvironment({ home, env = {} }: LooperOptions): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    LOOPER_LOG_DIR: join(home, 'logs'),
    LOOPER_ENV_FILE: '/dev/null',
    LOOPER_PORT: '0',
    LOOPER_KILL_SCOPE: 'owned',
    LOOPER_AUTO_START_WHEN_IDLE: '0',
    CODEX_EXEC_BINARY: fakeCodexPath,
    CODEX_EXEC_STARTUP_CHECK_SECONDS: '0',
    ...env,
  };
}

/** Starts `looper serve` and waits until it listens; fails with what it printed when it exits. */
export async function startLooper(options: LooperOptions): Promise<Looper> {
  mkdirSync(options.home, { recursive: true });
  const environment = looperEnvironment(options);
  const command = [...(options.within ?? []), process.execPath, options.cli ?? cliPath, 'serve'];
  const child = spawn(command[0] ?? '', command.slice(1), {
    cwd: options.home,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = once(child, 'exit');
  const url = await waitFor(
    'the daemon to listen',
    () => {
      if (child.exitCode !== null) throw new Error(`serve exited ${child.exitCode}: ${output}`);
      return /listens on (http:\S+)/.exec(output)?.[1];
    },
    15_000,
  );
  const logDirectory = environment['LOOPER_LOG_DIR'] ?? '';

  const request = async (path: string, init?: RequestInit): Promise<Answer> => {
    const response = await fetch(url + path, init);
    const text = await response.text();
    const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, body, headers: response.headers };
  };
  const record = async (runId: string): Promise<RunRecord> =>
    (await request(`/runs/${runId}`)).body['run'] as RunRecord;
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
    return child.exitCode;
  };

  return {
    url,
    pid: child.pid ?? 0,
    logDirectory,
    process: child,
    output: () => output,
    get: (path) => request(path),
    post: (path, body, headers = {}) =>
      request(path, {
        method: 'POST',
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: {
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
      }),
    record,
    ended: (runId, timeoutMs = 20_000) =>
      waitFor(
        `run ${runId} to end`,
        async () => {
          const found = await record(runId);
          return found?.status === 'finished' ? found : null;
        },
        timeoutMs,
        20,
      ),
    log: (runId) => {
      const name = readdirSync(logDirectory).find((file) => file.endsWith(`-${runId}.log`));
      return name === undefined ? '' : readFileSync(join(logDirectory, name), 'utf8');
    },
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL');
    },
    [Symbol.asyncDispose]: async () => {
      await end('SIGTERM');
    },
  };
}
