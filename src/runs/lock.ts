import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  type BigIntStats,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemErrorCode } from '../errors.ts';

/**
 * The two locks of a log directory: the daemon's, and the run's. The kernel holds them and drops
 * them when the holder dies, so neither a lease nor a pid file ever decides: a holder that was
 * paused for an hour still holds, and a dead one never does.
 *
 * Linux: a listening abstract socket, named by device and inode of the directory. It is per network
 * namespace, so two containers that share a log directory do not see each other. Any local user may
 * take such a name; then we fail closed.
 * Elsewhere: open(2) with `O_EXLOCK` on a file in the directory.
 *
 * A child has a copy of the lock's descriptor from fork to exec, which closes it. A runner that is
 * killed while it starts its agent has therefore not let go before the agent is executed, and must
 * not: only then does the child's environment show the marker of its run (for a moment nothing, for
 * which a sweep waits). So whoever gets the lock finds every agent that an earlier holder started.
 */
export type LockKind = 'daemon' | 'run';

export interface HeldLock {
  readonly kind: 'held';
  release(): Promise<void>;
}

export interface RefusedLock {
  readonly kind: 'refused';
  /** What the holder says of itself; null when it does not answer in time. */
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
const MAX_ANSWER_CHARS = 1024;
/** A holder may drop our connection without letting go: asking again at once would be a hot loop. */
const RETRY_MS = 2;
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
    await delay(RETRY_MS);
  }
}

/**
 * What the present holder says of itself; null when nobody holds the lock or nobody answers in
 * time. Where the lock is a file, the last holder's word may outlive it.
 */
export async function askHolder(directory: string, lock: LockKind): Promise<string | null> {
  if (process.platform !== 'linux') return readHolderFile(directory, lock);
  return new Promise((resolve) => {
    const socket = connect(nameOf(directory, lock)).setEncoding('utf8');
    let text = '';
    const answer = (holder: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(holder);
    };
    const timer = setTimeout(() => answer(null), ANSWER_MS);
    socket.on('error', () => answer(null));
    socket.on('close', () => answer(null));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const newline = text.indexOf('\n');
      if (newline >= 0) answer(text.slice(0, newline));
      else if (text.length > MAX_ANSWER_CHARS) answer(null);
    });
  });
}

function tryLock(request: LockRequest): Promise<HeldLock | null> {
  return process.platform === 'linux' ? trySocket(request) : Promise.resolve(tryFile(request));
}

function nameOf(directory: string, lock: LockKind): string {
  return abstractName(statSync(directory, { bigint: true }), lock);
}

function abstractName({ dev, ino }: BigIntStats, lock: LockKind): string {
  // Not by user: root and the owner of the directory shall see each other.
  return `\0looper-${lock}-${dev}-${ino}`;
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
  // Open for as long as we hold the lock: a directory that is made after this one was removed may
  // not get its inode, and find itself locked.
  const directoryFd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const name = abstractName(fstatSync(directoryFd, { bigint: true }), lock);
    if (!(await listen(server, name))) {
      closeSync(directoryFd);
      return null;
    }
  } catch (error) {
    closeSync(directoryFd);
    throw error;
  }
  server.once('close', () => closeSync(directoryFd));
  // A connection that could not be accepted (no free descriptor) costs the contender its answer.
  server.on('error', () => undefined);
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
    const socket = connect(nameOf(directory, lock));
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve();
    };
    const timer = setTimeout(done, timeoutMs);
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
  tellHolder(path, holder);
  return {
    kind: 'held',
    release: () => {
      closeSync(fd);
      return Promise.resolve();
    },
  };
}

/** For people only: a full disk must not cost the lock that we hold. */
function tellHolder(path: string, holder: string): void {
  try {
    writeFileSync(`${path}.holder`, `${holder}\n`, { mode: 0o600 });
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
}

function readHolderFile(directory: string, lock: LockKind): string | null {
  try {
    return readFileSync(`${lockFile(directory, lock)}.holder`, 'utf8').trim();
  } catch {
    return null;
  }
}
