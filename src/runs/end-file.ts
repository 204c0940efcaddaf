import { createHash } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import type { Outcome, RunQuestion, RunSummary } from './record.ts';

/** Room for an outcome with its sentence; a rewrite of bytes that exist needs no free space. */
const SIZE_BYTES = 8192;
const CHECKSUM_DIGITS = 64;

/** How a run ended: what `<base>.end` holds, and what beats the record where they differ. */
export interface RunEnd {
  readonly outcome: Outcome;
  readonly reason: string | null;
  readonly finished_at: string;
  /** Of the last turn; null where no agent was ever started. */
  readonly return_code: number | null;
  readonly resets_at: string | null;
  readonly question: RunQuestion | null;
  readonly summary: RunSummary | null;
  readonly changed: boolean | null;
}

/** Reserves the bytes of the end before the run starts: fails with ENOSPC while it is still harmless. */
export function preallocateEnd(path: string): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, Buffer.alloc(SIZE_BYTES), 0, SIZE_BYTES, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes the end in place and syncs it. The first valid end wins: a second call changes nothing
 * and returns what stands there, so a run has one final state whoever comes to write it.
 */
export function writeEnd(path: string, end: RunEnd): RunEnd {
  const existing = readEnd(path);
  if (existing !== null) return existing;
  const body = fittingBody(end);
  const bytes = Buffer.alloc(SIZE_BYTES, 0x20);
  bytes.write(`${checksum(body)} ${body}`);
  bytes[SIZE_BYTES - 1] = 0x0a;
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    writeSync(fd, bytes, 0, SIZE_BYTES, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return end;
}

/** The end, or null where there is none yet: missing, preallocated, torn. */
export function readEnd(path: string): RunEnd | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
  const body = text.slice(CHECKSUM_DIGITS + 1).trimEnd();
  if (body === '' || text.slice(0, CHECKSUM_DIGITS) !== checksum(body)) return null;
  // The checksum is ours over bytes that we wrote: what it covers has the shape that we gave it.
  return JSON.parse(body) as RunEnd;
}

/** On a full disk these bytes are all that is left of the run, so what does not fit is shortened. */
function fittingBody(end: RunEnd): string {
  const shortened = (characters: number): RunEnd => ({
    ...end,
    reason: cut(end.reason, characters),
    question: end.question && { ...end.question, text: cut(end.question.text, characters) ?? '' },
    summary: null,
  });
  for (const candidate of [end, { ...end, summary: null }, shortened(500)]) {
    const body = JSON.stringify(candidate);
    if (Buffer.byteLength(body) + CHECKSUM_DIGITS + 2 <= SIZE_BYTES) return body;
  }
  return JSON.stringify({ ...shortened(500), question: null });
}

function cut(text: string | null, characters: number): string | null {
  return text === null || text.length <= characters ? text : `${text.slice(0, characters)}…`;
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}
