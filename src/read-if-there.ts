import { readFileSync, statSync, type Stats } from 'node:fs';
import { systemErrorCode } from './errors.ts';

/** The text of a file of Looper's own; null where there is none. Throws every other error. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** What a path is, links followed; null where nothing is, be it that its folder is none. */
export function statIfThere(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
