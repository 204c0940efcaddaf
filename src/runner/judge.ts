import { classifyTurn, type TurnVerdict } from '../codex/classify.ts';
import { isPlainName } from '../plain-name.ts';
import { readTurnReport } from '../codex/turn-report.ts';
import type { TurnOutcome, TurnRecord, Usage } from '../runs/record.ts';
import type { TurnExit } from './turn.ts';
import { subtractUsage } from './usage.ts';

export const MAX_FINAL_MESSAGE_CHARS = 8_000;
/** Codex names the end of a limit to the minute, rounded down. */
const RESET_ROUNDING_MS = 60_000;

export interface Verdict {
  /** `finished` stands for a turn that completed; whether its ticket is done is another question. */
  readonly outcome: TurnOutcome;
  readonly message: string;
  /** ISO 8601 UTC; by then the limit has ended. */
  readonly resetsAt: string | null;
  readonly warnings: readonly string[];
  /** Codex has begun the turn: its prompt has arrived. */
  readonly turnStarted: boolean;
  /** What the turn's thread has used since it began, as far as codex said. */
  readonly threadUsage: Usage | null;
}

/** Judges the turns of one run; remembers each thread's tokens, for codex counts them per thread. */
export interface Judge {
  /** Judges a turn that is over, and completes its record from the log. */
  judge(turn: TurnRecord, exit: TurnExit): Promise<Verdict>;
}

/** `carried`: the thread of an earlier run that this one goes on with, and what it has used. */
export function createJudge(
  logPath: string,
  carried?: { readonly thread_id: string | null; readonly usage: Usage | null },
): Judge {
  const used = new Map<string, Usage>();
  if (carried?.thread_id != null && carried.usage !== null) {
    used.set(carried.thread_id, carried.usage);
  }
  return {
    judge: async (turn, exit) => {
      const report = await readTurnReport(logPath, turn.log_start, turn.log_end ?? turn.log_start);
      const verdict = classifyTurn(report, exit);
      const warnings =
        verdict.warning === undefined ? [] : [`A turn ended oddly: ${verdict.warning}.`];
      turn.thread_id = threadOf(turn.thread_id, report.threadId, warnings);
      turn.final_message = report.finalMessage?.slice(0, MAX_FINAL_MESSAGE_CHARS) ?? null;
      if (report.usage !== null) {
        turn.usage = subtractUsage(report.usage, used.get(turn.thread_id ?? '') ?? null);
        if (turn.thread_id !== null) used.set(turn.thread_id, report.usage);
      }
      turn.outcome = outcomeOf(exit, verdict);
      return {
        outcome: turn.outcome,
        message: exit.ending === 'exited' ? verdict.message : ENDED_BY[exit.ending],
        resetsAt: verdict.resetsAt === null ? null : later(verdict.resetsAt),
        warnings,
        turnStarted: report.turnStarted,
        threadUsage: used.get(turn.thread_id ?? '') ?? null,
      };
    },
  };
}

/** The thread that a turn worked in; null when it cannot be resumed. */
function threadOf(asked: string | null, found: string | null, warnings: string[]): string | null {
  if (found === null || found === asked) return asked;
  if (!isPlainName(found)) {
    warnings.push('Codex named a thread that no command line can name; the next turn begins anew.');
    return null;
  }
  if (asked !== null) {
    warnings.push(`Codex went on in the thread ${found} when asked to resume ${asked}.`);
  }
  return found;
}

function outcomeOf(exit: TurnExit, verdict: TurnVerdict): TurnOutcome {
  switch (exit.ending) {
    case 'stopped':
      return 'stopped';
    case 'timed_out':
    case 'run_timed_out':
      return 'timed_out';
    case 'stalled':
      return 'stalled';
    case 'log_limit':
      return 'log_limit';
    case 'exited':
      return verdict.kind === 'completed' ? 'finished' : verdict.kind;
  }
  return exit.ending satisfies never;
}

export const RUN_TIMED_OUT = 'The run took longer than LOOPER_RUN_TIMEOUT_SECONDS and was ended.';

const ENDED_BY = {
  stopped: 'The turn was stopped.',
  timed_out: 'The turn took longer than LOOPER_TURN_TIMEOUT_SECONDS and was ended.',
  run_timed_out: RUN_TIMED_OUT,
  stalled: 'The agent printed nothing for LOOPER_STALL_SECONDS and was ended.',
  log_limit: 'The run log outgrew LOOPER_MAX_LOG_BYTES and the agent was ended.',
} as const;

function later(resetsAt: string): string {
  return new Date(Date.parse(resetsAt) + RESET_ROUNDING_MS).toISOString();
}
