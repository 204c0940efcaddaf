import type { RunStore } from '../runs/store.ts';
import { moodOf, type Mood } from './words.ts';

/** The runs that began on one day (of the service's clock), by how they ended. */
export interface Day {
  /** `2026-03-01` */
  readonly date: string;
  readonly runs: Readonly<Record<Mood, number>>;
}

const DAYS = 14;
const DAY_MS = 86_400_000;
const PAGE = 100;
/** What is read for the picture at most: twice as many runs as are kept unless somebody asks for more. */
const MAX_READ = 1000;

/**
 * Counts the runs of the last days, oldest first; reads their records only when the newest has
 * changed. Where that would be too many, the days that are not known in full are left out.
 */
export function createDays(
  store: Pick<RunStore, 'latest' | 'list'>,
  maxRead = MAX_READ,
): (now: number) => readonly Day[] {
  let known = { state: '', days: [] as readonly Day[] };
  return (now) => {
    const latest = store.latest()?.record;
    const state = `${dateOf(now)} ${latest?.run_id} ${latest?.status}`;
    if (state !== known.state) known = { state, days: readDays(store, now, maxRead) };
    return known.days;
  };
}

function readDays(store: Pick<RunStore, 'list'>, now: number, maxRead: number): readonly Day[] {
  const days = new Map<string, Record<Mood, number>>();
  for (let back = DAYS - 1; back >= 0; back -= 1) {
    days.set(dateOf(now - back * DAY_MS), { good: 0, open: 0, bad: 0, calm: 0, busy: 0 });
  }
  const firstDay = now - DAYS * DAY_MS;
  let before: string | undefined;
  let oldest = now;
  for (let read = 0; read < maxRead && oldest >= firstDay; read += PAGE) {
    const page = store.list({ limit: PAGE, before });
    for (const { created_at, outcome, status } of page) {
      const day = days.get(dateOf(Date.parse(created_at)));
      if (day !== undefined && status !== 'queued') day[moodOf(outcome)] += 1;
    }
    const last = page.at(-1);
    // Nothing is older: every day is known.
    oldest = last === undefined ? -Infinity : Date.parse(last.created_at);
    before = last?.run_id;
  }
  const all = [...days].map(([date, runs]) => ({ date, runs }));
  if (oldest < firstDay) return all;
  const known = all.filter(({ date }) => date > dateOf(oldest));
  return known.length > 0 ? known : all.slice(-1);
}

function dateOf(time: number): string {
  const at = new Date(time);
  const pad = (part: number): string => String(part).padStart(2, '0');
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}
