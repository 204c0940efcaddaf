import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../errors.ts';

export type FileRead =
  | {
      readonly kind: 'read';
      readonly bytes: Buffer;
      readonly stat: BigIntStats;
      /** The file is longer than asked for. */
      readonly truncated: boolean;
      /** Somebody wrote while we read: the bytes may be torn. */
      readonly stable: boolean;
    }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly why: string };

/**
 * Reads at most `maxBytes` of a regular file, synchronously, without following a symlink and
 * without waiting for a FIFO's writer or waking a device: the names come from folders that an agent can
 * write. Synchronous because four FIFOs would block the whole pool of asynchronous reads, and
 * because 10,000 `lstat` calls are six times faster so. Errors of the machine (EMFILE, EIO) rise.
 */
export function readRegularFile(path: string, maxBytes: number): FileRead {
  let fd: number;
  try {
    const found = lstatSync(path);
    // Opening is already an effect for some devices: look first, and again at what was opened.
    if (!found.isFile()) return { kind: 'refused', why: kindOf(found) };
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return unreadable(error);
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile()) return { kind: 'refused', why: kindOf(stat) };
    const wanted = Math.min(Number(stat.size), maxBytes);
    const buffer = Buffer.allocUnsafe(wanted);
    let length = 0;
    while (length < wanted) {
      const read = readSync(fd, buffer, length, wanted - length, length);
      if (read === 0) break;
      length += read;
    }
    const after = fstatSync(fd, { bigint: true });
    return {
      kind: 'read',
      bytes: buffer.subarray(0, length),
      stat,
      truncated: stat.size > BigInt(maxBytes),
      stable: identityOf(stat) === identityOf(after),
    };
  } finally {
    closeSync(fd);
  }
}

/** Which state of which file was seen: a later write, or another file of that name, differs. */
export function identityOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}

/** The number (from 1) of the first line that is not UTF-8, or null when all of it is. */
export function badUtf8Line(bytes: Buffer): number | null {
  if (isUtf8(bytes)) return null;
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    if (!isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
  return line;
}

/**
 * Replaces a file by rename, so that a reader sees the old text or the new one and never half of
 * it, and syncs it before the rename and its folder after. The temporary file starts with a dot,
 * which no ticket does.
 */
export function writeAtomically(path: string, data: string | Buffer, mode = 0o600): void {
  const temporary = join(dirname(path), `.looper-${randomBytes(6).toString('hex')}.tmp`);
  try {
    writeSynced(temporary, data, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Writes a new file (it must not exist) and syncs it. */
export function writeSynced(path: string, data: string | Buffer, mode = 0o600): void {
  const fd = openSync(path, 'wx', mode);
  try {
    writeFileSync(fd, data);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes renames and removals in a folder survive a power cut. */
export function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function unreadable(error: unknown): FileRead {
  const code = systemErrorCode(error);
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return { kind: 'gone' };
    case 'ELOOP':
      return { kind: 'refused', why: 'a symbolic link' };
    case 'EACCES':
    case 'EPERM':
      return { kind: 'refused', why: `not readable for this user (${code})` };
    case 'ENAMETOOLONG':
    case 'ENXIO':
      return { kind: 'refused', why: `not a file that can be opened (${code})` };
    default:
      throw error;
  }
}

interface FileKind {
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}

/** "a directory", for sentences about what should have been a regular file. */
export function kindOf(stat: FileKind): string {
  if (stat.isDirectory()) return 'a directory';
  if (stat.isSymbolicLink()) return 'a symbolic link';
  if (stat.isFIFO()) return 'a FIFO';
  if (stat.isSocket()) return 'a socket';
  return 'a device';
}
