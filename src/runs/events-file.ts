import { closeSync, constants, openSync } from 'node:fs';
import { appendLine } from './append-line.ts';
import { readIfThere } from '../read-if-there.ts';

/** One line of `<base>.events.jsonl`: what happened in a run, for people, channels and streams. */
export interface RunEvent {
  readonly type:
    | 'created'
    | 'started'
    | 'turn_started'
    | 'turn_ended'
    | 'message'
    | 'question'
    | 'reply'
    | 'stopping'
    | 'warning'
    | 'end';
  readonly at: string;
  readonly run_id: string;
  readonly [detail: string]: unknown;
}

/** Appends one event; a torn line before it costs only itself. */
export function appendEvent(path: string, event: RunEvent): void {
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const fd = openSync(path, flags, 0o600);
  try {
    appendLine(fd, JSON.stringify(event));
  } finally {
    closeSync(fd);
  }
}

/** All readable events, oldest first; a torn line is left out. */
export function readEvents(path: string): RunEvent[] {
  const text = readIfThere(path);
  if (text === null) return [];
  return text.split('\n').flatMap((line) => {
    const event = parseEvent(line);
    return event === null ? [] : [event];
  });
}

export function parseEvent(line: string): RunEvent | null {
  if (!line.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? value : null;
  } catch {
    return null;
  }
}

function isEvent(value: unknown): value is RunEvent {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    'at' in value &&
    typeof value.at === 'string' &&
    'run_id' in value &&
    typeof value.run_id === 'string'
  );
}
