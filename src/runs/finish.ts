import { messageOf } from '../errors.ts';
import { writeFileAtomic } from './atomic-file.ts';
import { readEnd, writeEnd, type RunEnd } from './end-file.ts';
import { appendEvent, readEvents } from './events-file.ts';
import type { RunFiles } from './files.ts';
import { appendTrailer } from './log-file.ts';
import type { RunRecord } from './record.ts';

export interface FinishedRun {
  readonly record: RunRecord;
  /** What could not be written (a full disk); the end itself stands, and a later call completes it. */
  readonly failures: readonly string[];
}

/**
 * Ends a run: trailer, end file, final event, record, in this order. The trailer comes before the
 * end that makes the run a finished one, so that who sees that finds the log complete. May be called
 * again by whoever holds the run lock (the runner died in between, the disk was full): the first end
 * wins and nothing is written twice. Throws only when the end file itself cannot be written.
 */
export function finishRun(files: RunFiles, record: RunRecord, end: RunEnd): FinishedRun {
  const failures: string[] = [];
  const attempt = (what: string, write: () => void): void => {
    try {
      write();
    } catch (error) {
      failures.push(`${what}: ${messageOf(error)}`);
    }
  };
  const { return_code, outcome } = readEnd(files.end) ?? end;
  attempt('trailer', () => appendTrailer(files.log, return_code, outcome));
  const final = writeEnd(files.end, end);
  // A record that is finished already may hold more than had room in the end file.
  const state = record.status === 'finished' ? {} : stateOf(final);
  const finished: RunRecord = { ...record, ...state, agent: null };
  attempt('final event', () => appendFinalEvent(files, finished));
  attempt('record', () => writeRecord(files, finished));
  return { record: finished, failures };
}

/** The fields of a record that an end decides: a valid end beats whatever the record says. */
export function stateOf(
  end: RunEnd,
): Pick<
  RunRecord,
  'status' | 'outcome' | 'reason' | 'finished_at' | 'resets_at' | 'question' | 'summary' | 'changed'
> {
  return {
    status: 'finished',
    outcome: end.outcome,
    reason: end.reason,
    finished_at: end.finished_at,
    resets_at: end.resets_at,
    question: end.question,
    summary: end.summary,
    changed: end.changed,
  };
}

export function writeRecord(files: RunFiles, record: RunRecord): void {
  writeFileAtomic(files.record, `${JSON.stringify(record, null, 2)}\n`);
}

function appendFinalEvent(files: RunFiles, record: RunRecord): void {
  if (readEvents(files.events).some((event) => event.type === 'end')) return;
  appendEvent(files.events, {
    type: 'end',
    at: record.finished_at ?? new Date().toISOString(),
    run_id: record.run_id,
    outcome: record.outcome,
    reason: record.reason,
    resets_at: record.resets_at ?? null,
    question: record.question ?? null,
    summary: record.summary ?? null,
  });
}
