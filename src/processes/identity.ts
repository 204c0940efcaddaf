import { systemErrorCode } from '../errors.ts';
import { isProcMounted, readBootId as readLinuxBootId, readStat } from './proc.ts';
import { readStatWithPs } from './ps.ts';

/**
 * Which process is meant: a pid alone is reused by the kernel, a pid with the start time of its
 * process is not. `start_time` is opaque: on Linux `<boot id>:<clock ticks since boot>`, elsewhere
 * the start in seconds since the epoch.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly start_time: string;
}

/** `gone`: there is no such process any more. `refused`: it may live, but is not ours to signal. */
export type SignalResult = 'sent' | 'gone' | 'refused';

interface Sighting {
  readonly startTime: string;
  readonly pgid: number;
  readonly isDead: boolean;
}

/**
 * Who runs under this pid now, a zombie included, so that a child that ended at once still gets its
 * name into the record. Null when nobody does or nobody can say.
 */
export function readIdentity(pid: number): ProcessIdentity | null {
  const sighting = look(pid);
  if (sighting === null || sighting === 'unknown') return null;
  return { pid, start_time: sighting.startTime };
}

/**
 * Whether this very process still runs: same pid, same start, same boot, and no zombie. In doubt
 * (the process table cannot be read) it does, since nothing must start over a live one.
 */
export function isAlive(identity: ProcessIdentity): boolean {
  if (!isPid(identity.pid) || !answersSignals(identity.pid)) return false;
  const sighting = look(identity.pid);
  return sighting === 'unknown' || isSame(identity, sighting);
}

/**
 * Signals this very process; `group` signals the group that it leads. The identity is checked again
 * directly before the kill: Node offers no pidfd, which leaves a window of microseconds. Never
 * reaches pid 1 and below, this process or its group.
 */
export function sendSignal(
  identity: ProcessIdentity,
  signal: 'SIGINT' | 'SIGTERM' | 'SIGSTOP' | 'SIGKILL',
  target: 'process' | 'group' = 'process',
): SignalResult {
  const { pid } = identity;
  if (!isPid(pid) || pid === process.pid) return 'refused';
  if (target === 'group' && leadsOurGroup(pid)) return 'refused';
  const sighting = look(pid);
  if (sighting === 'unknown') return 'refused';
  if (!isSame(identity, sighting)) return 'gone';
  if (target === 'group' && sighting?.pgid !== pid) return 'refused';
  try {
    process.kill(target === 'group' ? -pid : pid, signal);
    return 'sent';
  } catch (error) {
    if (systemErrorCode(error) === 'ESRCH') return 'gone';
    if (systemErrorCode(error) === 'EPERM') return 'refused';
    throw error;
  }
}

/** True when nobody has this pid, not even a zombie. For names on disk: nothing is signalled on it. */
export function isPidFree(pid: number): boolean {
  return isPid(pid) && !answersSignals(pid);
}

/** What every start time of this boot begins with; empty where the system has no such name. */
export function readBootId(): string {
  return process.platform === 'linux' ? readLinuxBootId() : '';
}

export function isSameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.start_time === b.start_time;
}

/** `kill` takes 0 and negative numbers for groups, our own among them; 1 is the init. */
function isPid(pid: number): boolean {
  return Number.isSafeInteger(pid) && pid > 1;
}

function isSame(identity: ProcessIdentity, sighting: Sighting | null): boolean {
  return sighting !== null && !sighting.isDead && sighting.startTime === identity.start_time;
}

function leadsOurGroup(pid: number): boolean {
  const own = look(process.pid);
  return own === null || own === 'unknown' || own.pgid === pid;
}

/** Half a microsecond instead of the twenty of a look into /proc; true for zombies as well. */
function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) !== 'ESRCH';
  }
}

function look(pid: number): Sighting | 'unknown' | null {
  try {
    if (process.platform !== 'linux') return readStatWithPs(pid);
    return readStat(pid) ?? (isProcMounted() ? null : 'unknown');
  } catch {
    return 'unknown';
  }
}
