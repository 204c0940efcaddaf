import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';

/** Links that are followed by hand before a path is taken as it is; the kernel's own limit is 40. */
const MAX_DANGLING_LINKS = 40;

/**
 * Where `path` would really lie, even when it, or a folder above it, does not exist yet. A dangling
 * link counts as its target: creating the path would create that.
 */
export function realLocation(path: string, linksLeft = MAX_DANGLING_LINKS): string {
  const absolute = resolve(path);
  try {
    return realpathSync.native(absolute);
  } catch {
    const parent = dirname(absolute);
    if (parent === absolute) return absolute;
    const target = linksLeft > 0 ? linkTarget(absolute) : undefined;
    if (target !== undefined) return realLocation(resolve(parent, target), linksLeft - 1);
    return join(realLocation(parent, linksLeft), basename(absolute));
  }
}

/**
 * Whether `child` is `parent` or lies below it once symbolic links are resolved. Neither has to
 * exist. The answer holds for this moment only: check again at the moment of use.
 */
export function isInside(child: string, parent: string): boolean {
  const way = relative(realLocation(parent), realLocation(child));
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}
