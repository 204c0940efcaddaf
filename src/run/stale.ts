import { LooperError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { findStale, type KillScope } from '../processes/stale.ts';
import { stopTree, type StopResult } from '../processes/stop.ts';

/** The agents of this user that nobody watches any more, by the configured scope. */
export interface StaleAgents {
  /** The pids of live ones, without touching them. */
  find(workspace: string | null): Promise<readonly number[]>;
  /** Ends them all. Throws `STALE_RUN_SURVIVED` when one outlives SIGKILL. */
  stop(workspace: string | null): Promise<{ readonly killedPids: readonly number[] }>;
}

export function createStaleAgents(options: {
  readonly scope: KillScope;
  readonly graceMs: number;
  readonly isOwnRun: () => (runId: string) => boolean;
  /** Told of the agents that were ended, and how. */
  readonly onStopped?: (stopped: {
    readonly pids: readonly number[];
    readonly outcome: StopResult['outcome'];
  }) => void;
  readonly log: Logger;
}): StaleAgents {
  const { scope, graceMs, log } = options;
  const find = (workspace: string | null) =>
    findStale({ scope, workspace, isOwnRun: options.isOwnRun() });

  return {
    find: async (workspace) => (await find(workspace)).flatMap(({ pids }) => pids),
    stop: async (workspace) => {
      const stale = await find(workspace);
      if (stale.length === 0) return { killedPids: [] };
      const pids = stale.flatMap((agent) => agent.pids);
      log.info({ pids, scope }, 'codex.exec.stale_found');
      // What is left of a run has no agent that would end it in order: it gets no grace.
      const agents = stale.filter((agent) => agent.pids.length > 0);
      const stopped = await stopTree({
        roots: agents.flatMap((agent) => agent.members),
        marker: options.isOwnRun(),
        graceMs,
      });
      log.info({ pids, outcome: stopped.outcome }, 'codex.exec.stale_stopped');
      options.onStopped?.({ pids, outcome: stopped.outcome });
      if (stopped.survivors.length > 0) throw survivedError(stopped.survivors);
      return { killedPids: pids };
    },
  };
}

function survivedError(pids: readonly number[]): LooperError {
  return new LooperError(
    'STALE_RUN_SURVIVED',
    `Stale agent processes survived SIGKILL (pids ${pids.join(', ')}), so nothing was started over them. Look at them with ps (state D waits for a disk or a device), then trigger again.`,
    { details: { remaining_codex_exec_pids: pids } },
  );
}
