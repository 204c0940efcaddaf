import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LooperError, systemErrorCode } from '../errors.ts';

/**
 * A folder for the time of an examination: in the log directory where there is one, since agents can
 * write into the temporary directory, and what git finds in its folder it obeys. Throws
 * `LOG_DIR_UNUSABLE` where it cannot be made, as on a full disk.
 */
export async function withPrivateFolder<T>(
  logDirectory: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = makeFolder(isWritable(logDirectory) ? logDirectory : tmpdir());
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeFolder(parent: string): string {
  try {
    return mkdtempSync(join(parent, '.doctor-'));
  } catch (error) {
    throw new LooperError(
      'LOG_DIR_UNUSABLE',
      `The doctor cannot make a folder in ${parent} (${systemErrorCode(error)}), nor could a run make its files. Make room there, then ask again.`,
      { cause: error },
    );
  }
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
