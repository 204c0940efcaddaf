import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { parseEvent, type RunEvent } from './events-file.ts';

/** Of one look; the rest is there at the next one. A longer line than this is passed over. */
const MAX_BYTES = 1024 ** 2;
const NEWLINE = 0x0a;

/**
 * Hands over the events that were written since the last look, oldest first, and returns where the
 * next one begins; `from` is 0 at first. Reads finished lines only; what is no event is passed over.
 */
export function followEvents(
  path: string,
  from: number,
  onEvent: (event: RunEvent) => void,
): number {
  const bytes = readFrom(path, from);
  const end = bytes.lastIndexOf(NEWLINE) + 1;
  if (end === 0) return bytes.length === MAX_BYTES ? from + bytes.length : from;
  for (const line of bytes.subarray(0, end).toString('utf8').split('\n')) {
    const event = parseEvent(line);
    if (event !== null) onEvent(event);
  }
  return from + end;
}

function readFrom(path: string, from: number): Buffer {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    const size = Math.min(MAX_BYTES, Math.max(0, fstatSync(fd).size - from));
    const bytes = Buffer.alloc(size);
    return size === 0 ? bytes : bytes.subarray(0, readSync(fd, bytes, 0, size, from));
  } finally {
    closeSync(fd);
  }
}
