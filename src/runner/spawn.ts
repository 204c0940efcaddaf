import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { LooperError, messageOf } from '../errors.ts';
import { isAlive, readIdentity, sendSignal, type ProcessIdentity } from '../processes/identity.ts';
import type { RunnerReply, RunOrder } from './order.ts';

export interface RunnerSpawnOptions {
  /** The runner's entry: `dist/runner.js`. */
  readonly entry: string;
  /** Without secrets, and without the marker of a run; which those are may change meanwhile. */
  readonly environment: () => Readonly<Record<string, string>>;
  /** Where a runner's last words go: with no terminal and no run yet there is no other place. */
  readonly stderrPath: string;
}

/**
 * The daemon's side of a gate: a runner that has booted or is booting and does nothing until
 * `order`. If the daemon dies first, the kernel closes the socket pair and the runner exits.
 */
export interface GatedRunner {
  readonly identity: ProcessIdentity;
  /** Which state of its files it was started from. */
  readonly code: string;
  /** False once it has exited or its gate has closed: an order to it would be lost. */
  isWaiting(): boolean;
  order(order: RunOrder): void;
  /** The next thing it says; null when it died, closed the gate or said nothing within `timeoutMs`. */
  nextReply(timeoutMs: number): Promise<RunnerReply | null>;
  /** Sends it away: a waiting runner exits at once, a working one notices nothing. */
  closeGate(): void;
}

/** Spawns a detached runner with a socket pair as its gate. */
export function spawnRunner(options: RunnerSpawnOptions): GatedRunner {
  const stderrFd = openStderr(options.stderrPath);
  const code = codeState(options.entry);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [options.entry], {
      cwd: '/',
      env: options.environment(),
      detached: true,
      stdio: ['ignore', 'ignore', stderrFd, 'pipe'],
    });
  } catch (error) {
    throw runnerFailure(messageOf(error), error);
  } finally {
    closeSync(stderrFd);
  }
  // Only a failed spawn has no pid; its reason comes as an event that must have a listener.
  child.on('error', () => undefined);
  if (child.pid === undefined) throw runnerFailure(`${process.execPath} could not be started`);
  const gate = child.stdio[3] as Socket;
  const identity = readIdentity(child.pid);
  if (identity === null) {
    // It may live, and only /proc be unreadable: without its gate it ends, and has touched nothing.
    gate.destroy();
    throw runnerFailure(`process ${child.pid} could not be looked at`);
  }
  child.unref();
  return gateOf(identity, code, child, gate);
}

/** Changes when an upgrade or a build replaces the runner's files. */
function codeState(entry: string): string {
  try {
    const { ino, mtimeNs } = statSync(entry, { bigint: true });
    return `${ino}:${mtimeNs}`;
  } catch {
    // The runner that cannot be loaded ends; the service must not, for it refills on a timer.
    return 'unreadable';
  }
}

function openStderr(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw new LooperError(
      'LOG_DIR_UNUSABLE',
      `${path}, where a runner's last words go, cannot be opened: ${messageOf(error)}. Mend that, or name another log directory in LOOPER_LOG_DIR.`,
      { cause: error },
    );
  }
}

function gateOf(
  identity: ProcessIdentity,
  code: string,
  child: ChildProcess,
  socket: Socket,
): GatedRunner {
  const replies: RunnerReply[] = [];
  let wake: () => void = () => undefined;
  let closed = false;
  let text = '';
  const close = (): void => {
    closed = true;
    wake();
  };
  socket.setEncoding('utf8');
  socket.on('error', close);
  socket.on('end', close);
  socket.on('close', close);
  // A child that it was starting when it died has a copy of its end of the socket until it executes
  // the agent, so no end of stream may come for long. What it had said has come in by then.
  child.once('exit', () => setImmediate(close));
  socket.on('data', (chunk: string) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    // Our own program at the other end of a socket pair: nobody else can write here.
    replies.push(...lines.map((line) => JSON.parse(line) as RunnerReply));
    if (lines.length > 0) wake();
  });
  socket.unref();
  return {
    identity,
    code,
    isWaiting: () => !closed && isAlive(identity),
    order: (order) => socket.write(`${JSON.stringify(order)}\n`),
    nextReply: async (timeoutMs) => {
      if (replies.length === 0 && !closed) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = () => undefined;
      }
      return replies.shift() ?? null;
    },
    closeGate: () => socket.destroy(),
  };
}

export interface Standby {
  /** A waiting runner: the one that stands by, else one spawned now. */
  take(): GatedRunner;
  /** Takes back a runner that was not needed. */
  giveBack(runner: GatedRunner): void;
  /** Spawns the next one to stand by in a moment, unless one does, or none can be spawned. */
  refill(): void;
  stop(): void;
}

/** A spawn blocks us for some milliseconds: whoever waits for the answer to a launch goes first. */
const REFILL_PAUSE_MS = 10;

/** Keeps at most one runner waiting, so that the next launch does not pay for a Node start. */
export function createStandby(options: RunnerSpawnOptions, wanted: boolean): Standby {
  let waiting: GatedRunner | null = null;
  let refilling: NodeJS.Timeout | undefined;
  let stopped = false;
  const spawnNext = (): void => {
    if (stopped || waiting?.isWaiting() === true) return;
    try {
      waiting = spawnRunner(options);
    } catch (error) {
      // It only saves time: the launch that needs a runner spawns one, and says why it cannot.
      if (!(error instanceof LooperError)) throw error;
    }
  };
  const send = (runner: GatedRunner): void => {
    runner.closeGate();
    sendSignal(runner.identity, 'SIGTERM');
  };
  return {
    take: () => {
      const ready = waiting;
      waiting = null;
      if (ready?.isWaiting() !== true) return spawnRunner(options);
      // An upgrade came in between: half of its code would be of the new version.
      if (ready.code === codeState(options.entry)) return ready;
      send(ready);
      return spawnRunner(options);
    },
    giveBack: (runner) => {
      if (wanted && !stopped && waiting === null && runner.isWaiting()) waiting = runner;
      else send(runner);
    },
    refill: () => {
      clearTimeout(refilling);
      if (wanted) refilling = setTimeout(spawnNext, REFILL_PAUSE_MS);
    },
    stop: () => {
      stopped = true;
      clearTimeout(refilling);
      if (waiting !== null) send(waiting);
      waiting = null;
    },
  };
}

function runnerFailure(why: string, cause?: unknown): LooperError {
  return new LooperError(
    'OUT_OF_RESOURCES',
    `The runner process could not be started: ${why}. Check the number of processes, of open files and the free memory of this machine.`,
    { cause },
  );
}
