import { basename } from 'node:path';
import type { RunEnd } from '../runs/end-file.ts';
import { returnCodeOf } from '../runs/log-file.ts';
import type { Outcome, RunQuestion, RunSummary } from '../runs/record.ts';
import type { TurnContext } from './execute-turn.ts';
import type { Verdict } from './judge.ts';
import { addUsage, NO_USAGE } from './usage.ts';

/** Puts a judged turn on record and tells those who follow. */
export function recordTurnEnd({ writer }: TurnContext, { message, warnings }: Verdict): void {
  const turn = writer.record.turns.at(-1);
  writer.save();
  writer.event('turn_ended', {
    turn: writer.record.turns.length,
    ticket: turn?.ticket ?? null,
    outcome: turn?.outcome ?? null,
    message,
    usage: turn?.usage ?? null,
  });
  for (const warning of warnings) writer.event('warning', { message: warning });
}

/** `facts`: what the turns' records do not say. */
export function summarise(
  { writer: { record }, runStart }: TurnContext,
  facts: Partial<Omit<RunSummary, 'turns' | 'usage' | 'usage_by_ticket' | 'duration_seconds'>>,
): RunSummary {
  const byTicket: Record<string, RunSummary['usage']> = {};
  for (const { ticket, usage } of record.turns) {
    if (ticket !== null) byTicket[ticket] = addUsage(byTicket[ticket] ?? NO_USAGE, usage);
  }
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
    // Whoever sets the clock meanwhile changes no duration.
    duration_seconds: Math.round((performance.now() - runStart) / 1000),
  };
}

/** The end of a run that had turns. One that waits always has a question, so that it can be answered. */
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
  const { outcome, reason } = end;
  const last = writer.record.turns.at(-1);
  const finished_at = new Date().toISOString();
  const ticket = last?.ticket == null ? null : basename(last.ticket);
  return {
    outcome,
    reason,
    finished_at,
    return_code:
      last === undefined ? null : returnCodeOf({ exitCode: last.exit_code, signal: last.signal }),
    resets_at: end.resetsAt,
    question:
      outcome === 'waiting'
        ? (end.question ?? { ticket, title: reason, text: '', asked_at: finished_at })
        : null,
    summary: end.summary,
    changed: end.changed,
  };
}
