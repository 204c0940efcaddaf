import { resolveBinary } from '../codex/binary.ts';
import { messageOf } from '../errors.ts';
import { checkLogDirectory } from '../run/workspace.ts';
import type { DaemonOptions } from '../daemon.ts';

/** What keeps a run from starting or from being heard of, in sentences; none: ready. */
export async function findMissing(
  { config, looperDirectory, environment }: Omit<DaemonOptions, 'version' | 'runnerEntry'>,
  channelProblems: readonly string[],
): Promise<readonly string[]> {
  const findBinary = () =>
    resolveBinary({
      requested: null,
      configured: config.codex.binary ?? null,
      looperDirectory,
      path: environment['PATH'] ?? '',
      workspace: null,
    });
  const checks: readonly (() => unknown)[] = [
    findBinary,
    () => checkLogDirectory(config.logs.directory),
  ];
  const missing: string[] = [...channelProblems];
  for (const check of checks) {
    try {
      await check();
    } catch (error) {
      missing.push(messageOf(error));
    }
  }
  return missing;
}
