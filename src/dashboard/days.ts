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
/** What is read for the picture at most: as many runs as are kept unless somebody asks for more. */
const MAX_READ = 500;

/** Counts the runs of the last days; reads their records only when the newest has changed. */
export function createDays(store: RunStore): (now: number) => readonly Day[] {
  let known = { state: '', days: [] as readonly Day[] };
  return (now) => {
    const latest = store.latest()?.record;
    const state = `${dateOf(now)} ${latest?.run_id} ${latest?.status}`;
    if (state !== known.state) known = { state, days: readDays(store, now) };
    return known.days;
  };
}

function readDays(store: RunStore, now: number): readonly Day[] {
  const days = new Map<string, Record<Mood, number>>();
  for (let back = DAYS - 1; back >= 0; back -= 1) {
    days.set(dateOf(now - back * DAY_MS), { good: 0, open: 0, bad: 0, calm: 0, busy: 0 });
  }
  let before: string | undefined;
  for (let read = 0; read < MAX_READ; read += PAGE) {
    const page = store.list({ limit: PAGE, before });
    for (const { created_at, outcome, status } of page) {
      const day = days.get(dateOf(Date.parse(created_at)));
      if (day !== undefined && status !== 'queued') day[moodOf(outcome)] += 1;
    }
    const last = page.at(-1);
    if (last === undefined || Date.parse(last.created_at) < now - DAYS * DAY_MS) break;
    before = last.run_id;
  }
  return [...days].map(([date, runs]) => ({ date, runs }));
}

function dateOf(time: number): string {
  const at = new Date(time);
  const pad = (part: number): string => String(part).padStart(2, '0');
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}
