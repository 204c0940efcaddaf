import { accessSync, constants, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The part of the cgroup v2 tree that this process sees. */
export interface Cgroups {
  readonly mountPoint: string;
  /** This process's own, below which it may make others; null: not ours to write. */
  readonly own: string | null;
}

let found: Cgroups | null | undefined;

/** Looks once, before this process moves anywhere. Null: there is no cgroup v2. */
export function findCgroups(): Cgroups | null {
  if (found === undefined) found = process.platform === 'linux' ? locate() : null;
  return found;
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
  if ([root, cgroup].some((path) => path.split('/').includes('..'))) return null;
  const top = root === '/' ? '' : root;
  if (cgroup !== top && !cgroup.startsWith(`${top}/`)) return null;
  return resolve(join(mountPoint, cgroup.slice(top.length)));
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

/** Empty where there is nothing to read. */
export function textOf(path: string): string {
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
