/** What programs that call Looper, or read its files, get to see: `import type` from the package. */
export type { ErrorCode } from './errors.ts';
export type { RunEvent } from './runs/events-file.ts';
export type {
  Outcome,
  RunMode,
  RunRecord,
  RunStatus,
  TurnOutcome,
  TurnRecord,
  Usage,
} from './runs/record.ts';
