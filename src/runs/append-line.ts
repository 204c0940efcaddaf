import { fstatSync, readSync } from 'node:fs';
import { writeFully } from './atomic-file.ts';

const NEWLINE = 0x0a;

/**
 * Appends one line with one write, so that lines of several writers never mix. `fd` is open for
 * reading and appending. A torn last line (its writer died, the disk was full) is closed first; one
 * that another writer is just writing may look torn, which costs an empty line.
 */
export function appendLine(fd: number, line: string): void {
  writeFully(fd, Buffer.from(`${endsInNewline(fd) ? '' : '\n'}${line}\n`));
}

/** True for an empty file too: there is nothing to close. */
function endsInNewline(fd: number): boolean {
  const { size } = fstatSync(fd);
  if (size === 0) return true;
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, size - 1);
  return last[0] === NEWLINE;
}
