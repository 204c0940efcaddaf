import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, existsSync, fstatSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentCommand } from '../codex/command.ts';
import { messageOf } from '../errors.ts';
import { readIdentity, type ProcessIdentity } from '../processes/identity.ts';
import { stopTree, sweepMarked } from '../processes/stop.ts';
import type { RunLimits } from './order.ts';

/** How often the limits are looked at while an agent works. */
const LOOK_MS = 250;
/** A look that is late by more than this comes after a sleep, and the agent slept as well. */
const ASLEEP_MS = 2_000;
/** The kernel has confirmed the death; the exit code follows as soon as the event loop turns. */
const EXIT_EVENT_MS = 2_000;

export interface Agent {
  readonly identity: ProcessIdentity;
  readonly exit: Promise<AgentExit>;
}

export interface AgentExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** What ended a turn: the agent itself, or the limit or request that made us end it. */
export type TurnEnding =
  'exited' | 'stopped' | 'timed_out' | 'run_timed_out' | 'stalled' | 'log_limit';

export interface TurnExit extends AgentExit {
  readonly ending: TurnEnding;
  /** Processes of the run that outlived SIGKILL; no new run may start over them. */
  readonly survivors: readonly number[];
}

/**
 * Starts the agent as the leader of its own session, its output going straight into the run log
 * and its prompt coming from a file: no pipe, so no death of ours reaches it. Throws a sentence
 * that names the binary when it cannot be started.
 */
export async function spawnAgent(
  command: AgentCommand,
  options: {
    readonly promptPath: string;
    readonly logPath: string;
    readonly environment: Readonly<Record<string, string>>;
    readonly workspace: string;
  },
): Promise<Agent> {
  const promptFd = openSync(options.promptPath, constants.O_RDONLY | constants.O_NOFOLLOW);
  let logFd: number | null = null;
  try {
    logFd = openSync(
      options.logPath,
      constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW,
    );
    const child = spawn(command.file, command.args, {
      cwd: options.workspace,
      env: options.environment,
      detached: true,
      stdio: [promptFd, logFd, logFd],
    });
    // Read before the event loop can reap a child that dies at once.
    const identity = child.pid === undefined ? null : readIdentity(child.pid);
    const exit = exitOf(child);
    await spawned(child);
    if (identity === null) {
      // A run that is said not to have started must not leave its agent. Not waited for yet, so the
      // number still means our child.
      child.kill('SIGKILL');
      throw new Error(`process ${child.pid} could not be looked at`);
    }
    return { identity, exit };
  } catch (error) {
    // The system says ENOENT of the binary when it is the directory that is missing.
    const why = existsSync(options.workspace)
      ? `${messageOf(error)}. It, and the interpreter that its first line may name, must exist and be executable; mend that and trigger again.`
      : `its workspace ${options.workspace} is gone. Make it anew, or trigger with another one.`;
    throw new Error(`could not start ${command.file}: ${why}`, { cause: error });
  } finally {
    closeSync(promptFd);
    if (logFd !== null) closeSync(logFd);
  }
}

/**
 * Waits until the turn is over, however it ends, and until nothing of it is left: tools in
 * sessions of their own outlive their agent, so a look for the run's marker closes every turn.
 */
export async function finishTurn(
  agent: Agent,
  options: {
    readonly runId: string;
    readonly logFd: number;
    readonly limits: RunLimits;
    /** When the whole run must be over, on the clock of `performance.now()`. */
    readonly runDeadline: number | null;
    readonly stop: AbortSignal;
    readonly onLook: () => void;
  },
): Promise<TurnExit> {
  const isOurs = (runId: string): boolean => runId === options.runId;
  const { graceMs } = options.limits;
  const ending = await watch(agent, options);
  if (ending !== 'exited') {
    await stopTree({ roots: [agent.identity], marker: isOurs, graceMs });
  }
  const { survivors } = await sweepMarked({ marker: isOurs, graceMs: 0 });
  const unknown = delay(EXIT_EVENT_MS, { exitCode: null, signal: null }, { ref: false });
  const exit = await Promise.race([agent.exit, unknown]);
  return { ...exit, ending, survivors };
}

/**
 * Neither a turn's time nor a silence goes on while nobody is awake. On Linux a suspended machine
 * stops the clock of `performance.now()` by itself; that of macOS goes on, and so does every one
 * while we are stopped by a signal.
 */
function watch(agent: Agent, options: Parameters<typeof finishTurn>[1]): Promise<TurnEnding> {
  const { limits, logFd, stop } = options;
  let startedAt = performance.now();
  let lastOutputAt = startedAt;
  let lookedAt = startedAt;
  let logSize = fstatSync(logFd).size;
  return new Promise((resolve) => {
    const end = (ending: TurnEnding): void => {
      clearInterval(timer);
      stop.removeEventListener('abort', onStop);
      resolve(ending);
    };
    const look = (): void => {
      const now = performance.now();
      const asleepMs = now - lookedAt > ASLEEP_MS ? now - lookedAt : 0;
      lookedAt = now;
      startedAt += asleepMs;
      lastOutputAt += asleepMs;
      const { size } = fstatSync(logFd);
      if (size !== logSize) lastOutputAt = now;
      logSize = size;
      options.onLook();
      if (size > limits.maxLogBytes) end('log_limit');
      else if (options.runDeadline !== null && now >= options.runDeadline) end('run_timed_out');
      else if (now - startedAt >= limits.turnTimeoutMs) end('timed_out');
      else if (now - lastOutputAt >= limits.stallMs) end('stalled');
    };
    const onStop = (): void => end('stopped');
    const timer = setInterval(look, LOOK_MS);
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
    void agent.exit.then(() => end('exited'));
  });
}

/** `exit`, not `close`: a grandchild that holds the log open must not keep the run open. */
function exitOf(child: ChildProcess): Promise<AgentExit> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', resolve);
  });
}
