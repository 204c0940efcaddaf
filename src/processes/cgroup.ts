import { closeSync, mkdirSync, openSync, readdirSync, rmdirSync, write } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findCgroups, textOf } from './cgroup-place.ts';
import { isAlive, type ProcessIdentity } from './identity.ts';

/**
 * Each run has a cgroup of its own where cgroup v2 can be written: what daemonises and clears its
 * environment shakes off parent, session and marker, but not this. It is one more trait by which a
 * sweep knows a process; nothing is limited or killed through it. Elsewhere all of this does nothing.
 */
const PREFIX = 'looper-';
/** The kernel takes 7 ms for a move, where measured. The end of a run waits no longer than this. */
const MOVE_LIMIT_MS = 100;

export interface RunCgroup {
  /**
   * Takes in an agent that was just started, with all that it starts from then on. Its launch does
   * not wait for the kernel: that takes less time than an agent needs to load. Never fails.
   */
  take(agent: ProcessIdentity): void;
  /** Removes it, unless somebody lives there still: the next sweep does then. Never fails. */
  close(): Promise<void>;
}

/** The cgroup of a run whose agents this process starts. */
export function createRunCgroup(runId: string): RunCgroup {
  const own = findCgroups()?.own ?? null;
  if (own === null) return { take: () => undefined, close: () => Promise.resolve() };
  const directory = join(own, PREFIX + runId);
  let moves: Promise<void> = Promise.resolve();
  return {
    take: (agent) => {
      makeCgroup(directory);
      moves = moves.then(() => moveInto(directory, agent));
    },
    close: async () => {
      await Promise.race([moves, delay(MOVE_LIMIT_MS, undefined, { ref: false })]);
      removeCgroup(directory);
    },
  };
}

/** The cgroups of the marked runs that lie where this process makes its own. */
export function listRunCgroups(marker: (runId: string) => boolean): readonly string[] {
  const own = findCgroups()?.own ?? null;
  return own === null ? [] : childrenOf(own).filter((path) => isOfRun(path, marker));
}

/**
 * The same wherever they lie, for runs of an earlier daemon, which may have lived elsewhere. Walks
 * the whole tree: some 40 µs a cgroup.
 */
export function searchRunCgroups(marker: (runId: string) => boolean): readonly string[] {
  const mountPoint = findCgroups()?.mountPoint;
  const search = (directory: string): string[] =>
    childrenOf(directory).flatMap((path) => (isOfRun(path, marker) ? [path] : search(path)));
  return mountPoint === undefined ? [] : search(mountPoint);
}

/**
 * Who lives in these cgroups and below them. Ask after the process table was read: then a pid that
 * was given to somebody else in between is one whose start time in the table nobody has any more.
 */
export function readCgroupPids(directories: readonly string[]): ReadonlySet<number> {
  const pids = new Set<number>();
  const read = (directory: string): void => {
    for (const pid of textOf(join(directory, 'cgroup.procs')).split('\n')) pids.add(Number(pid));
    childrenOf(directory).forEach(read);
  };
  directories.forEach(read);
  return pids;
}

/** Removes one with all below it, as far as nobody lives there: the kernel refuses the rest. */
export function removeCgroup(directory: string): void {
  childrenOf(directory).forEach(removeCgroup);
  try {
    rmdirSync(directory);
  } catch {
    // Somebody lives there, or it has gone: the sweep that comes next looks again.
  }
}

function makeCgroup(directory: string): void {
  try {
    mkdirSync(directory);
  } catch {
    // It is there already (a run has several turns), or the move that follows finds out.
  }
}

/** In a thread of its own, since the kernel takes its time; a refusal leaves the agent where it is. */
async function moveInto(directory: string, agent: ProcessIdentity): Promise<void> {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(join(directory, 'cgroup.procs'), 'w');
    if (isAlive(agent)) await promisify(write)(descriptor, String(agent.pid));
  } catch {
    // It has ended, or processes may not live there: the run goes on without.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function isOfRun(path: string, marker: (runId: string) => boolean): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.startsWith(PREFIX) && marker(name.slice(PREFIX.length));
}

function childrenOf(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((one) => one.isDirectory()).map(({ name }) => join(directory, name));
  } catch {
    return [];
  }
}
