import type { DirtyPaths } from './repository.ts';

export interface LeftAlone {
  readonly path: string;
  readonly why: string;
}

/**
 * Which dirty paths are this ticket's: those that were clean when it began. A path where a
 * person's unfinished work and the agent's meet is named and left alone; a person's path that
 * nobody touched since is left without a word.
 */
export function chooseWork(
  before: DirtyPaths['paths'],
  now: DirtyPaths['paths'],
): { readonly work: string[]; readonly leftAlone: LeftAlone[] } {
  const earlier = new Map(before);
  const above = new Set(before.flatMap(([path]) => foldersAbove(path)));
  const work: string[] = [];
  const leftAlone: LeftAlone[] = [];
  for (const [path, mark] of now) {
    const why = reason(path, mark);
    if (why === null) work.push(path);
    else if (why !== '') leftAlone.push({ path, why });
  }
  return { work, leftAlone };

  /** Null: it is this ticket's; `''`: it is not, and nobody needs to hear of it. */
  function reason(path: string, mark: string): string | null {
    const then = earlier.get(path);
    if (then === mark) return '';
    if (then !== undefined) return 'was not committed when the ticket began, and has changed since';
    // A file in the place of a folder, or the reverse, would push the person's path out.
    if (above.has(path) || foldersAbove(path).some((folder) => earlier.has(folder))) {
      return 'takes the place of something that was not committed when the ticket began';
    }
    if (path.endsWith('/')) return 'is a repository of its own';
    if (mark === 'other') return 'is no regular file';
    if (mark === 'not UTF-8') return 'has a name that is not UTF-8';
    return null;
  }
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, position) => parts.slice(0, position + 1).join('/'));
}
