import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { writeFully } from './atomic-file.ts';

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

/**
 * Appends one event with one write, so that lines of two writers never mix. A torn last line (the
 * writer died, the disk was full) is closed first and costs only itself.
 */
export function appendEvent(path: string, event: RunEvent): void {
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const fd = openSync(path, flags, 0o600);
  try {
    const opening = endsInNewline(fd) ? '' : '\n';
    writeFully(fd, Buffer.from(`${opening}${JSON.stringify(event)}\n`));
  } finally {
    closeSync(fd);
  }
}

/** All readable events, oldest first; a torn line is left out. */
export function readEvents(path: string): RunEvent[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
  return text.split('\n').flatMap((line) => {
    const event = parseEvent(line);
    return event === null ? [] : [event];
  });
}

function parseEvent(line: string): RunEvent | null {
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
    typeof value.at === 'string'
  );
}

/** True for an empty file too: there is nothing to close. */
export function endsInNewline(fd: number): boolean {
  const { size } = fstatSync(fd);
  if (size === 0) return true;
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, size - 1);
  return last[0] === 0x0a;
}
