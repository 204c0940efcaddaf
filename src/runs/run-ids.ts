import { readdirSync } from 'node:fs';
import { runIdOfBase } from './files.ts';

/**
 * Tells whether a run id belongs to this log directory, by the names of the files in it. The
 * directory is read at the first question only: on most launches no marked process is left and
 * nobody asks.
 */
export function createRunIdLookup(directory: string): (runId: string) => boolean {
  let known: ReadonlySet<string> | null = null;
  return (runId) => {
    known ??= readRunIds(directory);
    return known.has(runId);
  };
}

function readRunIds(directory: string): ReadonlySet<string> {
  const ids = readdirSync(directory).flatMap((name) => {
    // Any file will do: of a run whose record was unreadable, processes may still be alive.
    const runId = runIdOfBase(name.slice(0, name.indexOf('.')));
    return runId === null ? [] : [runId];
  });
  return new Set(ids);
}
