import { parseEvent, type RunEvent } from './events-file.ts';
import type { RunFiles } from './files.ts';
import { isLineStart, readLines, sizeOf } from './line-reader.ts';
import type { StoredRun } from './store.ts';

/** How much of a run a reader has had: bytes of its log and of its events file. */
export interface Position {
  readonly log: number;
  readonly events: number;
}

export const RUN_START: Position = { log: 0, events: 0 };

/** One thing that happened in a run; `after`: where a reader stands who has had it. */
export type FollowedItem =
  | {
      readonly kind: 'log';
      readonly offset: number;
      readonly text: string;
      readonly truncated: boolean;
      readonly after: Position;
    }
  | { readonly kind: 'event'; readonly event: RunEvent; readonly after: Position };

export interface Batch {
  readonly items: readonly FollowedItem[];
  readonly after: Position;
  /** Nothing follows: its last item is the run's `end`; a run that was pruned meanwhile has none. */
  readonly isLast: boolean;
}

/** What follows a position: a batch, or null when there is nothing yet. */
export interface Follower {
  next(position: Position): Batch | null;
  /**
   * Resolves when there may be more than at the last `next`, after `timeoutMs`, or on `cancel`.
   */
  wait(timeoutMs: number): { readonly done: Promise<void>; cancel(): void };
  close(): void;
}

/**
 * Follows runs for any number of readers. All readers of a run share one look at its files every
 * 100 ms, and those who stand at the same place share what was read there.
 */
export interface Followers {
  open(files: RunFiles): Follower;
  /** Where a reader goes on; null when it names no place in this run where one could have been. */
  resume(files: RunFiles, lastEventId: string): Position | null;
  /** The run is finished, and this reader has had its end. */
  isOver(files: RunFiles, position: Position): boolean;
}

const LOOK_MS = 100;
/** How often the record is asked whether a silent run has ended without saying so in its events. */
const LOOKS_PER_RECORD = 10;
/** Between its end file and its final event lie some writes; more than this means a full disk. */
const MISSING_END_MS = 2_000;
const MAX_EVENT_BYTES = 1024 * 1024;
/** Batches kept for readers at the same place. */
const KEPT_BATCHES = 4;
const ID = /^(\d{1,15})-(\d{1,15})$/;
const EVENT_NAME = /^[a-z_]{1,32}$/;

export function createFollowers(find: (runId: string) => StoredRun | null): Followers {
  const shared = new Map<string, { readonly run: Follower; readers: number }>();

  return {
    open: (files) => {
      const entry = shared.get(files.base) ?? { run: createSharedRun(files, find), readers: 0 };
      shared.set(files.base, entry);
      entry.readers += 1;
      let isOpen = true;
      return {
        next: entry.run.next,
        wait: entry.run.wait,
        close: () => {
          if (!isOpen) return;
          isOpen = false;
          entry.readers -= 1;
          if (entry.readers > 0) return;
          entry.run.close();
          shared.delete(files.base);
        },
      };
    },
    resume: (files, lastEventId) => {
      const [, log, events] = ID.exec(lastEventId.trim()) ?? [];
      const position = { log: Number(log), events: Number(events) };
      const isPlace = log !== undefined && isPlaceIn(files, position);
      return isPlace ? position : null;
    },
    isOver: (files, position) => {
      const run = find(files.runId);
      if (run !== null && run.record.status !== 'finished') return false;
      return position.events > (startOfEnd(files) ?? sizeOf(files.events));
    },
  };
}

