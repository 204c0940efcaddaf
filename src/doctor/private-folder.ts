import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A folder for the time of an examination: in the log directory where there is one, since agents can
 * write into the temporary directory, and what git finds in its folder it obeys.
 */
export async function withPrivateFolder<T>(
  logDirectory: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(isWritable(logDirectory) ? logDirectory : tmpdir(), '.doctor-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
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
