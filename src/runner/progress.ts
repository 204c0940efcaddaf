import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { fingerprint } from '../git/fingerprint.ts';
import { createGit, type Git } from '../git/safe-git.ts';
import type { Repository } from '../git/repository.ts';

const GIT_TIMEOUT_MS = 30_000;

export interface Work {
  readonly workspace: string;
  readonly repository: Repository | null;
  readonly scratch: string;
  readonly ticketsDirectory: string | null;
  /** Its content counts; of the other tickets name, size and time do. */
  readonly ticketFile: string | null;
}

/**
 * A string that changes when anything changed that a turn could be there for: commits, the work
 * tree, the tickets. Null when nobody can tell, which must not count as standing still.
 */
export async function readWorkFingerprint(work: Work): Promise<string | null> {
  const git = openGit(work.repository, work.scratch);
  const tree = await fingerprint(git, work.workspace);
  if (tree === null) return null;
  const hash = createHash('sha256').update(tree);
  if (work.ticketsDirectory !== null) addTickets(hash, work.ticketsDirectory, work.ticketFile);
  return hash.digest('hex');
}

export function openGit(repository: Repository | null, scratch: string): Git | null {
  return repository === null ? null : createGit(repository, { timeoutMs: GIT_TIMEOUT_MS, scratch });
}

function addTickets(
  hash: ReturnType<typeof createHash>,
  directory: string,
  ticketFile: string | null,
): void {
  for (const name of readdirSync(directory).sort()) {
    const stat = statSync(join(directory, name), { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile()) continue;
    const time = name === ticketFile ? '' : `${stat.mtimeMs}`;
    hash.update(JSON.stringify([name, stat.size, time]));
    if (name === ticketFile) hash.update(contentOf(join(directory, name)));
  }
}

/** Tickets are at most 1 MiB for Looper; what grew beyond that is told by its size. */
function contentOf(path: string): Buffer {
  try {
    return statSync(path).size > 1024 ** 2 ? Buffer.alloc(0) : readFileSync(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}
