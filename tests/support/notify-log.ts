import type { NotifyLog } from '../../src/notify/index.ts';

export interface RecordedLog extends NotifyLog {
  /** `<event> <fields as JSON>`, oldest first. */
  readonly lines: string[];
}

export function recordLog(): RecordedLog {
  const lines: string[] = [];
  const write = (fields: object, event: string): void => {
    lines.push(`${event} ${JSON.stringify(fields)}`);
  };
  return { lines, info: write, warn: write };
}
