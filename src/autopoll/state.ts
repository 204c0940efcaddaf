import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';
import { readIfThere } from '../read-if-there.ts';

const DAY_MS = 24 * 3_600_000;

/** Only the pause must be there: a field that a later version adds must not pause anybody. */
const schema = z.object({
  paused: z.boolean(),
  failures: z.int().min(0).default(0),
  /** When the last failure happened (ISO 8601). */
  failed_at: z.string().nullable().default(null),
  /** Starts of automatic runs in the last 24 h. */
  started_at: z.array(z.string()).default([]),
  /** The last run whose end was taken into account. */
  noted_run: z.string().nullable().default(null),
  /** The newest run when somebody resumed the autopoll, or changed the work it waited for. */
  released_run: z.string().nullable().default(null),
  /** What there was to do when the noted run ended; null: unknown. */
  work: z.string().nullable().default(null),
});

/** What the autopoll must remember over a restart: pause, back-off, release and the daily cap. */
export type AutopollState = z.output<typeof schema>;

const INITIAL: AutopollState = schema.parse({ paused: false });

export interface AutopollStateFile {
  read(): AutopollState;
  /** Changes some fields, on disk first; a full disk is logged and the change holds in memory. */
  update(change: Partial<AutopollState>): void;
}

export function createStateFile(
  logDirectory: string,
  log: Pick<Logger, 'error'>,
): AutopollStateFile {
  const path = join(logDirectory, 'autopoll.json');
  let state = load(path, log);
  return {
    read: () => state,
    update: (change) => {
      state = { ...state, ...change };
      try {
        writeFileAtomic(path, `${JSON.stringify(state, null, 2)}\n`);
      } catch (error) {
        log.error({ err: error, path }, 'codex.exec.autopoll.state_unwritten');
      }
    },
  };
}

/**
 * The starts of the last 24 hours. One from the near future still counts, since the clock may have
 * been set back; one from further ahead would count for as long as the clock was wrong.
 */
export function startsWithinDay(state: AutopollState, now: number): string[] {
  return state.started_at.filter((at) => Math.abs(now - Date.parse(at)) < DAY_MS);
}

function load(path: string, log: Pick<Logger, 'error'>): AutopollState {
  const text = readIfThere(path);
  if (text === null) return INITIAL;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    // Whoever paused it may have meant it: a state that cannot be read must not start agents.
    log.error({ err: error, path }, 'codex.exec.autopoll.state_unreadable');
    return { ...INITIAL, paused: true };
  }
}
