import { appendEvent, type RunEvent } from '../runs/events-file.ts';
import type { RunFiles } from '../runs/files.ts';
import { writeRecord } from '../runs/finish.ts';
import type { RunRecord } from '../runs/record.ts';

/** The record and the events of the run whose lock this process holds; nobody else writes them. */
export interface RunWriter {
  readonly files: RunFiles;
  readonly record: RunRecord;
  /** Writes the record as it is now; throws when it cannot (before an agent starts, that matters). */
  saveOrThrow(): void;
  /** The same for a run under way: an agent must not die because our disk is full. */
  save(): void;
  event(type: RunEvent['type'], details?: Readonly<Record<string, unknown>>): void;
}

export function createRunWriter(files: RunFiles, record: RunRecord): RunWriter {
  const tolerate = (write: () => void): void => {
    try {
      write();
    } catch {
      // The end file has its bytes already; whatever is missing here is completed from it.
    }
  };
  return {
    files,
    record,
    saveOrThrow: () => writeRecord(files, record),
    save: () => tolerate(() => writeRecord(files, record)),
    event: (type, details = {}) =>
      tolerate(() =>
        appendEvent(files.events, {
          type,
          at: new Date().toISOString(),
          run_id: record.run_id,
          ...details,
        }),
      ),
  };
}