function createSharedRun(files: RunFiles, find: (runId: string) => StoredRun | null): Follower {
  const waiting = new Set<() => void>();
  const batches = new Map<string, Batch | null>();
  /** How far the unfinished line that begins at an offset has been searched for its end. */
  let searched = { offset: 0, to: 0 };
  /** A very long one is searched in slices. */
  let isSearching = false;
  let timer: NodeJS.Timeout | null = null;
  let sizes = '';
  let looks = 0;
  let endedAt: number | null = null;
  /** The run has ended, and its events will not say so. */
  let isEndMissing = false;

  const wakeAll = (): void => {
    // What was empty before may not be now.
    for (const [place, batch] of batches) if (batch === null) batches.delete(place);
    for (const wake of waiting) wake();
  };
  const lookAtRecord = (): void => {
    const run = find(files.runId);
    if (run !== null && run.record.status !== 'finished') return;
    endedAt ??= performance.now();
    if (performance.now() - endedAt >= MISSING_END_MS) isEndMissing = true;
  };
  const look = (): void => {
    timer = null;
    try {
      const now = `${sizeOf(files.log)} ${sizeOf(files.events)}`;
      looks += 1;
      const isNews = now !== sizes || isSearching;
      if (!isNews && looks % LOOKS_PER_RECORD === 0) lookAtRecord();
      sizes = now;
      isSearching = false;
      if (isNews || isEndMissing) wakeAll();
    } catch {
      // Whoever reads next meets the same error, and can say so.
      wakeAll();
    }
    schedule();
  };
  const schedule = (): void => {
    if (waiting.size === 0) return;
    timer ??= setTimeout(look, isSearching ? 0 : LOOK_MS);
  };

  const read = (position: Position): Batch | null => {
    const { items, after, end } = readEventItems(files, position);
    const log = readLines(files.log, position.log, {
      searchedTo: searched.offset === position.log ? searched.to : position.log,
      takeRest: end !== null || isEndMissing,
    });
    if (log.lines.length === 0) {
      searched = { offset: position.log, to: log.searchedTo };
      isSearching ||= log.searchedTo < log.size;
    }
    let { log: at } = position;
    for (const { offset, end: behind, text, truncated } of log.lines) {
      at = behind;
      items.push({ kind: 'log', offset, text, truncated, after: { log: at, events: after } });
    }
    const here = { log: at, events: after };
    // The end comes last: only once the log has been told to its very end.
    const isDrained = at >= log.size;
    if (end !== null && isDrained) {
      const last: Position = { log: at, events: end.after };
      const event: FollowedItem = { kind: 'event', event: end.event, after: last };
      return { items: [...items, event], after: last, isLast: true };
    }
    if (items.length > 0) return { items, after: here, isLast: false };
    return end === null && isEndMissing && isDrained ? missingEnd(files, here, find) : null;
  };

  return {
    next: (position) => {
      const place = `${position.log}-${position.events}`;
      const known = batches.get(place);
      if (known !== undefined) return known;
      const batch = read(position);
      batches.set(place, batch);
      for (const oldest of batches.keys()) {
        if (batches.size <= KEPT_BATCHES) break;
        batches.delete(oldest);
      }
      return batch;
    },
    wait: (timeoutMs) => {
      let finish = (): void => undefined;
      const done = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const cancel = (): void => {
        clearTimeout(timeout);
        waiting.delete(cancel);
        finish();
      };
      const timeout = setTimeout(cancel, timeoutMs);
      waiting.add(cancel);
      schedule();
      return { done, cancel };
    },
    close: () => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      for (const wake of waiting) wake();
    },
  };
}

interface EventItems {
  readonly items: FollowedItem[];
  /** Offset behind the last of them. */
  readonly after: number;
  /** The final event, if it comes next: it has to wait for the log. */
  readonly end: { readonly event: RunEvent; readonly after: number } | null;
}

function readEventItems(files: RunFiles, position: Position): EventItems {
  const items: FollowedItem[] = [];
  let after = position.events;
  const { lines } = readLines(files.events, after, { maxLineBytes: MAX_EVENT_BYTES });
  for (const line of lines) {
    const event = parseEvent(line.text);
    if (event?.type === 'end') return { items, after, end: { event, after: line.end } };
    after = line.end;
    if (event === null || !EVENT_NAME.test(event.type)) continue;
    items.push({ kind: 'event', event, after: { log: position.log, events: after } });
  }
  return { items, after, end: null };
}

/**
 * The end of a run whose final event could not be written (a full disk). Its place lies behind all
 * that stands in the file, also behind the beginning of an end that is written there later.
 */
function missingEnd(
  files: RunFiles,
  position: Position,
  find: (runId: string) => StoredRun | null,
): Batch {
  const record = find(files.runId)?.record;
  if (record === undefined) return { items: [], after: position, isLast: true };
  const after = { log: position.log, events: sizeOf(files.events) + 1 };
  const event: RunEvent = {
    type: 'end',
    at: record.finished_at ?? record.created_at,
    run_id: record.run_id,
    outcome: record.outcome,
    reason: record.reason,
    resets_at: record.resets_at ?? null,
    question: record.question ?? null,
    summary: record.summary ?? null,
  };
  return { items: [{ kind: 'event', event, after }], after, isLast: true };
}

/** Where the line of the final event begins; null where there is none. */
function startOfEnd(files: RunFiles): number | null {
  for (let at = 0; ;) {
    const { lines } = readLines(files.events, at, { maxLineBytes: MAX_EVENT_BYTES });
    for (const line of lines) {
      if (parseEvent(line.text)?.type === 'end') return line.offset;
      at = line.end;
    }
    if (lines.length === 0) return null;
  }
}

function isPlaceIn(files: RunFiles, { log, events }: Position): boolean {
  const logSize = sizeOf(files.log);
  const eventsSize = sizeOf(files.events);
  if (log > logSize || events > eventsSize + 1) return false;
  return (
    // The last line of a run that has ended may lack its newline.
    (log === logSize || isLineStart(files.log, log)) &&
    (events >= eventsSize || isLineStart(files.events, events))
  );
}
