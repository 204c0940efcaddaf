import type { RunEnd } from '../runs/end-file.ts';
import { returnCodeOf } from '../runs/log-file.ts';
import type { Outcome, RunQuestion, RunSummary } from '../runs/record.ts';
import type { TurnContext } from './execute-turn.ts';
import { addUsage, NO_USAGE, type Verdict } from './judge.ts';

/** Puts a judged turn on record and tells those who follow. */
export function recordTurnEnd({ writer }: TurnContext, verdict: Verdict): void {
  const turn = writer.record.turns.at(-1);
  writer.save();
  writer.event('turn_ended', {
    turn: writer.record.turns.length,
    ticket: turn?.ticket ?? null,
    outcome: turn?.outcome ?? null,
    message: verdict.message,
    usage: turn?.usage ?? null,
  });
  if (verdict.warning !== null) writer.event('warning', { message: verdict.warning });
}

export function summarise(
  { writer: { record } }: TurnContext,
  facts: Partial<Omit<RunSummary, 'turns' | 'usage' | 'usage_by_ticket' | 'duration_seconds'>>,
): RunSummary {
  const byTicket: Record<string, RunSummary['usage']> = {};
  for (const { ticket, usage } of record.turns) {
    if (ticket !== null) byTicket[ticket] = addUsage(byTicket[ticket] ?? NO_USAGE, usage);
  }
  const started = Date.parse(record.started_at ?? record.created_at);
  return {
    tickets_done: [],
    tickets_waiting: [],
    tickets_left: 0,
    commits: [],
    warnings: [],
    ...facts,
    turns: record.turns.length,
    usage: record.turns.reduce((sum, { usage }) => addUsage(sum, usage), NO_USAGE),
    usage_by_ticket: byTicket,
    duration_seconds: Math.max(0, Math.round((Date.now() - started) / 1000)),
  };
}

export function endRun(
  { writer }: TurnContext,
  end: {
    readonly outcome: Outcome;
    readonly reason: string;
    readonly question: RunQuestion | null;
    readonly resetsAt: string | null;
    readonly summary: RunSummary;
    readonly changed: boolean | null;
  },
): RunEnd {
  const last = writer.record.turns.at(-1);
  return {
    outcome: end.outcome,
    reason: end.reason,
    finished_at: new Date().toISOString(),
    return_code:
      last === undefined ? null : returnCodeOf({ exitCode: last.exit_code, signal: last.signal }),
    resets_at: end.resetsAt,
    question: end.question,
    summary: end.summary,
    changed: end.changed,
  };
}
