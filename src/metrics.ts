import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Notifier } from './notify/index.ts';
import { createCounter, type Counter } from './metrics/counter.ts';
import { writeFileAtomic } from './runs/atomic-file.ts';
import type { RunRecord, TurnOutcome } from './runs/record.ts';
import type { RunStore } from './runs/store.ts';

/** What the service counts. Labels come from closed sets and the configuration, never from runs. */
export interface Metrics {
  readonly runs: Counter<'trigger' | 'outcome'>;
  readonly kills: Counter<'signal'>;
  readonly notifications: Counter<'notifier' | 'result'>;
  readonly skips: Counter<'reason'>;
  /** Seconds that the runs took which have ended since the last call. */
  takeDurations(): readonly number[];
  /** When the last successful run ended, in seconds since the epoch; 0: never, or long ago. */
  lastSuccess(): number;

  /** A run has ended: counted once, however often and by whomever it is told. */
  noteEnd(record: RunRecord): void;
  /** Agents that nobody watched were ended. */
  noteStale(stopped: { readonly pids: readonly number[]; readonly outcome: string }): void;
  noteSkip(reason: string): void;
  /** The same notifier, whose attempts are counted. */
  counting<T extends Notifier>(notifier: T): T;
}

const RECENT_RUNS = 50;
/** How far back a success is looked for, once: some ten milliseconds. */
const MAX_LOOKED_AT = 500;
/** Ends that wait for a scrape; nobody may ever come. */
const MAX_WAITING = 10_000;
const TRIGGERS = ['http', 'cli', 'autopoll', 'schedule', 'hook', 'chat', 'reply'];
/** Turns that Looper ended, not the agent. */
const ENDED_BY_US: ReadonlySet<TurnOutcome> = new Set<TurnOutcome>([
  'stopped',
  'stalled',
  'timed_out',
  'log_limit',
]);

const stateSchema = z.object({ counted_until: z.iso.datetime() });

/**
 * Counters begin at 0 with every start, which Prometheus knows how to read. Runs that ended while
 * the service was down are counted at its start: `metrics.json` remembers until when ends were
 * counted. A first start counts no history.
 */
export function createMetrics(
  store: Pick<RunStore, 'directory' | 'list'>,
  log: Logger,
  now: () => number = Date.now,
): Metrics {
  const path = join(store.directory, 'metrics.json');
  const runs = createCounter(['trigger', 'outcome']);
  const kills = createCounter(['signal']);
  const notifications = createCounter(['notifier', 'result']);
  const skips = createCounter(['reason']);
  const counted = new Set<string>();
  let durations: number[] = [];
  let lastSuccess: number | null = null;

  const remember = (countedUntil: number): void => {
    try {
      const state = { counted_until: new Date(countedUntil).toISOString() };
      writeFileAtomic(path, `${JSON.stringify(state)}\n`);
    } catch (error) {
      log.warn({ path, reason: messageOf(error) }, 'metrics.state_unwritten');
    }
  };

  const noteEnd = (record: RunRecord): void => {
    const { run_id, outcome, finished_at } = record;
    if (outcome === null || finished_at === null || counted.has(run_id)) return;
    counted.add(run_id);
    // Only a run that ended a moment ago is told of twice.
    for (const oldest of counted) {
      if (counted.size <= RECENT_RUNS) break;
      counted.delete(oldest);
    }
    runs.add({ trigger: triggerKind(record.trigger), outcome });
    for (const turn of record.turns) {
      if (turn.outcome === null || !ENDED_BY_US.has(turn.outcome)) continue;
      kills.add({ signal: turn.signal === 'SIGKILL' ? 'SIGKILL' : 'SIGINT' });
    }
    const end = Date.parse(finished_at);
    if (record.started_at !== null && durations.length < MAX_WAITING) {
      const betweenMs = Math.max(0, end - Date.parse(record.started_at));
      // The runner's own clock, which nobody sets, where it lived to say it.
      durations.push(record.summary?.duration_seconds ?? betweenMs / 1000);
    }
    if (outcome === 'succeeded') lastSuccess = Math.max(lastSuccess ?? 0, end / 1000);
    remember(now());
  };

  const countedUntil = readCountedUntil(path);
  if (countedUntil === null) remember(now());
  else {
    for (const record of store.list({ limit: RECENT_RUNS }).toReversed()) {
      if (Date.parse(record.finished_at ?? '') > countedUntil) noteEnd(record);
    }
  }

  return {
    runs,
    kills,
    notifications,
    skips,
    takeDurations: () => {
      const taken = durations;
      durations = [];
      return taken;
    },
    lastSuccess: () => (lastSuccess ??= newestSuccess(store)),
    noteEnd,
    noteStale: ({ pids, outcome }) => {
      const signal = outcome === 'stopped' ? 'SIGINT' : 'SIGKILL';
      if (pids.length > 0) kills.add({ signal }, pids.length);
    },
    noteSkip: (reason) => skips.add({ reason }),
    counting: (notifier) => ({
      ...notifier,
      send: async (message, signal) => {
        const count = (result: string): void =>
          notifications.add({ notifier: notifier.name, result });
        try {
          const delivery = await notifier.send(message, signal);
          count('delivered');
          return delivery;
        } catch (error) {
          count('failed');
          throw error;
        }
      },
    }),
  };
}

/** `hook:labelled` counts as `hook`: names come and go with the configuration. */
function triggerKind(trigger: string): string {
  const kind = trigger.split(':')[0] ?? '';
  return TRIGGERS.includes(kind) ? kind : 'other';
}

function newestSuccess(store: Pick<RunStore, 'list'>): number {
  let before: string | undefined;
  for (let looked = 0; looked < MAX_LOOKED_AT; looked += RECENT_RUNS) {
    const page = store.list({ limit: RECENT_RUNS, before });
    const success = page.find(({ outcome }) => outcome === 'succeeded');
    if (success !== undefined) return Date.parse(success.finished_at ?? success.created_at) / 1000;
    before = page.at(-1)?.run_id;
    if (before === undefined) break;
  }
  return 0;
}

function readCountedUntil(path: string): number | null {
  try {
    return Date.parse(stateSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).counted_until);
  } catch {
    // Missing or garbled: history that cannot be dated is not counted.
    return null;
  }
}
