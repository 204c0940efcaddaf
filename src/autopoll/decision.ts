import type { Outcome } from '../runs/record.ts';

/** What a tick knows. Times are milliseconds since the epoch. */
export interface IdleFacts {
  readonly now: number;
  readonly isPaused: boolean;
  readonly workspace: string | null;
  readonly isLaunching: boolean;
  readonly activeRunId: string | null;
  readonly liveAgentPids: readonly number[];
  /** When the newest run log was last written; null where there is none. */
  readonly lastOutputAt: number | null;
  readonly logStaleMs: number;
  /** The newest run, wherever it worked. */
  readonly lastRun: {
    readonly outcome: Outcome | null;
    readonly resetsAt: string | null;
    /** Somebody resumed the autopoll, or changed the work it waited for, since that run ended. */
    readonly isReleased: boolean;
  } | null;
  /** What the workspace's newest run waits for a person with; null: it does not, or not any more. */
  readonly openQuestion: string | null;
  readonly failures: number;
  readonly notBefore: number | null;
  readonly autoRunsToday: number;
  readonly maxRunsPerDay: number;
}

export type SkipReason =
  | 'paused'
  | 'no_workspace'
  | 'launching'
  | 'run_active'
  | 'agent_alive'
  | 'log_fresh'
  | 'stopped_by_person'
  | 'waiting_for_person'
  | 'usage_limited'
  | 'backing_off'
  | 'daily_cap'
  | 'nothing_to_run'
  | 'cannot_start';

export type Decision =
  | { readonly kind: 'start' }
  | { readonly kind: 'skip'; readonly reason: SkipReason; readonly detail: string };

export const MAX_BACKOFF_MS = 6 * 3_600_000;

/** Whether a tick starts a run; the first reason against it wins, the cheapest to mend first. */
export function decide(facts: IdleFacts): Decision {
  const skip = (reason: SkipReason, detail: string): Decision => ({ kind: 'skip', reason, detail });
  const { lastRun, now } = facts;

  if (facts.isPaused) return skip('paused', 'it is paused; resume it to go on');
  if (facts.workspace === null) {
    return skip('no_workspace', 'set LOOPER_WORKSPACE to the directory that it shall work in');
  }
  if (facts.isLaunching) return skip('launching', 'a launch is under way');
  if (facts.activeRunId !== null) return skip('run_active', `run ${facts.activeRunId} is active`);
  if (facts.liveAgentPids.length > 0) {
    return skip('agent_alive', `codex exec is alive (pids ${facts.liveAgentPids.join(', ')})`);
  }
  const ageMs = facts.lastOutputAt === null ? null : now - facts.lastOutputAt;
  // A log from the future means that the clock was set back: its age says nothing then.
  if (ageMs !== null && ageMs >= 0 && ageMs < facts.logStaleMs) {
    return skip('log_fresh', `the newest run log was written ${Math.round(ageMs / 1000)} s ago`);
  }
  if (lastRun?.outcome === 'stopped' && !lastRun.isReleased) {
    return skip('stopped_by_person', 'a person stopped the last run; trigger one or resume');
  }
  if (facts.openQuestion !== null) return skip('waiting_for_person', facts.openQuestion);
  if (lastRun?.outcome === 'usage_limited' && lastRun.resetsAt !== null) {
    const resetsAt = Date.parse(lastRun.resetsAt);
    if (now < resetsAt) return skip('usage_limited', `the usage limit ends at ${lastRun.resetsAt}`);
  }
  const { failures, notBefore, autoRunsToday, maxRunsPerDay } = facts;
  if (failures > 0 && notBefore !== null && now < notBefore) {
    const noun = failures === 1 ? 'failure' : 'failures';
    const until = new Date(notBefore).toISOString();
    return skip('backing_off', `${failures} ${noun} in a row; starts nothing before ${until}`);
  }
  if (autoRunsToday >= maxRunsPerDay) {
    const allowed = `LOOPER_MAX_AUTO_RUNS_PER_DAY allows ${maxRunsPerDay}`;
    return skip('daily_cap', `${autoRunsToday} automatic runs in the last 24 h; ${allowed}`);
  }
  return { kind: 'start' };
}

/** Doubles from the interval with every failure, up to six hours. */
export function backoffMs(failures: number, intervalMs: number): number {
  const doubled = intervalMs * 2 ** Math.min(failures, 30);
  return Math.max(intervalMs, Math.min(doubled, MAX_BACKOFF_MS));
}

/** How a run ended, as far as the next automatic one depends on it. */
export interface RunEnding {
  readonly outcome: Outcome | null;
  readonly trigger: string;
  readonly mode: string;
  readonly changed?: boolean | null;
  readonly resets_at?: string | null;
  readonly summary?: { readonly tickets_done: readonly string[] } | null;
}

/**
 * The failures in a row after a run. A success ends the row; a failed run that finished a ticket
 * starts a new one; what says nothing about the work (stopped, replaced, a question) changes nothing.
 */
export function failuresAfter(run: RunEnding, failures: number): number {
  if (isFailure(run)) return run.summary?.tickets_done.length ? 1 : failures + 1;
  return run.outcome === 'succeeded' ? 0 : failures;
}

/** Whether the next automatic run should come later than the interval says. */
export function isFailure(run: RunEnding): boolean {
  switch (run.outcome) {
    case 'succeeded':
      // An automatic prompt that changes nothing would be repeated for ever.
      return run.trigger === 'autopoll' && run.mode === 'prompt' && run.changed === false;
    case 'usage_limited':
      // Waiting for the reset is enough, unless the last wait led to nothing: a reset time that is
      // wrong would spend the allowance of every tick.
      return run.resets_at == null || run.changed === false;
    case 'stopped':
    case 'shutdown':
    case 'replaced':
    case 'waiting':
    case null:
      return false;
    default:
      return true;
  }
}
