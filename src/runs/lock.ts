import { closeSync, constants, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemErrorCode } from '../errors.ts';

/**
 * The two locks of a log directory: the daemon's, and the run's. The kernel holds them and drops
 * them when the holder dies, so neither a lease nor a pid file ever decides: a holder that was
 * paused for an hour still holds, and a dead one never does.
 *
 * Linux: a listening abstract socket, named by user, device and inode of the directory. It is per
 * network namespace, so two containers that share a log directory do not see each other. Any local
 * user may take such a name; then we fail closed.
 * Elsewhere: open(2) with `O_EXLOCK` on a file in the directory.
 */
export type LockKind = 'daemon' | 'run';

export interface HeldLock {
  readonly kind: 'held';
  release(): Promise<void>;
}

export interface RefusedLock {
  readonly kind: 'refused';
  /** What the holder says of itself; null when it does not answer. */
  readonly holder: string | null;
}

interface LockRequest {
  readonly directory: string;
  readonly lock: LockKind;
  /** One line that a refused contender is told, e.g. the run id. */
  readonly holder: string;
  /** How long to wait for another holder to let go, in milliseconds. */
  readonly waitMs?: number;
}

const ANSWER_MS = 500;
/** BSD and macOS; not in Node's constants. */
const O_EXLOCK = 0x20;

export async function acquireLock(request: LockRequest): Promise<HeldLock | RefusedLock> {
  const deadline = performance.now() + (request.waitMs ?? 0);
  for (;;) {
    const held = await tryLock(request);
    if (held !== null) return held;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) {
      return { kind: 'refused', holder: await askHolder(request.directory, request.lock) };
    }
    await waitForRelease(request.directory, request.lock, leftMs);
  }
}

/** What the present holder says of itself; null when nobody holds the lock or nobody answers. */
export async function askHolder(directory: string, lock: LockKind): Promise<string | null> {
  if (process.platform !== 'linux') return readHolderFile(directory, lock);
  return new Promise((resolve) => {
    const socket = connect(abstractName(directory, lock));
    let text = '';
    const answer = (holder: string | null): void => {
      socket.destroy();
      resolve(holder);
    };
    socket.setTimeout(ANSWER_MS, () => answer(null));
    socket.on('error', () => answer(null));
    socket.on('close', () => answer(null));
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      const newline = text.indexOf('\n');
      if (newline >= 0) answer(text.slice(0, newline));
    });
  });
}

function tryLock(request: LockRequest): Promise<HeldLock | null> {
  return process.platform === 'linux' ? trySocket(request) : Promise.resolve(tryFile(request));
}

function abstractName(directory: string, lock: LockKind): string {
  const { dev, ino } = statSync(directory, { bigint: true });
  return `\0looper-${lock}-${process.getuid?.() ?? 0}-${dev}-${ino}`;
}

async function trySocket({ directory, lock, holder }: LockRequest): Promise<HeldLock | null> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.resume();
    // The connection stays open: its end tells a waiting contender that the lock is free.
    socket.write(`${holder}\n`);
    socket.unref();
  });
  server.maxConnections = 32;
  if (!(await listen(server, abstractName(directory, lock)))) return null;
  server.unref();
  return {
    kind: 'held',
    release: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** False when the name is taken; any other failure is thrown. */
function listen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (systemErrorCode(error) === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen({ path }, () => resolve(true));
  });
}

function waitForRelease(directory: string, lock: LockKind, timeoutMs: number): Promise<void> {
  if (process.platform !== 'linux') return delay(Math.min(20, timeoutMs));
  return new Promise((resolve) => {
    const socket = connect(abstractName(directory, lock));
    const done = (): void => {
      socket.destroy();
      resolve();
    };
    socket.setTimeout(Math.max(1, timeoutMs), done);
    socket.on('error', done);
    socket.on('close', done);
    socket.resume();
  });
}

function lockFile(directory: string, lock: LockKind): string {
  return join(directory, `.${lock}.lock`);
}

function tryFile({ directory, lock, holder }: LockRequest): HeldLock | null {
  const path = lockFile(directory, lock);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK;
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch (error) {
    if (systemErrorCode(error) === 'EAGAIN') return null;
    throw error;
  }
  writeFileSync(`${path}.holder`, `${holder}\n`, { mode: 0o600 });
  return {
    kind: 'held',
    release: () => {
      closeSync(fd);
      return Promise.resolve();
    },
  };
}

function readHolderFile(directory: string, lock: LockKind): string | null {
  try {
    return readFileSync(`${lockFile(directory, lock)}.holder`, 'utf8').trim();
  } catch {
    return null;
  }
}
