import { lstatSync, mkdirSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { messageOf } from './errors.ts';

/**
 * Points the link at `target` in one step, so that a reader always finds a file there. Answers what
 * went wrong, or undefined. A file in its place is somebody's log and stays.
 */
export function pointLinkAt(link: string, target: string): string | undefined {
  const temporary = `${link}.${process.pid}.tmp`;
  try {
    const there = lstatSync(link, { throwIfNoEntry: false });
    if (there && !there.isSymbolicLink()) return 'a file is in its place: move it away';
    mkdirSync(dirname(link), { recursive: true, mode: 0o700 });
    rmSync(temporary, { force: true });
    // Relative, so that both can be moved together or mounted elsewhere.
    const way = relative(realpathSync(dirname(link)), realpathSync(target));
    symlinkSync(way, temporary);
    renameSync(temporary, link);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
