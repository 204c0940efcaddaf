import { resolveBinary } from '../codex/binary.ts';
import { messageOf } from '../errors.ts';
import { checkLogDirectory } from '../run/workspace.ts';
import type { DaemonOptions } from '../daemon.ts';

type Subject = Omit<DaemonOptions, 'version' | 'runnerEntry'>;

/**
 * The path of the agent that a trigger would start now, in no particular workspace. Rejects with
 * `CODEX_NOT_FOUND`.
 */
export async function findAgent(subject: Subject): Promise<string> {
  const { config, looperDirectory, environment } = subject;
  const { path } = await resolveBinary({
    requested: null,
    configured: config.codex.binary ?? null,
    looperDirectory,
    path: environment['PATH'] ?? '',
    workspace: null,
  });
  return path;
}

/** What keeps a run from starting or from being heard of, in sentences; none: ready. */
export async function findMissing(
  subject: Subject,
  channelProblems: readonly string[],
): Promise<readonly string[]> {
  const checks: readonly (() => unknown)[] = [
    () => findAgent(subject),
    () => checkLogDirectory(subject.config.logs.directory),
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
