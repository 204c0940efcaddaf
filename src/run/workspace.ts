import {
  accessSync,
  closeSync,
  constants,
  openSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Config } from '../config.ts';
import { descriptorShortage, LooperError, messageOf, systemErrorCode } from '../errors.ts';
import { isInside } from '../paths.ts';

/** Below this a run would soon end for want of room: its log, its record, its end. */
const MIN_FREE_BYTES = 8 * 1024 * 1024;

/** Places that the agent must not be able to write, by what they are. */
export type ProtectedPlaces = Readonly<Record<string, string | undefined>>;

/**
 * The workspace of a trigger with symbolic links resolved. Throws `WORKSPACE_INVALID` when it is
 * missing, no directory, or would let the agent write what Looper believes (its log directory, its
 * own code, its settings), and `FORBIDDEN` when it lies outside of the configured roots.
 */
export function resolveWorkspace(
  requested: string | null,
  config: Config['workspace'],
  options: { readonly home: string; readonly protectedPlaces: ProtectedPlaces },
): string | null {
  const given = requested ?? config.directory;
  if (given === undefined) return null;
  const path = given.startsWith('~/') ? join(options.home, given.slice(2)) : given;
  if (!isAbsolute(path)) {
    throw invalid(`workspace ${JSON.stringify(given)} is not an absolute path; send one`);
  }
  const real = realDirectory(path);
  if (config.roots !== undefined && !config.roots.some((root) => isInside(real, root))) {
    throw new LooperError(
      'FORBIDDEN',
      `workspace ${JSON.stringify(given)} lies outside of LOOPER_WORKSPACE_ROOTS (${config.roots.join(':')}); use one below them, or add its root`,
    );
  }
  for (const [what, place] of Object.entries(options.protectedPlaces)) {
    if (place === undefined || !isInside(place, real)) continue;
    throw invalid(
      `workspace ${real} contains ${what} (${place}), which an agent there could rewrite; move that elsewhere or choose another workspace`,
    );
  }
  return real;
}

/** Throws `LOG_DIR_UNUSABLE`, or `OUT_OF_RESOURCES`, when a run could not be recorded. */
export function checkLogDirectory(directory: string): void {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    // The other calls need no descriptor, but a run does.
    closeSync(openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY));
    const { bavail, bsize } = statfsSync(directory);
    if (bavail * bsize >= MIN_FREE_BYTES) return;
  } catch (error) {
    const shortage = descriptorShortage(error);
    if (shortage !== null) throw shortage;
    throw new LooperError(
      'LOG_DIR_UNUSABLE',
      `The log directory ${directory} cannot be written: ${messageOf(error)}. Mend that, or name another one in LOOPER_LOG_DIR.`,
      { cause: error },
    );
  }
  throw new LooperError(
    'LOG_DIR_UNUSABLE',
    `The log directory ${directory} has less than ${MIN_FREE_BYTES / 1024 ** 2} MiB left. Make room there, or name another one in LOOPER_LOG_DIR.`,
  );
}

function realDirectory(path: string): string {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    const why = systemErrorCode(error) === 'ENOENT' ? 'does not exist' : messageOf(error);
    throw invalid(`workspace ${JSON.stringify(path)} ${why}`);
  }
  if (statSync(real).isDirectory()) return real;
  throw invalid(`workspace ${JSON.stringify(path)} is not a directory`);
}

function invalid(sentence: string): LooperError {
  return new LooperError('WORKSPACE_INVALID', sentence);
}
