import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { fingerprint } from '../git/fingerprint.ts';
import { createGit, type Git } from '../git/safe-git.ts';
import type { Repository } from '../git/repository.ts';
import { readRegularFile } from '../tickets/files.ts';
import { MAX_TICKET_BYTES } from '../tickets/ticket-file.ts';

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

/** Compares the work from turn to turn, and over the whole run. */
export interface Progress {
  /** Compares with the present from now on: another ticket begins. */
  reset(ticketFile: string): Promise<void>;
  /** Whether anything changed since the last look or reset; null: nobody can tell. */
  look(ticketFile: string | null): Promise<boolean | null>;
  /** Whether any look saw a change; null: none did, and one could not tell. */
  hasChanged(): boolean | null;
}

/** `before` is the fingerprint to start from. */
export function createProgress(work: Omit<Work, 'ticketFile'>, before: string | null): Progress {
  let fingerprint = before;
  let changed: boolean | null = false;
  return {
    reset: async (ticketFile) => {
      fingerprint = await readWorkFingerprint({ ...work, ticketFile });
    },
    look: async (ticketFile) => {
      const earlier = fingerprint;
      fingerprint = await readWorkFingerprint({ ...work, ticketFile });
      const isChange = earlier === null || fingerprint === null ? null : earlier !== fingerprint;
      if (changed !== true && isChange !== false) changed = isChange;
      return isChange;
    },
    hasChanged: () => changed,
  };
}

export function openGit(repository: Repository | null, scratch: string): Git | null {
  return repository === null ? null : createGit(repository, { timeoutMs: GIT_TIMEOUT_MS, scratch });
}

function addTickets(
  hash: ReturnType<typeof createHash>,
  directory: string,
  ticketFile: string | null,
): void {
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile()) continue;
    const isOwn = name === ticketFile;
    hash.update(JSON.stringify([name, stat.size, isOwn ? contentOf(path) : stat.mtimeMs]));
  }
}

/** None where the agent has removed the folder, which is a change like any other. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return [];
  }
}

/** Of what is longer than a ticket may be, the size has to do. */
function contentOf(path: string): string {
  const file = readRegularFile(path, MAX_TICKET_BYTES);
  return file.kind === 'read' ? createHash('sha256').update(file.bytes).digest('hex') : file.kind;
}
