import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { systemErrorCode } from '../errors.ts';

/** `.git` files, `commondir`, `alternates`: one path or a few. */
const MAX_SMALL_FILE_BYTES = 64 * 1024;

/** A small regular file's text; null when it is absent, another kind of file, or larger. */
export async function readSmallFile(path: string): Promise<string | null> {
  try {
    // O_NONBLOCK: a FIFO that somebody put there must not hold us.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile() || stats.size > MAX_SMALL_FILE_BYTES) return null;
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemErrorCode(error) !== undefined) return null;
    throw error;
  }
}

/**
 * What stands at a path, without following a link: a directory by device and inode, a small file
 * by its content. Two equal marks: nobody swapped it.
 */
export async function markOf(path: string): Promise<string> {
  const stats = await statsOf(path);
  if (stats === null) return 'absent';
  if (await isEmptyGitDirectory(path)) return 'absent';
  if (stats.isDirectory()) return `directory ${stats.dev}:${stats.ino}`;
  if (!stats.isFile()) return 'other';
  const text = await readSmallFile(path);
  return text === null ? 'other' : `file ${createHash('sha256').update(text).digest('hex')}`;
}

/**
 * Codex's sandbox (0.169) makes an empty `.git` where it guards the place of one, and leaves it
 * behind when it is killed. It is no repository: git passes it by, and so do we.
 */
export async function isEmptyGitDirectory(path: string): Promise<boolean> {
  if (basename(path) !== '.git') return false;
  try {
    return (await readdir(path)).length === 0;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  }
}

/** lstat, or null where nothing stands (or what is above it is no directory). */
export async function statsOf(path: string): Promise<Awaited<ReturnType<typeof bigStats>> | null> {
  try {
    return await bigStats(path);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

function bigStats(path: string) {
  return lstat(path, { bigint: true });
}
