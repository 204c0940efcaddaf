import { setTimeout as delay } from 'node:timers/promises';
import type { LogLine } from '../render/run-log.ts';
import type { RunRecord } from '../runs/record.ts';

const TURN_LINE = /^# turn=\d/;
/** An agent may print such lines as fast as it likes. */
const REREAD_MS = 250;
const SETTLE_MS = 50;

/**
 * Where the turns of a run begin in its log: an agent can print a line that looks like Looper's, but
 * not write into the record. The record is read again when a line claims to open a turn that is not
 * known yet.
 */
export function createTurnStarts(
  record: RunRecord,
  reread: (() => Promise<RunRecord | null>) | null,
): {
  readonly has: (offset: number) => boolean;
  /** Before the line is read: whether it opens a turn must be known by then. */
  readonly lookFor: (line: LogLine) => Promise<void>;
} {
  let starts = startsOf(record);
  let readAt = -Infinity;
  return {
    has: (offset) => starts.has(offset),
    lookFor: async ({ offset, text }) => {
      if (reread === null || !TURN_LINE.test(text)) return;
      const isKnown = starts.has(offset + Buffer.byteLength(text) + 1);
      if (isKnown || performance.now() - readAt < REREAD_MS) return;
      starts = startsOf((await reread()) ?? record);
      if (!starts.has(offset + Buffer.byteLength(text) + 1)) {
        // Looper writes the line first, then the record.
        await delay(SETTLE_MS);
        starts = startsOf((await reread()) ?? record);
      }
      readAt = performance.now();
    },
  };
}

function startsOf({ turns }: RunRecord): ReadonlySet<number> {
  return new Set(turns.map(({ log_start }) => log_start));
}
