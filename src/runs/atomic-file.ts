import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

/** All of `bytes`, however little one write(2) takes. Throws ENOSPC like any write. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(fd, bytes, written, bytes.length - written);
  }
}

/**
 * Replaces a file in one step: a reader sees the old text or the new one, never half of it, and a
 * full disk leaves the old one in place. Nothing is written through a link that somebody put where
 * the temporary file goes: tickets lie where the agent can write.
 */
export function writeFileAtomic(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    try {
      writeFully(fd, Buffer.from(text));
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
