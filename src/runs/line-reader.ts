import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';

/** A line of a file that other processes append to; `end` is the offset behind its newline. */
export interface FileLine {
  readonly offset: number;
  readonly end: number;
  /** Lossy UTF-8, without the newline. */
  readonly text: string;
  /** It is longer than what is kept of a line; the rest is left out. */
  readonly truncated: boolean;
}

export interface LinesRead {
  readonly lines: readonly FileLine[];
  /** Of the file, in bytes; 0 where it does not exist. */
  readonly size: number;
  /** Up to here the last, unfinished line has been searched for its newline. */
  readonly searchedTo: number;
}

export const MAX_LINE_BYTES = 64 * 1024;
/** What one call reads of finished lines, so that a slow reader holds little. */
const READ_BYTES = 2 * MAX_LINE_BYTES;
const MAX_LINES = 1000;
/** What one call searches of a line that has no end yet: some milliseconds. */
const SEARCH_BYTES = 4 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The next finished lines from an offset, in bounded memory and time, whatever the file holds.
 * Without any, `searchedTo` goes into the next call, which need not search those bytes again.
 * `takeRest`: the file is complete, so what stands behind its last newline is a line too.
 */
export function readLines(
  path: string,
  from: number,
  options: {
    readonly searchedTo?: number;
    readonly takeRest?: boolean;
    readonly maxLineBytes?: number;
  } = {},
): LinesRead {
  const { searchedTo = from, takeRest = false, maxLineBytes = MAX_LINE_BYTES } = options;
  const fd = openIfThere(path);
  if (fd === null) return { lines: [], size: 0, searchedTo: from };
  try {
    const { size } = fstatSync(fd);
    const head = readAt(fd, from, Math.min(size - from, Math.max(READ_BYTES, maxLineBytes + 1)));
    const lines = splitLines(head, from, maxLineBytes);
    if (lines.length > 0) return { lines, size, searchedTo: from };
    const start = Math.max(searchedTo, from + head.length);
    const searched = findNewline(fd, start, Math.min(size, start + SEARCH_BYTES));
    const end = searched.newline === null ? null : searched.newline + 1;
    if (end !== null)
      return { lines: [lineOf(head, from, end, maxLineBytes)], size, searchedTo: from };
    if (takeRest && size > from && searched.to >= size) {
      return { lines: [lineOf(head, from, size, maxLineBytes)], size, searchedTo: from };
    }
    return { lines: [], size, searchedTo: searched.to };
  } finally {
    closeSync(fd);
  }
}

/** Whether a line can begin at this offset: at the start, or behind a newline. */
export function isLineStart(path: string, offset: number): boolean {
  if (offset === 0) return true;
  const fd = openIfThere(path);
  if (fd === null) return false;
  try {
    return readAt(fd, offset - 1, 1)[0] === NEWLINE;
  } finally {
    closeSync(fd);
  }
}

/** In bytes; 0 where the file does not exist (yet, or any more). */
export function sizeOf(path: string): number {
  const fd = openIfThere(path);
  if (fd === null) return 0;
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function splitLines(bytes: Buffer, offset: number, maxLineBytes: number): FileLine[] {
  const lines: FileLine[] = [];
  let start = 0;
  while (lines.length < MAX_LINES) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline === -1) break;
    const end = offset + newline + 1;
    lines.push(lineOf(bytes.subarray(start, newline), offset + start, end, maxLineBytes));
    start = newline + 1;
  }
  return lines;
}

/** `bytes`: the line without its newline, or at least as much of its beginning as is kept. */
function lineOf(bytes: Buffer, offset: number, end: number, maxLineBytes: number): FileLine {
  const kept = cutBytes(bytes, maxLineBytes);
  const text = kept.toString('utf8');
  // Bytes that are no UTF-8 become characters of three bytes.
  const isLonger = text.length * 3 > maxLineBytes && Buffer.byteLength(text) > maxLineBytes;
  const shown = isLonger ? cutBytes(Buffer.from(text), maxLineBytes).toString('utf8') : text;
  return { offset, end, text: shown, truncated: isLonger || kept.length < bytes.length };
}

/** The first `max` bytes, without half a character at the cut. */
function cutBytes(bytes: Buffer, max: number): Buffer {
  if (bytes.length <= max) return bytes;
  let end = max;
  while (end > max - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

function findNewline(
  fd: number,
  from: number,
  to: number,
): { readonly newline: number | null; readonly to: number } {
  for (let at = from; at < to;) {
    const bytes = readAt(fd, at, Math.min(READ_BYTES, to - at));
    if (bytes.length === 0) return { newline: null, to: at };
    const index = bytes.indexOf(NEWLINE);
    if (index !== -1) return { newline: at + index, to: at + index };
    at += bytes.length;
  }
  return { newline: null, to: Math.max(from, to) };
}

function readAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.max(0, length));
  let read = 0;
  while (read < bytes.length) {
    const count = readSync(fd, bytes, read, bytes.length - read, offset + read);
    if (count === 0) break;
    read += count;
  }
  return bytes.subarray(0, read);
}
