import type { FollowedItem, Position } from '../runs/follow.ts';
import type { RunRecord } from '../runs/record.ts';

/** The part of a log that is wanted: from an offset to its present end, or its last bytes. */
export type LogPart = { readonly from: number } | { readonly last: number };

export interface OpenedLog {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** When something was last written; null where nobody says. */
  readonly writtenAt: Date | null;
}

/** Where a verb reads runs: the service, or the files that it works on. */
export interface RunSource {
  /** Newest first. */
  list(limit: number, before?: string): Promise<RunRecord[]>;
  /** A run id, `current` or `latest`; null: there is none. */
  find(id: string): Promise<RunRecord | null>;
  openLog(run: RunRecord, part: LogPart): Promise<OpenedLog>;
  /**
   * What happens in a run from a position on, its `end` last. Ends without one when the run is
   * gone; throws `Lost` when this source can tell no more.
   */
  follow(runId: string, from: Position): AsyncIterable<FollowedItem>;
}

/** The connection broke, or the service ended: whoever follows may try again elsewhere. */
export class Lost extends Error {}

export async function* noBytes(): AsyncGenerator<Uint8Array> {
  // An empty log, or one that does not exist yet.
}
