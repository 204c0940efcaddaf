import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { readSmallFile } from '../config/small-file.ts';
import { writeAtomically } from '../tickets/files.ts';

/** `differs`: something else lies there, and nothing was written. */
export type Placed = 'written' | 'same' | 'differs';

/** Writes a file whole or not at all, and over another one only when told to `replace` it. */
export function placeFile(
  path: string,
  text: string,
  options: { readonly mode: number; readonly replace: boolean },
): Placed {
  const found = readSmallFile(path);
  if (found.kind === 'read' && found.text === text) return 'same';
  if (found.kind !== 'missing' && !options.replace) return 'differs';
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeAtomically(path, text, options.mode);
  return 'written';
}
