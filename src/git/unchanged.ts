import { dirname, join } from 'node:path';
import type { Found } from './discover.ts';
import { GitError } from './git-error.ts';
import { markOf, readSmallFile, statsOf } from './marks.ts';

export type Marks = readonly (readonly [path: string, mark: string])[];

/** What decides where git reads and writes. Taken once, before the agent's first turn. */
export async function takeMarks(found: Found, workspace: string): Promise<Marks> {
  const { workTree, gitDir, commonDir } = found;
  const paths = [
    workTree,
    join(workTree, '.git'),
    gitDir,
    join(gitDir, 'commondir'),
    commonDir,
    join(commonDir, 'objects'),
    join(commonDir, 'objects', 'info', 'alternates'),
    join(commonDir, 'refs'),
    join(commonDir, 'refs', 'heads'),
  ];
  // A repository that appears between the work tree and the workspace would be the nearer one.
  for (let folder = workspace; folder !== workTree; folder = dirname(folder)) {
    paths.push(join(folder, '.git'));
  }
  const marks: [string, string][] = [];
  for (const path of new Set(paths)) marks.push([path, await markOf(path)]);
  return marks;
}

/**
 * Compares with what was resolved, before every git call. Throws `GitError` `moved`: somebody
 * swapped a directory, a `.git` file, `commondir` or the alternates, or led a file that git writes
 * elsewhere by a link.
 */
export async function assertUnchanged(repository: {
  readonly gitDir: string;
  readonly commonDir: string;
  readonly marks: Marks;
}): Promise<void> {
  for (const [path, mark] of repository.marks) {
    if ((await markOf(path)) !== mark) throw moved(path);
  }
  const head = join(repository.gitDir, 'HEAD');
  const headText = await readSmallFile(head);
  if (headText === null) throw moved(head);
  const index = await statsOf(join(repository.gitDir, 'index'));
  if (index !== null && !index.isFile()) throw moved(join(repository.gitDir, 'index'));

  let path = repository.commonDir;
  for (const part of /^ref: (refs\/.+)$/m.exec(headText)?.[1]?.split('/') ?? []) {
    path = join(path, part);
    if ((await statsOf(path))?.isSymbolicLink() === true) throw moved(path);
  }
}

function moved(path: string): GitError {
  return new GitError(
    'moved',
    `${path} is no longer what it was when the run began; Looper does not call git there. ` +
      'Look at what changed it, then start a new run.',
  );
}
