import { join } from 'node:path';

/** Looper's own folder for git calls: in the log directory, where no agent can write. */
export function scratchFolder(logDirectory: string): string {
  return join(logDirectory, '.git-scratch');
}
