import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';

/** Above this a file is told by size and time: hashing it at every turn would cost more than it is worth. */
const MAX_HASHED_BYTES = 32 * 1024 * 1024;
/** So is the rest when more paths than this are dirty. */
const MAX_HASHED_PATHS = 5_000;

/** What stands at a path of the work tree. */
export type Standing = 'file' | 'link' | 'absent' | 'directory' | 'other';

/**
 * What stands at `path`. Nothing stands behind a link: for git such a file is gone, and following
 * would leave the work tree.
 */
export async function standingAt(workTree: string, path: string): Promise<Standing> {
  const parts = path.split('/').filter((part) => part !== '');
  let at = workTree;
  for (const [position, part] of parts.entries()) {
    at = join(at, part);
    const stats = await lstat(at).catch(goneOrRaise);
    if (stats === null) return 'absent';
    const last = position === parts.length - 1;
    if (!last && !stats.isDirectory()) return 'absent';
    if (last) {
      if (stats.isFile()) return 'file';
      if (stats.isSymbolicLink()) return 'link';
      return stats.isDirectory() ? 'directory' : 'other';
    }
  }
  return 'absent';
}

/** One mark per path: equal marks, equal content (kind, executable bit and bytes). */
export async function contentMarks(
  workTree: string,
  paths: readonly string[],
): Promise<(readonly [path: string, mark: string])[]> {
  const marks: (readonly [string, string])[] = [];
  for (const [position, path] of paths.entries()) {
    const mayHash = position < MAX_HASHED_PATHS;
    marks.push([path, await contentMark(workTree, path, mayHash)]);
  }
  return marks;
}

async function contentMark(workTree: string, path: string, mayHash: boolean): Promise<string> {
  const standing = await standingAt(workTree, path);
  const full = join(workTree, path);
  if (standing === 'link') return `link ${await readlink(full).catch(goneOrRaise)}`;
  if (standing !== 'file') return standing;
  try {
    const file = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await file.stat({ bigint: true });
      const executable = (stats.mode & 0o100n) === 0n ? 'file' : 'executable';
      if (!mayHash || stats.size > MAX_HASHED_BYTES) {
        return `${executable} ${stats.size} bytes of ${stats.mtimeNs}`;
      }
      const hash = createHash('sha256');
      for await (const chunk of file.createReadStream({ autoClose: false })) {
        hash.update(chunk as Buffer);
      }
      return `${executable} ${hash.digest('hex')}`;
    } finally {
      await file.close();
    }
  } catch (error) {
    // Vanished or unreadable just now: a mark of its own, and no reason to stop.
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return `unreadable ${code}`;
  }
}

function goneOrRaise(error: unknown): null {
  if (systemErrorCode(error) === undefined) throw error;
  return null;
}
