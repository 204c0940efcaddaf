import type { RunRecord } from '../runs/record.ts';
import type { RunSource } from './run-source.ts';

const PAGE = 50;
const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds since the epoch of `10m`, `2h`, `3d` ago or of an ISO time; null for neither. */
export function parseSince(text: string, now: number): number | null {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return now - Number(count) * (UNITS[unit] ?? 0);
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** Where in a log to begin: at its start, or at a turn, which then has to be named. */
export interface LogPlace {
  readonly offset: number;
  readonly turn: {
    readonly number: number;
    readonly ticket: string;
    /** Milliseconds since the epoch. */
    readonly startedAt: number;
  } | null;
}

export const WHOLE_LOG: LogPlace = { offset: 0, turn: null };

/** The turn that was under way then, or came next: lines of a log carry no time, turns do. */
export function placeSince({ turns }: Pick<RunRecord, 'turns'>, since: number): LogPlace {
  const index = turns.findIndex(
    ({ finished_at }) => finished_at === null || Date.parse(finished_at) >= since,
  );
  const turn = turns[index];
  if (turn === undefined || index === 0) return WHOLE_LOG;
  const number = index + 1;
  const startedAt = Date.parse(turn.started_at);
  return { offset: turn.log_start, turn: { number, ticket: turn.ticket ?? '', startedAt } };
}

/** The runs that were not over by then, oldest first. */
export async function runsSince(source: RunSource, since: number): Promise<RunRecord[]> {
  const found: RunRecord[] = [];
  let before: string | undefined;
  for (;;) {
    const page = await source.list(PAGE, before);
    for (const run of page) {
      // One at a time is active, so the runs before one that was over by then were so too.
      if (run.finished_at !== null && Date.parse(run.finished_at) < since)
        return found.toReversed();
      found.push(run);
    }
    before = page.at(-1)?.run_id;
    if (page.length < PAGE || before === undefined) return found.toReversed();
  }
}
