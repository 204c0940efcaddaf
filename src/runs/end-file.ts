import { createHash } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, rmSync } from 'node:fs';
import { writeFully } from './atomic-file.ts';
import type { Outcome, RunQuestion, RunSummary } from './record.ts';
import { readIfThere } from '../read-if-there.ts';

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

/** The end of a run of which nothing more is known than how and why it ended. */
export function bareEnd(outcome: Outcome, reason: string): RunEnd {
  return {
    outcome,
    reason,
    finished_at: new Date().toISOString(),
    return_code: null,
    resets_at: null,
    question: null,
    summary: null,
    changed: null,
  };
}

/**
 * Reserves the bytes of the end before the run starts: fails with ENOSPC while it is still harmless.
 * Not synced: a write reserves its space at once (over NFS the close does), and a sync costs each
 * launch 5 to 20 ms.
 */
export function preallocateEnd(path: string): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeFully(fd, Buffer.alloc(SIZE_BYTES));
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
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
    writeFully(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return end;
}

/** The end, or null where there is none yet: missing, preallocated, torn. */
export function readEnd(path: string): RunEnd | null {
  const text = readIfThere(path);
  if (text === null) return null;
  const body = text.slice(CHECKSUM_DIGITS + 1).trimEnd();
  if (body === '' || text.slice(0, CHECKSUM_DIGITS) !== checksum(body)) return null;
  // The checksum is ours over bytes that we wrote: what it covers has the shape that we gave it.
  return JSON.parse(body) as RunEnd;
}

/**
 * On a full disk these bytes are all that is left of the run, so what does not fit is shortened:
 * first what the turns of the record tell too, then the summary, then the sentences.
 */
function fittingBody(end: RunEnd): string {
  const candidates: RunEnd[] = [
    end,
    { ...end, summary: end.summary && { ...end.summary, usage_by_ticket: {} } },
    ...[Number.POSITIVE_INFINITY, 2000, 500, 100].map((characters) =>
      withoutSummary(end, characters),
    ),
  ];
  const body = candidates
    .map((candidate) => JSON.stringify(candidate))
    .find((text) => Buffer.byteLength(text) <= SIZE_BYTES - CHECKSUM_DIGITS - 2);
  if (body === undefined) throw new Error(`the end of a run does not fit into ${SIZE_BYTES} bytes`);
  return body;
}

function withoutSummary(end: RunEnd, characters: number): RunEnd {
  const { reason, question } = end;
  return {
    ...end,
    summary: null,
    reason: reason && cut(reason, characters),
    question: question && {
      ...question,
      title: cut(question.title, characters),
      text: cut(question.text, characters),
    },
  };
}

function cut(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters)}…`;
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}
