import { realpathSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { parseCodexExec, type CodexExec } from './codex-argv.ts';
import type { ProcessIdentity } from './identity.ts';
import { readWorkingDirectory } from './proc.ts';
import { findSpared } from './spared.ts';
import { hasAncestor, listProcesses, type ProcessInfo, type ProcessTable } from './table.ts';

/**
 * `owned`: what carries the run id of one of our runs, whatever it is. `workspace`: also every
 * `codex exec` that works in the workspace or below it. `all`: also every other `codex exec`.
 */
export type KillScope = 'all' | 'workspace' | 'owned';

export interface StaleQuery {
  readonly scope: KillScope;
  /** Only `workspace` asks for it; null: there is none to compare with. */
  readonly workspace: string | null;
  /** Whether this `LOOPER_RUN_ID` is of a run of ours that must not be alive. */
  readonly isOwnRun: (runId: string) => boolean;
  /** Never reported, nor anything below them: a live run's runner, say. */
  readonly exclude?: readonly ProcessIdentity[];
  /** Whose processes; default: this process's user. */
  readonly uid?: number | undefined;
}

/** One agent that nobody watches, or what is left of a run whose agent has gone. */
export interface StaleAgent {
  /** The agent's top process, once, although launcher and native binary both show; none for leftovers. */
  readonly pids: readonly number[];
  /** Launcher and native binary, top first; for leftovers all of them. */
  readonly members: readonly ProcessIdentity[];
  readonly runId: string | null;
}

/**
 * Finds the stale agents of this user, and signals nothing. Never this process, one above it, an
 * interactive codex, or a process that only mentions one. Without /proc there are no run ids to
 * read: `owned` finds nothing there, and `workspace` only agents with an absolute `-C`.
 */
export async function findStale(query: StaleQuery): Promise<readonly StaleAgent[]> {
  return selectStale(await listProcesses(), query, readWorkingDirectory);
}

/** The choice itself, from a table and a way to ask for a process's current directory. */
export function selectStale(
  table: ProcessTable,
  query: StaleQuery,
  workingDirectoryOf: (pid: number) => string | null,
): readonly StaleAgent[] {
  const { scope, isOwnRun, exclude = [], uid = process.geteuid?.() } = query;
  const workspace = query.workspace === null ? null : realPath(query.workspace);
  const spared = findSpared(table, exclude);
  const agents = new Map<number, ProcessInfo>();
  const owned = new Map<number, string>();

  for (const [pid, info] of table) {
    if (info.isDead || info.uid !== uid || spared.has(pid)) continue;
    const runId = info.environment?.runId ?? null;
    const isOwn = runId !== null && isOwnRun(runId);
    if (isOwn) owned.set(pid, runId);
    const exec = parseCodexExec(info.argv);
    if (exec === null) continue;
    if (isOwn || scope === 'all' || (scope === 'workspace' && worksIn(pid, exec))) {
      agents.set(pid, info);
    }
  }

  const isAgent = ({ identity }: ProcessInfo): boolean => agents.has(identity.pid);
  const stale: StaleAgent[] = [];
  for (const [pid, info] of agents) {
    if (hasAncestor(table, pid, isAgent)) continue;
    const below = [...agents.values()].filter((other) =>
      hasAncestor(table, other.identity.pid, (ancestor) => ancestor === info),
    );
    const members = [info, ...below].map(({ identity }) => identity);
    stale.push({ pids: [pid], members, runId: owned.get(pid) ?? null });
  }
  return [...stale, ...leftovers()];

  function worksIn(pid: number, exec: CodexExec): boolean {
    if (workspace === null) return false;
    if (exec.workspace !== null && isAbsolute(exec.workspace)) {
      return isInside(realPath(exec.workspace), workspace);
    }
    const from = workingDirectoryOf(pid);
    return from !== null && isInside(realPath(resolve(from, exec.workspace ?? '.')), workspace);
  }

  function leftovers(): StaleAgent[] {
    const byRun = new Map<string, ProcessIdentity[]>();
    for (const [pid, runId] of owned) {
      const info = table.get(pid);
      if (info === undefined || isAgent(info) || hasAncestor(table, pid, isAgent)) continue;
      byRun.set(runId, [...(byRun.get(runId) ?? []), info.identity]);
    }
    return [...byRun].map(([runId, members]) => ({ pids: [], members, runId }));
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Deleted under the agent, or not ours to look into: its name is all there is to compare.
    return resolve(path);
  }
}

function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== '..' && !way.startsWith(`..${sep}`);
}
