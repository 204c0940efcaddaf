import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { isEmptyGitDirectory, readSmallFile, statsOf } from './marks.ts';

/** Where a workspace's repository lies, before anything in it has been believed. */
export interface Found {
  readonly workTree: string;
  readonly gitDir: string;
  readonly commonDir: string;
  /** How the work tree names its git directory: `.git` is that directory, or a file with its path. */
  readonly entry: 'directory' | 'file';
}

export type Discovery =
  | { readonly kind: 'found'; readonly found: Found }
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly why: string };

/**
 * Looks for `.git` in the workspace and above it, up to the mount point, by reading files only:
 * git itself would obey what it finds. `workspace` is a real path.
 */
export async function discover(workspace: string): Promise<Discovery> {
  const start = await statsOf(workspace);
  for (let folder = workspace; ; folder = dirname(folder)) {
    const here = await statsOf(folder);
    if (start === null || here === null || here.dev !== start.dev) return { kind: 'none' };
    const path = join(folder, '.git');
    const entry = (await isEmptyGitDirectory(path)) ? null : await statsOf(path);
    if (entry?.isDirectory() === true) return inDirectory(folder);
    if (entry?.isFile() === true) return inFile(folder);
    if (entry !== null) {
      return { kind: 'refused', why: `${path} is a link or a special file` };
    }
    if (dirname(folder) === folder) return { kind: 'none' };
  }
}

async function inDirectory(workTree: string): Promise<Discovery> {
  const gitDir = join(workTree, '.git');
  const missing = await missingPart(gitDir, gitDir);
  // git would pass by and take a repository further up; nobody means that one.
  if (missing !== null) return { kind: 'refused', why: `${gitDir} has no usable ${missing}` };
  if ((await statsOf(join(gitDir, 'commondir'))) !== null) {
    return { kind: 'refused', why: `${gitDir} sends git elsewhere with a commondir file` };
  }
  return { kind: 'found', found: { workTree, gitDir, commonDir: gitDir, entry: 'directory' } };
}

async function inFile(workTree: string): Promise<Discovery> {
  const file = join(workTree, '.git');
  const target = /^gitdir: (.+?)\r?\n*$/s.exec((await readSmallFile(file)) ?? '')?.[1];
  if (target === undefined) return { kind: 'refused', why: `${file} names no git directory` };
  const gitDir = await realOrNull(resolve(workTree, target));
  if (gitDir === null) return { kind: 'refused', why: `${file} names ${target}, which is missing` };

  const commondir = await readSmallFile(join(gitDir, 'commondir'));
  const commonDir =
    commondir === null ? gitDir : await realOrNull(resolve(gitDir, commondir.trimEnd()));
  // git keeps linked worktrees in one place; anything else was not made by it.
  if (
    commonDir === null ||
    (commondir !== null && dirname(gitDir) !== join(commonDir, 'worktrees'))
  ) {
    return { kind: 'refused', why: `${join(gitDir, 'commondir')} does not fit the worktree` };
  }
  const missing = await missingPart(gitDir, commonDir);
  if (missing !== null) return { kind: 'refused', why: `${gitDir} has no usable ${missing}` };
  return { kind: 'found', found: { workTree, gitDir, commonDir, entry: 'file' } };
}

/**
 * A `.git` file is believed only when the directory that it names points back: a linked worktree
 * by its `gitdir` file, a submodule by `core.worktree`. Else an agent could aim Looper's commits
 * at any repository of this person with a one-line file.
 */
export async function pointsBack(found: Found, coreWorktree: string | undefined): Promise<boolean> {
  if (found.gitDir !== found.commonDir) {
    const back = (await readSmallFile(join(found.gitDir, 'gitdir')))?.trimEnd();
    if (back === undefined || back === '') return false;
    return (await realOrNull(resolve(found.gitDir, back))) === join(found.workTree, '.git');
  }
  if (coreWorktree === undefined) return found.entry === 'directory';
  const named = isAbsolute(coreWorktree) ? coreWorktree : resolve(found.gitDir, coreWorktree);
  return (await realOrNull(named)) === found.workTree;
}

/** Links among these could lead into a repository of somebody else, so none is accepted. */
async function missingPart(gitDir: string, commonDir: string): Promise<string | null> {
  if ((await statsOf(join(gitDir, 'HEAD')))?.isFile() !== true) return 'HEAD';
  for (const name of ['objects', 'refs']) {
    if ((await statsOf(join(commonDir, name)))?.isDirectory() !== true) return name;
  }
  return null;
}

async function realOrNull(path: string): Promise<string | null> {
  return realpath(path).catch(() => null);
}
