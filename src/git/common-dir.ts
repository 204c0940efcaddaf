import { lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configText, type Settings } from './settings.ts';

/** Parts of the common directory that git may use. Its `config` and `hooks` are left out. */
const SHARED_PARTS = ['objects', 'refs', 'packed-refs', 'reftable', 'logs', 'info', 'shallow'];

/** Variables that every call needs; of the daemon's own environment only PATH is passed on. */
export function quietEnvironment(searchPath: string, home: string): Record<string, string> {
  return {
    PATH: searchPath,
    HOME: home,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    // Looking must not take the index lock from the person's own git.
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_ATTR_NOSYSTEM: '1',
  };
}

/** Runs `work` with a common directory that shows git the repository without its configuration. */
export async function withCommonDir<T>(
  repository: { readonly commonDir: string; readonly settings: Settings },
  scratch: string,
  work: (commonDir: string) => Promise<T>,
): Promise<T> {
  return withFolder(scratch, async (folder) => {
    await writeFile(join(folder, 'config'), configText(repository.settings), { mode: 0o600 });
    for (const part of SHARED_PARTS) {
      const real = join(repository.commonDir, part);
      const stats = await lstat(real).catch(() => null);
      if (stats?.isDirectory() === true || stats?.isFile() === true) {
        await symlink(real, join(folder, part));
      }
    }
    return work(folder);
  });
}

/** Runs `work` with a fresh folder below `scratch` (made when absent), removed afterwards. */
export async function withFolder<T>(
  scratch: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(scratch, 'git-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
