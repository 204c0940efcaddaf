import { classifyTurn, type TurnVerdict } from '../codex/classify.ts';
import { readTurnReport, type TurnReport } from '../codex/turn-report.ts';
import type { TurnOutcome, TurnRecord, Usage } from '../runs/record.ts';
import type { TurnExit } from './turn.ts';

const MAX_FINAL_MESSAGE_CHARS = 8_000;
const NO_USAGE: Usage = {
  input_tokens: 0,
  cached_input_tokens: 0,
  output_tokens: 0,
  reasoning_output_tokens: 0,
};

export interface Verdict {
  /** `finished` stands for a turn that completed; whether its ticket is done is another question. */
  readonly outcome: TurnOutcome;
  readonly message: string;
  readonly resetsAt: string | null;
  readonly warning: string | null;
  readonly report: TurnReport;
}

/** Judges the turns of one run; remembers each thread's tokens, for codex counts them per thread. */
export interface Judge {
  /** Judges a turn that is over, and completes its record from the log. */
  judge(turn: TurnRecord, exit: TurnExit): Promise<Verdict>;
}

/** `earlier`: turns of earlier runs whose threads may be continued, oldest first. */
export function createJudge(logPath: string): Judge {
  const spent = new Map<string, Usage>();
  return {
    judge: async (turn, exit) => {
      const report = await readTurnReport(logPath, turn.log_start, turn.log_end ?? turn.log_start);
      const verdict = classifyTurn(report, exit);
      turn.thread_id = report.threadId ?? turn.thread_id;
      turn.final_message = report.finalMessage?.slice(0, MAX_FINAL_MESSAGE_CHARS) ?? null;
      if (report.usage !== null && turn.thread_id !== null) {
        turn.usage = subtract(report.usage, spent.get(turn.thread_id) ?? NO_USAGE);
        spent.set(turn.thread_id, report.usage);
      }
      const outcome = outcomeOf(exit, verdict);
      turn.outcome = outcome;
      return {
        outcome,
        message:
          outcome === 'finished' || exit.ending === 'exited' ? verdict.message : endedBy(exit),
        resetsAt: verdict.resetsAt,
        warning: verdict.warning ?? null,
        report,
      };
    },
  };
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

function endedBy(exit: TurnExit): string {
  const sentences = {
    stopped: 'The turn was stopped.',
    timed_out: 'The turn took longer than LOOPER_TURN_TIMEOUT_SECONDS and was ended.',
    run_timed_out: 'The run took longer than LOOPER_RUN_TIMEOUT_SECONDS and was ended.',
    stalled: 'The agent printed nothing for LOOPER_STALL_SECONDS and was ended.',
    log_limit: 'The run log outgrew LOOPER_MAX_LOG_BYTES and the agent was ended.',
    exited: '',
  } as const;
  return sentences[exit.ending];
}

export function addUsage(a: Usage, b: Usage | null): Usage {
  if (b === null) return a;
  return combine(a, b, (x, y) => x + y);
}

/** A thread that codex compacted may report less than before; then its figure stands as it is. */
function subtract(total: Usage, before: Usage): Usage {
  const isLess = total.input_tokens < before.input_tokens;
  return isLess ? total : combine(total, before, (x, y) => Math.max(0, x - y));
}

function combine(a: Usage, b: Usage, of: (x: number, y: number) => number): Usage {
  return {
    input_tokens: of(a.input_tokens, b.input_tokens),
    cached_input_tokens: of(a.cached_input_tokens, b.cached_input_tokens),
    output_tokens: of(a.output_tokens, b.output_tokens),
    reasoning_output_tokens: of(a.reasoning_output_tokens, b.reasoning_output_tokens),
  };
}

export { NO_USAGE };
