import { backoffMs, decide, type Decision } from '../autopoll/decision.ts';
import type { AutopollStatus } from '../autopoll.ts';
import { readHistory } from '../autopoll/facts.ts';
import { createStateFile, startsWithinDay } from '../autopoll/state.ts';
import type { Config } from '../config.ts';
import type { RunStore } from '../runs/store.ts';
import { failure, info, ok, warning, type Finding } from './finding.ts';

const ID = 'autopoll.plan';

/** As a running service tells it. */
export function tellPlan(status: AutopollStatus): Finding {
  const { enabled, paused, waiting, next_tick_at: next } = status;
  if (!enabled) return off();
  if (paused) return pausedPlan();
  const when = next === null ? '' : `, and looks next at ${next}`;
  if (waiting === null) return ok(ID, `it starts work by itself when nothing runs${when}`);
  return info(ID, `it waits${when}: ${waiting.detail}`, adviceFor(waiting.reason));
}

export interface PlanSubject {
  readonly config: Config['autopoll'];
  readonly workspace: string | null;
  readonly logDirectory: string;
  readonly runs: Pick<RunStore, 'latest' | 'list' | 'find'>;
  readonly activeRunId: string | null;
  readonly liveAgentPids: readonly number[];
  /** Whether there is an open ticket or a default prompt. */
  readonly hasWork: boolean;
  readonly now: number;
}

/** What a service that were started now would do: the same decision, from the same files. */
export function foretellPlan(subject: PlanSubject): Finding {
  const { config, workspace, runs, now } = subject;
  if (!config.enabled) return off();
  let isUnreadable = false;
  const log = { error: () => (isUnreadable = true) };
  const state = createStateFile(subject.logDirectory, log).read();
  if (isUnreadable) {
    const what = `${subject.logDirectory}/autopoll.json cannot be read: it counts as paused`;
    return failure(ID, what, 'Remove the file, or `looper autopoll resume` beside the service');
  }
  const { paused, failures, failed_at: failedAt, released_run: released } = state;
  if (paused) return pausedPlan();
  const decision = decide({
    now,
    isPaused: false,
    workspace,
    isLaunching: false,
    activeRunId: subject.activeRunId,
    liveAgentPids: subject.liveAgentPids,
    logStaleMs: config.logStaleMs,
    ...readHistory(runs, workspace, released),
    failures,
    notBefore:
      failedAt === null
        ? null
        : Math.min(Date.parse(failedAt), now) + backoffMs(failures, config.intervalMs),
    autoRunsToday: startsWithinDay(state, now).length,
    maxRunsPerDay: config.maxRunsPerDay,
  });
  if (decision.kind === 'start' && !subject.hasWork) {
    const detail = 'there is no open ticket and no default prompt';
    return foretold({ kind: 'skip', reason: 'nothing_to_run', detail }, config);
  }
  return foretold(decision, config);
}

function foretold(decision: Decision, { cron, intervalMs }: Config['autopoll']): Finding {
  if (decision.kind === 'skip') {
    return info(ID, `a service would wait: ${decision.detail}`, adviceFor(decision.reason));
  }
  const when = cron ?? `every ${intervalMs / 1000} s`;
  return ok(ID, `a service would start work by itself a moment after its start, then look ${when}`);
}

function off(): Finding {
  return info(ID, 'off (LOOPER_AUTO_START_WHEN_IDLE=0): only triggers start runs');
}

function pausedPlan(): Finding {
  return warning(ID, 'paused: nothing starts by itself', '`looper autopoll resume` lets it go on');
}

/** Undefined: time mends it. */
function adviceFor(reason: string): string | undefined {
  switch (reason) {
    case 'no_workspace':
      return 'Set LOOPER_WORKSPACE';
    case 'waiting_for_person':
      return '`looper status` shows the question, `looper reply` answers it';
    case 'stopped_by_person':
      return '`looper run` or `looper autopoll resume`';
    case 'nothing_to_run':
      return '`looper tickets new` writes a ticket';
    case 'cannot_start':
      return 'Mend what it says; `looper run` tries at once';
    case 'daily_cap':
      return 'Raise LOOPER_MAX_AUTO_RUNS_PER_DAY if so many are meant';
    default:
      return undefined;
  }
}
