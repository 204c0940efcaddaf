import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { messageOf, systemErrorCode } from '../errors.ts';

const MAX_BYTES = 1024 ** 2;
const OTHERS_MAY_READ = 0o044;

export type SmallFile =
  | { kind: 'read'; text: string; readableByOthers: boolean }
  | { kind: 'missing' }
  | { kind: 'unusable'; why: string };

/** Reads a regular file of at most 1 MiB; a FIFO or a device in its place is refused, not waited for. */
export function readSmallFile(path: string): SmallFile {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return { kind: 'unusable', why: 'is not a regular file' };
    if (stats.size > MAX_BYTES) return { kind: 'unusable', why: 'is larger than 1 MiB' };
    const readableByOthers = (stats.mode & OTHERS_MAY_READ) !== 0;
    return { kind: 'read', text: readFileSync(descriptor, 'utf8'), readableByOthers };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return { kind: 'missing' };
    return { kind: 'unusable', why: `cannot be read: ${messageOf(error)}` };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
