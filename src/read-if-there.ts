import { readFileSync } from 'node:fs';
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
