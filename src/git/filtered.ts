import type { Git } from './safe-git.ts';

const NO_DRIVER = new Set(['unspecified', 'unset', 'set']);

/**
 * The paths whose attributes name a filter, each with that name (`lfs`). Looper runs no filter, so
 * what it would commit there is the raw content in the place of a pointer.
 */
export async function filteredPaths(
  git: Git,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const filtered = new Map<string, string>();
  if (paths.length === 0) return filtered;
  const answer = await git.run(['check-attr', '--stdin', '-z', 'filter'], {
    stdin: paths.map((path) => `${path}\0`).join(''),
  });
  // <path> NUL <attribute> NUL <value> NUL
  const parts = answer.toString('utf8').split('\0');
  for (let at = 0; at + 2 < parts.length; at += 3) {
    const [path = '', , value = ''] = parts.slice(at, at + 3);
    if (!NO_DRIVER.has(value)) filtered.set(path, value);
  }
  return filtered;
}
