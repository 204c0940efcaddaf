import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { systemErrorCode } from '../errors.ts';

/** What `/proc/PID/stat` tells about one process. */
export interface ProcStat {
  /** `<boot id>:<clock ticks since boot>`. */
  readonly startTime: string;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  /** Ended, whether or not its parent has noticed: a zombie still answers signal 0. */
  readonly isDead: boolean;
  readonly isKernelThread: boolean;
}

/** The variables of a process by which runs are recognised. */
export interface ProcEnvironment {
  readonly runId: string | null;
  readonly threadId: string | null;
  /** True for a process in the middle of `exec`, and for one that has no environment at all. */
  readonly isEmpty: boolean;
}

const PF_KTHREAD = 0x00200000;

let shared = Buffer.allocUnsafe(64 * 1024);
let bootId: string | undefined;

/**
 * The pids of this moment, the newest first. Throws where /proc is not mounted, lest an empty table
 * pass for "nobody".
 */
export function listPids(): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  if (pids.length === 0) throw new Error('/proc lists no process; mount it for this service');
  return newestFirst(pids, readLastPid());
}

/** Pids are given in ascending order and start over at the top: from the last one given downwards. */
export function newestFirst(pids: readonly number[], lastPid: number): number[] {
  const descending = pids.toSorted((a, b) => b - a);
  const older = descending.filter((pid) => pid > lastPid);
  return [...descending.filter((pid) => pid <= lastPid), ...older];
}

/** The last pid given, field 5 of /proc/loadavg; 0 where it does not tell. */
function readLastPid(): number {
  const fields = readWhole('/proc/loadavg')?.toString('latin1').trim().split(' ') ?? [];
  return Number(fields[4]) || 0;
}

export function isProcMounted(): boolean {
  return existsSync('/proc/self/stat');
}

/** One process, or null when it is gone or hidden from us. */
export function readStat(pid: number): ProcStat | null {
  const content = readWhole(`/proc/${pid}/stat`);
  return content === null ? null : parseStat(content.toString('latin1'), readBootId());
}

/** Parses behind the last `)`: the name in front may itself hold brackets and blanks. */
export function parseStat(text: string, boot: string): ProcStat | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', 20);
  const [state, ppid, pgid, sid] = fields;
  // Fields 9, 20 and 22 of proc(5), counted from the state, which is field 3.
  const flags = Number(fields[6]);
  const threads = Number(fields[17]);
  const startTicks = fields[19];
  if (state === undefined || startTicks === undefined || !/^\d+$/.test(startTicks)) return null;
  return {
    startTime: `${boot}:${startTicks}`,
    ppid: Number(ppid),
    pgid: Number(pgid),
    sid: Number(sid),
    // A main thread that ended before the others shows as a zombie too, and is none.
    isDead: state === 'X' || (state === 'Z' && threads <= 1),
    isKernelThread: (flags & PF_KTHREAD) !== 0,
  };
}

/** The exact arguments; empty for zombies and a process in the middle of `exec`. */
export function readArgv(pid: number): readonly string[] {
  const content = readWhole(`/proc/${pid}/cmdline`);
  if (content === null || content.length === 0) return [];
  const end = content.at(-1) === 0 ? content.length - 1 : content.length;
  return content.toString('utf8', 0, end).split('\0');
}

/**
 * The effective user, or null when the process is gone. Asked of the directory: the files in it
 * belong to root when a process is not dumpable, the directory never lies.
 */
export function readOwner(pid: number): number | null {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? null;
}

/** Null when the process is gone or its environment is not ours to read. */
export function readEnvironment(pid: number): ProcEnvironment | null {
  const environ = readWhole(`/proc/${pid}/environ`);
  if (environ === null) return null;
  return {
    runId: findVariable(environ, 'LOOPER_RUN_ID'),
    threadId: findVariable(environ, 'CODEX_THREAD_ID'),
    isEmpty: environ.length === 0,
  };
}

/** All variables of a process, its secrets too; null as above. */
export function readVariables(pid: number): Readonly<Record<string, string>> | null {
  const environ = readWhole(`/proc/${pid}/environ`)?.toString('utf8');
  if (environ === undefined) return null;
  const pairs = environ.split('\0').filter((pair) => pair.includes('='));
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}

/** Null when the process is gone or its directory is not ours to read. */
export function readWorkingDirectory(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch (error) {
    if (isOutOfReach(error)) return null;
    throw error;
  }
}

function findVariable(environ: Buffer, name: string): string | null {
  const key = `${name}=`;
  for (let at = environ.indexOf(key); at !== -1; at = environ.indexOf(key, at + 1)) {
    if (at > 0 && environ[at - 1] !== 0) continue;
    const end = environ.indexOf(0, at);
    return environ.toString('utf8', at + key.length, end === -1 ? environ.length : end);
  }
  return null;
}

/** A view into one reused buffer, valid until the next call: a third of the time of `readFileSync`. */
function readWhole(path: string): Buffer | null {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    for (let length = 0; ;) {
      const count = readSync(descriptor, shared, length, shared.length - length, null);
      if (count === 0) return shared.subarray(0, length);
      length += count;
      if (length === shared.length) shared = Buffer.concat([shared], shared.length * 2);
    }
  } catch (error) {
    // Anything else (no descriptors left, say) must not pass for a process that is gone.
    if (isOutOfReach(error)) return null;
    throw error;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function isOutOfReach(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM';
}

/** Read once: it cannot change while this process lives. */
export function readBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}
