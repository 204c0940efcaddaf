import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

const BASE = /^codex-exec-\d{8}-\d{6}-((?:auto)?[0-9a-f]{8})$/;
const STAMP = /^codex-exec-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-/;
const RUN_ID = /^(?:auto)?[0-9a-f]{8}$/;

/** Everything that a run leaves in the log directory; all names start with the run's base. */
export interface RunFiles {
  readonly runId: string;
  readonly base: string;
  readonly directory: string;
  readonly record: string;
  readonly log: string;
  readonly events: string;
  readonly end: string;
  readonly stop: string;
  readonly replies: string;
  readonly messages: string;
  prompt(turn: number): string;
  lastMessage(turn: number): string;
}

export function runFiles(directory: string, base: string): RunFiles {
  const at = (suffix: string): string => join(directory, base + suffix);
  return {
    runId: runIdOfBase(base) ?? '',
    base,
    directory,
    record: at('.json'),
    log: at('.log'),
    events: at('.events.jsonl'),
    end: at('.end'),
    stop: at('.stop'),
    replies: at('.replies'),
    messages: at('.messages'),
    prompt: (turn) => at(`.turn${turn}.prompt`),
    lastMessage: (turn) => at(`.turn${turn}.last`),
  };
}

/** Eight hex digits; the prefix tells a person in `ls` that nobody asked for this run. */
export function createRunId(automatic: boolean): string {
  return (automatic ? 'auto' : '') + randomBytes(4).toString('hex');
}

/** `codex-exec-<YYYYMMDD-HHMMSS UTC>-<run_id>`: sorts by time of creation. */
export function createRunBase(runId: string, now: Date): string {
  const digits = now.toISOString().replaceAll(/[-:]/g, '');
  return `codex-exec-${digits.slice(0, 8)}-${digits.slice(9, 15)}-${runId}`;
}

/** When the run of a base was created, in milliseconds since the epoch; NaN where there is none. */
export function createdAtOf(base: string): number {
  const [, year, month, day, hour, minute, second] = STAMP.exec(base) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

/** The run id in a base, or null when the text is not a base that Looper would write. */
export function runIdOfBase(base: string): string | null {
  return BASE.exec(base)?.[1] ?? null;
}

export function isRunId(text: string): boolean {
  return RUN_ID.test(text);
}
