import { closeSync, mkdirSync, openSync, readdirSync, rmdirSync, write } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findCgroups, textOf } from './cgroup-place.ts';

/**
 * Each run has a cgroup of its own where cgroup v2 can be written: what daemonises and clears its
 * environment shakes off parent, session and marker, but not this. It is one more trait by which a
 * sweep knows a process; nothing is limited or killed through it. Elsewhere all of this does nothing.
 */
const PREFIX = 'looper-';
/** The kernel takes 7 ms for a move, where measured, on a busy machine more. No launch waits longer. */
const MOVE_LIMIT_MS = 1_000;

export interface RunCgroup {
  /** Takes this process in, so that what it spawns is born there. Never fails. */
  enter(): Promise<void>;
  /** Takes it out again: of the run it is the agent that lives there. Never fails. */
  leave(): Promise<void>;
  /** Leaves for good and removes it, unless somebody lives there still: the next sweep does then. */
  close(): Promise<void>;
}

/** The cgroup of a run that is about to start in this process. */
export function createRunCgroup(runId: string): RunCgroup {
  const own = findCgroups()?.own ?? null;
  const directory = own === null ? null : join(own, PREFIX + runId);
  let current = own;
  /** Where the last of the moves leads. */
  let target = own;
  let moves: Promise<void> = Promise.resolve();

  const moveAfter = async (before: Promise<void>, to: string): Promise<void> => {
    await before;
    if (to === directory) makeCgroup(to);
    await moveInto(to);
    current = to;
  };
  const move = async (to: string | null): Promise<void> => {
    if (to === null) return;
    if (to !== target) {
      target = to;
      moves = moveAfter(moves, to);
    }
    if (current !== to)
      await Promise.race([moves, delay(MOVE_LIMIT_MS, undefined, { ref: false })]);
  };
  return {
    enter: () => move(directory),
    leave: () => move(own),
    close: async () => {
      await move(own);
      if (directory !== null) removeCgroup(directory);
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
    // It is there already, or the move that follows finds out.
  }
}

/** In a thread of its own, since the kernel takes its time; a refusal leaves us where we are. */
async function moveInto(directory: string): Promise<void> {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(join(directory, 'cgroup.procs'), 'w');
    await promisify(write)(descriptor, '0');
  } catch {
    // No cgroup for processes, or gone: the run goes on without.
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
