import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  write,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/**
 * Each run has a cgroup of its own where cgroup v2 can be written: what daemonises and clears its
 * environment shakes off parent, session and marker, but not this. It is one more trait by which a
 * sweep knows a process; nothing is limited or killed through it. Elsewhere all of this does nothing.
 */
const PREFIX = 'looper-';
/** Moving in waits for the kernel's readers, 7 ms where measured; a launch waits no longer than this. */
const ENTER_LIMIT_MS = 100;

interface Cgroups {
  readonly mountPoint: string;
  /** This process's own, below which it may make others; null: not ours to write. */
  readonly own: string | null;
}

export interface RunCgroup {
  /** Takes this process in, so that what it spawns is born there. Never fails. */
  enter(): Promise<void>;
  /** Takes it out again: of the run it is the agent that lives there. Never fails. */
  leave(): Promise<void>;
  /** Leaves for good and removes it, unless somebody lives there still: the next sweep does then. */
  close(): Promise<void>;
}

let found: Cgroups | null | undefined;

/** Looks once, before this process moves anywhere; null: there is no cgroup v2. */
export function findCgroups(): Cgroups | null {
  found ??= process.platform === 'linux' ? locate() : null;
  return found;
}

/** The cgroup of a run that is about to start in this process. */
export function createRunCgroup(runId: string): RunCgroup {
  const own = findCgroups()?.own ?? null;
  const directory = own === null ? null : join(own, PREFIX + runId);
  let wanted: string | null = own;
  let current: string | null = own;
  let moved: Promise<void> | null = null;

  const move = async (): Promise<void> => {
    while (wanted !== null && current !== wanted) {
      const target = wanted;
      await moveInto(target);
      current = target;
    }
    moved = null;
  };
  const enter = async (): Promise<void> => {
    wanted = directory;
    if (current === wanted) return;
    moved ??= move();
    await Promise.race([moved, delay(ENTER_LIMIT_MS, undefined, { ref: false })]);
  };
  const leave = async (): Promise<void> => {
    wanted = own;
    moved ??= move();
    await moved;
  };
  return {
    enter,
    leave,
    close: async () => {
      await leave();
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

/** This process's path in the unified hierarchy, from `/proc/self/cgroup`; null: it has none. */
export function parseOwnCgroup(text: string): string | null {
  return /^0::(\/.*)$/m.exec(text)?.[1] ?? null;
}

/** Where a cgroup v2 is mounted, and which part of the tree, from `/proc/self/mountinfo`. */
export function parseCgroupMounts(
  text: string,
): readonly { readonly root: string; readonly mountPoint: string }[] {
  return text.split('\n').flatMap((line) => {
    const [fields = '', type = ''] = line.split(' - ');
    if (!type.startsWith('cgroup2 ')) return [];
    const [, , , root = '', mountPoint = ''] = fields.split(' ').map(unescape);
    return [{ root, mountPoint }];
  });
}

/** The directory of a cgroup under a mount that shows the tree from `root` on; null: not visible. */
export function pathBelow(root: string, mountPoint: string, cgroup: string): string | null {
  // Outside of our cgroup namespace everything is named from its root, upwards.
  if (root.includes('..') || cgroup.includes('..')) return null;
  const top = root === '/' ? '' : root;
  if (cgroup !== top && !cgroup.startsWith(`${top}/`)) return null;
  return join(mountPoint, cgroup.slice(top.length));
}

function locate(): Cgroups | null {
  const cgroup = parseOwnCgroup(textOf('/proc/self/cgroup'));
  if (cgroup === null) return null;
  for (const { root, mountPoint } of parseCgroupMounts(textOf('/proc/self/mountinfo'))) {
    const own = pathBelow(root, mountPoint, cgroup);
    if (own !== null) return { mountPoint, own: isWritable(own) ? own : null };
  }
  return null;
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    accessSync(join(directory, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** In a thread of its own, since the kernel takes its time; a refusal leaves us where we are. */
async function moveInto(directory: string): Promise<void> {
  let descriptor: number | undefined;
  try {
    mkdirSync(directory, { recursive: true });
    descriptor = openSync(join(directory, 'cgroup.procs'), 'w');
    await promisify(write)(descriptor, '0');
  } catch {
    // No controllers, threaded, gone: the run goes on without.
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

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Blanks and the like stand in mountinfo as `\040`. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCodePoint(Number.parseInt(octal, 8)),
  );
}
