import type { ProcessIdentity } from './identity.ts';
import {
  listPids,
  readArgv,
  readEnvironment,
  readOwner,
  readStat,
  type ProcEnvironment,
} from './proc.ts';
import { listWithPs } from './ps.ts';

export interface ProcessInfo {
  readonly identity: ProcessIdentity;
  readonly ppid: number;
  readonly pgid: number;
  /** 0 where the system does not tell. */
  readonly sid: number;
  /** The effective user. */
  readonly uid: number;
  /** A zombie, or about to be one. */
  readonly isDead: boolean;
  /** Exact on Linux; elsewhere split at blanks, or one string where that would be a guess. */
  readonly argv: readonly string[];
  /** Null where it is not ours to read. */
  readonly environment: ProcEnvironment | null;
}

export type ProcessTable = ReadonlyMap<number, ProcessInfo>;

/**
 * Who is there, by pid; kernel threads are nobody. On Linux one synchronous pass over /proc: some
 * 20 µs a process, several times faster than `ps`, and nothing else of ours comes between two
 * entries. It is still no snapshot: who is born during the pass may be missing. The newest come
 * first, and whole: what lives for milliseconds is read before it has passed its work on and ended.
 * `onSight` is told of each at the moment it is read.
 */
export async function listProcesses(
  onSight: (info: ProcessInfo) => void = () => undefined,
): Promise<ProcessTable> {
  const euid = process.geteuid?.();
  const table = new Map<number, ProcessInfo>();
  const add = (info: ProcessInfo | null): void => {
    if (info === null) return;
    table.set(info.identity.pid, info);
    onSight(info);
  };
  if (process.platform === 'linux') {
    for (const pid of listPids()) add(readProcess(pid, euid));
  } else {
    for (const { pid, startTime, ...row } of await listWithPs()) {
      add({ ...row, identity: { pid, start_time: startTime }, sid: 0, environment: null });
    }
  }
  return table;
}

function readProcess(pid: number, euid: number | undefined): ProcessInfo | null {
  const stat = readStat(pid);
  if (stat === null || stat.isKernelThread) return null;
  const uid = readOwner(pid);
  if (uid === null) return null;
  const { startTime, ppid, pgid, sid, isDead } = stat;
  return {
    identity: { pid, start_time: startTime },
    ppid,
    pgid,
    sid,
    uid,
    isDead,
    // A refusal costs as much as all the rest.
    environment: uid === euid || euid === 0 ? readEnvironment(pid) : null,
    argv: readArgv(pid),
  };
}

/** From the parent upwards. */
export function* ancestorsOf(table: ProcessTable, pid: number): Generator<ProcessInfo> {
  const seen = new Set([pid]);
  for (let at = table.get(pid); at !== undefined;) {
    at = table.get(at.ppid);
    // The table is no snapshot: with a reused pid in it, the parents may run in a circle.
    if (at === undefined || seen.has(at.identity.pid)) return;
    seen.add(at.identity.pid);
    yield at;
  }
}

export function hasAncestor(
  table: ProcessTable,
  pid: number,
  test: (ancestor: ProcessInfo) => boolean,
): boolean {
  for (const ancestor of ancestorsOf(table, pid)) {
    if (test(ancestor)) return true;
  }
  return false;
}
