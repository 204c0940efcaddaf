import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { RunEvent } from './events-file.ts';
import { followEvents } from './follow-events.ts';
import type { RunFiles } from './files.ts';
import { sizeOf } from './line-reader.ts';
import type { RunRecord } from './record.ts';
import type { StoredRun } from './store.ts';

/** All lifecycle events of all runs, as they happen; who listens later has missed the earlier ones. */
export interface EventHub {
  /** Returns how to stop listening. Nothing is looked at while nobody listens. */
  listen(onEvent: (event: RunEvent) => void): () => void;
}

interface RecentRuns {
  readonly directory: string;
  list(options: { readonly limit: number }): readonly RunRecord[];
  find(runId: string): StoredRun | null;
}

const LOOK_MS = 200;
/** More runs than can be created between two looks: one that starts, one that queues. */
const NEWEST = 3;
/** Runs whose events are followed at a time: a person may answer one that ended long ago. */
const FOLLOWED = 50;

/**
 * One look for all listeners at the events files of the newest runs, which the runner and the daemon
 * write.
 */
export function createEventHub(store: RecentRuns, log: Logger): EventHub {
  const listeners = new Set<(event: RunEvent) => void>();
  /** How far the events of a run have been told, oldest run first. */
  const followed = new Map<string, { readonly files: RunFiles; at: number; hasEnded: boolean }>();
  let timer: NodeJS.Timeout | null = null;
  let hasFailed = false;

  const follow = (limit: number, from: (files: RunFiles) => number): void => {
    for (const { run_id, status } of store.list({ limit }).toReversed()) {
      if (followed.has(run_id)) continue;
      const files = store.find(run_id)?.files;
      if (files === undefined) continue;
      followed.set(run_id, { files, at: from(files), hasEnded: status === 'finished' });
    }
    // A run that goes on stays, however many triggers were superseded behind it.
    for (const [oldest, { hasEnded }] of followed) {
      if (followed.size <= FOLLOWED) break;
      if (hasEnded) followed.delete(oldest);
    }
  };

  const look = (): void => {
    follow(NEWEST, () => 0);
    for (const run of followed.values()) {
      if (sizeOf(run.files.events) <= run.at) continue;
      run.at = followEvents(run.files.events, run.at, (event) => {
        run.hasEnded ||= event.type === 'end';
        for (const onEvent of listeners) onEvent(event);
      });
    }
  };

  const lookSafely = (): void => {
    try {
      look();
      hasFailed = false;
    } catch (error) {
      // No descriptor left, say: the next look may succeed. Said once, not five times a second.
      if (!hasFailed) log.warn({ reason: messageOf(error) }, 'events.unreadable');
      hasFailed = true;
    }
  };

  return {
    listen: (onEvent) => {
      if (listeners.size === 0) {
        followed.clear();
        follow(FOLLOWED, (files) => sizeOf(files.events));
        timer = setInterval(lookSafely, LOOK_MS);
      } else {
        // What happened before this listener came is for the others only.
        lookSafely();
      }
      listeners.add(onEvent);
      return () => {
        listeners.delete(onEvent);
        if (listeners.size > 0 || timer === null) return;
        clearInterval(timer);
        timer = null;
      };
    },
  };
}
