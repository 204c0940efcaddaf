import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isPidFree } from '../processes/identity.ts';
import { runIdOfBase } from '../runs/files.ts';

/** `<file>.<pid>.tmp`, as `writeFileAtomic` and its like name what they rename a moment later. */
const TEMPORARY = /\.(\d+)\.tmp$/;

/**
 * Removes what writers left that were killed in the middle: temporary files, and ends that were
 * reserved for runs that never came on record. For the start of a service that holds the daemon
 * lock, since only a daemon puts runs on record.
 */
export function removeLeftovers(logDirectory: string, log: Logger): void {
  try {
    const entries = readdirSync(logDirectory, { withFileTypes: true });
    const isOfLooper = (name: string): boolean => !name.startsWith('codex-exec-');
    const folders = entries.filter((entry) => entry.isDirectory() && isOfLooper(entry.name));
    for (const folder of [logDirectory, ...folders.map(({ name }) => join(logDirectory, name))]) {
      removeAll(folder, readdirSync(folder).filter(isAbandoned));
    }
    removeAll(logDirectory, orphanedEnds(readdirSync(logDirectory)));
  } catch (error) {
    log.warn({ logDirectory, reason: messageOf(error) }, 'server.leftovers_kept');
  }
}

/** One whose pid is taken stays: it may be of a run that goes on, whose runner is just writing. */
function isAbandoned(name: string): boolean {
  const pid = TEMPORARY.exec(name)?.[1];
  return pid !== undefined && isPidFree(Number(pid));
}

/** Those of which there is nothing else: a record that was set aside is something. */
function orphanedEnds(names: readonly string[]): string[] {
  const baseOf = (name: string): string => name.slice(0, name.indexOf('.'));
  const isEnd = (name: string): boolean => name === `${baseOf(name)}.end`;
  const withMore = new Set(names.filter((name) => !isEnd(name)).map(baseOf));
  return names.filter(
    (name) => isEnd(name) && runIdOfBase(baseOf(name)) !== null && !withMore.has(baseOf(name)),
  );
}

function removeAll(folder: string, names: readonly string[]): void {
  for (const name of names) rmSync(join(folder, name));
}
