import { isAlive } from '../processes/identity.ts';
import { readWorkingDirectory } from '../processes/proc.ts';
import { findStale, type KillScope, type StaleAgent, type StaleQuery } from '../processes/stale.ts';
import type { RunRecord } from '../runs/record.ts';
import { info, ok, warning, type Finding } from './finding.ts';

/** Runs that have begun and not ended, by whether somebody is there who will end them. */
function splitUnfinished(recent: readonly RunRecord[]): {
  readonly active: readonly RunRecord[];
  readonly stuck: readonly RunRecord[];
} {
  const unfinished = recent.filter(({ status }) => status !== 'finished' && status !== 'queued');
  const isLed = ({ runner }: RunRecord): boolean => runner !== null && isAlive(runner);
  return {
    active: unfinished.filter(isLed),
    stuck: unfinished.filter((run) => !isLed(run)),
  };
}

export interface Leftovers {
  readonly active: readonly RunRecord[];
  readonly stuck: readonly RunRecord[];
  /** Whom the next launch would stop, the active run aside. */
  readonly stale: readonly StaleAgent[];
}

/** What earlier runs left, and whom the next launch would stop; signals nobody. */
export async function findLeftovers(
  recent: readonly RunRecord[],
  query: Pick<StaleQuery, 'scope' | 'workspace' | 'isOwnRun'>,
): Promise<Leftovers> {
  const { active, stuck } = splitUnfinished(recent);
  const activeIds = new Set(active.map(({ run_id: id }) => id));
  const stale = await findStale({
    ...query,
    isOwnRun: (runId) => query.isOwnRun(runId) && !activeIds.has(runId),
    exclude: active.flatMap(({ runner, agent }) => [runner, agent].filter((one) => one !== null)),
  });
  return { active, stuck, stale };
}

/** `isServiceUp`: a service closes stuck runs by itself. */
export function tellLeftovers(
  { active, stuck, stale }: Leftovers,
  { scope, isServiceUp }: { readonly scope: KillScope; readonly isServiceUp: boolean },
): Finding[] {
  const findings = [
    ...active.map(({ run_id: id, workspace }) =>
      ok('processes.active_run', `run ${id} is active in ${workspace}`),
    ),
    ...(isServiceUp ? [] : stuck.map(stuckRun)),
    ...stale.map((agent) => (agent.runId === null ? foreign(agent, scope) : leftover(agent))),
  ];
  if (findings.length > 0) return findings;
  return [
    ok('processes.leftovers', 'nothing is left of earlier runs, and nothing would be stopped'),
  ];
}

function stuckRun({ run_id: id, created_at: at }: RunRecord): Finding {
  const what = `run ${id} of ${at} has no end, and its runner is gone`;
  return warning(
    'processes.unfinished_run',
    what,
    '`looper stop` or the next `looper serve` closes it',
  );
}

function leftover({ runId, members }: StaleAgent): Finding {
  const pids = members.map(({ pid }) => pid).join(', ');
  const what = `of run ${runId}, which is not active, there are processes left: pid ${pids}`;
  return warning(
    'processes.leftovers',
    what,
    'The next run ends them before it starts; or end them by hand',
  );
}

function foreign({ pids }: StaleAgent, scope: KillScope): Finding {
  const shown = pids.map((pid) => `pid ${pid} in ${readDirectory(pid) ?? 'an unknown directory'}`);
  const what = `codex exec that is none of Looper's: ${shown.join(', ')}. The next run stops it (LOOPER_KILL_SCOPE=${scope})`;
  const spare =
    scope === 'all'
      ? 'LOOPER_KILL_SCOPE=workspace spares those elsewhere, owned all of them'
      : 'LOOPER_KILL_SCOPE=owned spares it';
  return info('processes.stale_agent', what, `${spare}; or end it first`);
}

function readDirectory(pid: number): string | null {
  return process.platform === 'linux' ? readWorkingDirectory(pid) : null;
}
