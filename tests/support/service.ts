import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import { ownCgroup } from './escapes.ts';
import type { FakeZulip } from './fake-zulip.ts';
import { readCalls, writeScenario, type FakeCall, type Scenario } from './fake-codex.ts';
import { startLooper, type Answer, type Looper, type LooperOptions } from './looper.ts';
import { looksAlive } from './scripted-agent.ts';
import { tempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

type Environment = Readonly<Record<string, string>>;

export interface Service {
  readonly home: string;
  readonly workspace: string;
  /** What `readCalls` and `readChildPids` want. */
  readonly scenarioPath: string;
  readonly looper: Looper;
  /** `POST /run` with a message, a prompt and the workspace, unless the fields say otherwise. */
  run(fields?: Readonly<Record<string, unknown>>): Promise<Answer>;
  /** The same, which must be answered 200 with a run; returns its id. */
  started(fields?: Readonly<Record<string, unknown>>): Promise<string>;
  calls(): FakeCall[];
  /** Starts another daemon on the same home, as after a crash or an update. */
  restarted(env?: Environment): Promise<Looper>;
}

/**
 * A daemon with a workspace of its own in a home of its own. When the test ends it is stopped, and
 * whatever was started in that home is killed.
 */
export async function startService(
  options: {
    readonly scenario?: Scenario;
    /** A function where the home must be known. */
    readonly env?: Environment | ((home: string) => Environment);
    readonly within?: LooperOptions['within'];
    readonly cli?: string;
  } = {},
): Promise<Service> {
  const home = tempDir();
  const workspace = join(home, 'workspace');
  mkdirSync(workspace);
  const scenarioPath = writeScenario(workspace, options.scenario ?? {});
  const base = typeof options.env === 'function' ? options.env(home) : options.env;
  const program = {
    ...(options.within === undefined ? {} : { within: options.within }),
    ...(options.cli === undefined ? {} : { cli: options.cli }),
  };
  const start = async (env: Environment): Promise<Looper> => {
    const looper = await startLooper({ ...program, home, env: { ...base, ...env } });
    onTestFinished(() => looper.kill());
    return looper;
  };
  onTestFinished(() => {
    killAll(home);
    removeCgroups(join(home, 'logs'));
  });
  let looper = await start({});
  const run = (fields: Readonly<Record<string, unknown>> = {}): Promise<Answer> =>
    looper.post('/run', { zulip_message: 'Go', codex_prompt: 'Do it', workspace, ...fields });
  return {
    home,
    workspace,
    scenarioPath,
    get looper() {
      return looper;
    },
    run,
    started: async (fields) => runIdOf(await run(fields)),
    calls: () => readCalls(scenarioPath),
    restarted: async (env = {}) => (looper = await start(env)),
  };
}

/** The settings of a daemon that announces in this Zulip. */
export function zulipEnvironment({ url }: FakeZulip): Record<string, string> {
  return {
    ZULIP_SITE: url,
    ZULIP_BOT_EMAIL: 'bot@example.com',
    ZULIP_BOT_API_KEY: 'key-of-the-bot',
    ZULIP_STREAM: 'ops',
    ZULIP_TOPIC: 'looper',
  };
}

/** Of an answer that must be a 200 with a run. */
export function runIdOf({ status, body }: Answer): string {
  const id = body['run_id'];
  if (status === 200 && typeof id === 'string') return id;
  throw new Error(`expected a started run, got ${status}: ${JSON.stringify(body)}`);
}

/** Pids of all that lives in a test's home: its path is in their environment, or they work there. */
export function processesOf(home: string): number[] {
  return allPids().filter((pid) => isOf(pid, home));
}

/** Waits until no more than this many are left; a look at every process of the machine is dear. */
export async function untilLeft(home: string, count: number): Promise<void> {
  const isDone = (): boolean => processesOf(home).length <= count;
  await waitFor(`only ${count} processes to be left in ${home}`, isDone, 10_000, 50);
}

export function childrenOf(parent: number): number[] {
  return allPids().filter((pid) => {
    const stat = readProc(pid, 'stat');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
  });
}

/** The one file of a run with this ending, in a directory of logs. */
export function runFile(logDirectory: string, runId: string, suffix: string): string {
  const name = readdirSync(logDirectory).find((file) => file.endsWith(`-${runId}${suffix}`));
  if (name === undefined) throw new Error(`run ${runId} has no file that ends in ${suffix}`);
  return join(logDirectory, name);
}

/** Lifecycle events as they lie on disk. */
export function readRunEvents(logDirectory: string, runId: string): Record<string, unknown>[] {
  const text = readFileSync(runFile(logDirectory, runId, '.events.jsonl'), 'utf8');
  const lines = text.split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Every record in a directory of logs, in no order; no daemon is asked. */
export function readRecords(logDirectory: string): RunRecord[] {
  return readdirSync(logDirectory)
    .filter((name) => /^codex-exec-.*\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(logDirectory, name), 'utf8')) as RunRecord);
}

function killAll(home: string): void {
  for (let round = 0; round < 5; round += 1) {
    const pids = processesOf(home);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}

/** Of runs whose runner was killed when the test ended; nobody comes to sweep them. */
function removeCgroups(logDirectory: string): void {
  const own = ownCgroup();
  if (own === null || !existsSync(logDirectory)) return;
  for (const { run_id } of readRecords(logDirectory)) {
    const directory = join(own, `looper-${run_id}`);
    if (existsSync(directory)) spawnSync('rmdir', [directory]);
  }
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && looksAlive(pid));
}

function isOf(pid: number, home: string): boolean {
  if (readProc(pid, 'environ').includes(home)) return true;
  try {
    return readlinkSync(`/proc/${pid}/cwd`).startsWith(home);
  } catch {
    return false;
  }
}

function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}
