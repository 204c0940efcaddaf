import { lstatSync, readdirSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { LooperError, systemErrorCode } from '../errors.ts';
import { findDoubles } from './doubles.ts';
import { printable } from './text.ts';
import { MAX_TICKET_BYTES, readTicketFile } from './ticket-file.ts';
import { parseTicket, parseTicketName } from './ticket.ts';
import type { ParsedTicket, Problem, Ticket } from './ticket.ts';

export type QueueEntry =
  | {
      readonly kind: 'ticket';
      readonly number: number;
      readonly fileName: string;
      readonly ticket: Ticket;
    }
  | {
      readonly kind: 'bad';
      readonly number: number;
      /** As the file system has it; show `printable(fileName)` to people. */
      readonly fileName: string;
      /** What `done` says, where it can be read. */
      readonly done: boolean | null;
      readonly problems: readonly Problem[];
    };

export interface Finding extends Problem {
  /** Printable. */
  readonly fileName: string;
}

export interface Queue {
  readonly directory: string;
  /** By number, then by file name. */
  readonly entries: readonly QueueEntry[];
  /** What keeps a ticket from running, or would. */
  readonly findings: readonly Finding[];
  /** What a person may want to know, e.g. a stray file. */
  readonly remarks: readonly Finding[];
}

interface Cached {
  readonly stat: BigIntStats;
  readonly entry: QueueEntry;
}

/** What was read of one directory; keep it between looks, and a look reads only what changed. */
export interface QueueCache {
  directory: string;
  files: Map<string, Cached>;
}

export function createQueueCache(): QueueCache {
  return { directory: '', files: new Map() };
}

export interface LoadQueueOptions {
  readonly directory: string;
  readonly maxBytes?: number;
  readonly cache?: QueueCache;
  /** Wall clock, milliseconds: file times are compared with it. */
  readonly now?: () => number;
}

/** A file changed this shortly before it was read may change again without its times moving. */
const UNSETTLED_MS = 2000;
const SLICE_MS = 10;
const MAX_STRAYS = 20;

/**
 * Reads the tickets of a directory in order. One bad ticket is an entry of its own kind and stops
 * nobody else; a file that vanishes meanwhile is left out until the next look. Work is synchronous
 * in slices of 10 ms (see `readRegularFile` for why), so that a daemon stays responsive. Throws
 * `TICKETS_UNREADABLE` when the directory itself cannot be listed.
 */
export async function loadQueue(options: LoadQueueOptions): Promise<Queue> {
  const { directory, maxBytes = MAX_TICKET_BYTES, cache = createQueueCache() } = options;
  const { now = Date.now } = options;
  if (cache.directory !== directory) {
    cache.directory = directory;
    cache.files = new Map();
  }
  const before = cache.files;
  const after = new Map<string, Cached>();
  const read: QueueEntry[] = [];
  const strays: string[] = [];

  let sliceStart = performance.now();
  for (const fileName of listNames(directory)) {
    if (performance.now() - sliceStart > SLICE_MS) {
      await setImmediate();
      sliceStart = performance.now();
    }
    const known = before.get(fileName);
    const name = known === undefined ? parseTicketName(fileName) : known.entry;
    if (name === null) {
      // .gitignore, .DS_Store, a temporary file of ours: nobody takes these for tickets.
      if (!fileName.startsWith('.')) strays.push(fileName);
      continue;
    }
    const stat = lstatSync(`${directory}/${fileName}`, { bigint: true, throwIfNoEntry: false });
    if (stat !== undefined && known !== undefined && isSameState(known.stat, stat)) {
      after.set(fileName, known);
      read.push(known.entry);
      continue;
    }
    const readAt = now();
    const result = readTicketFile(directory, fileName, maxBytes);
    if (result.kind === 'gone') continue;
    const parsed: ParsedTicket =
      result.kind === 'text'
        ? parseTicket(fileName, result.text)
        : { ok: false, problems: result.problems, done: null };
    const entry = entryOf(fileName, name.number, parsed);
    read.push(entry);
    if (stat !== undefined && isSettled(stat, readAt)) after.set(fileName, { stat, entry });
  }
  // A look at another directory may have taken the cache over meanwhile.
  if (cache.directory === directory) cache.files = after;

  const entries = read.sort(inOrder);
  const doubles = findDoubles(
    entries.map((entry) => ({
      fileName: entry.fileName,
      number: entry.number,
      id: entry.kind === 'ticket' ? entry.ticket.id : null,
    })),
  );
  return {
    directory,
    entries: entries.map((entry) => withProblems(entry, doubles.get(entry.fileName) ?? [])),
    findings: entries.flatMap((entry) => [
      ...findingsOf(entry.fileName, entry.kind === 'bad' ? entry.problems : []),
      ...findingsOf(entry.fileName, doubles.get(entry.fileName) ?? []),
    ]),
    remarks: remarksOn(strays.sort()),
  };
}

/** The entry whose turn it is: the first that is not done; a bad one is named, not passed over. */
export function firstOpen(queue: Queue): QueueEntry | null {
  return queue.entries.find((entry) => !isDone(entry)) ?? null;
}

/** Whether an entry counts as finished; a bad ticket does when its `done: true` can be read. */
export function isDone(entry: QueueEntry): boolean {
  return entry.kind === 'ticket' ? entry.ticket.done : entry.done === true;
}

/** The number for a follow-up ticket: one more than the highest. */
export function nextNumber(queue: Queue): number {
  return (queue.entries.at(-1)?.number ?? 0) + 1;
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    throw new LooperError(
      'TICKETS_UNREADABLE',
      `Cannot list the tickets in ${directory} (${code}). Check that the folder exists and is readable.`,
      { cause: error },
    );
  }
}

function isSameState(a: BigIntStats, b: BigIntStats): boolean {
  return a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.size === b.size && a.ino === b.ino;
}

/**
 * File times advance in steps (4 ms on Linux, up to 2 s elsewhere), and `done: true ` is as long
 * as `done: false`: what was read right after a change is read again next time.
 */
function isSettled(stat: BigIntStats, readAt: number): boolean {
  const changed = Math.max(Number(stat.mtimeMs), Number(stat.ctimeMs));
  return changed < readAt - UNSETTLED_MS;
}

function entryOf(fileName: string, number: number, parsed: ParsedTicket): QueueEntry {
  if (parsed.ok) return { kind: 'ticket', number, fileName, ticket: parsed.ticket };
  return { kind: 'bad', number, fileName, done: parsed.done, problems: parsed.problems };
}

function inOrder(a: QueueEntry, b: QueueEntry): number {
  // By code unit, not by locale: the same on every machine.
  return a.number - b.number || (a.fileName < b.fileName ? -1 : 1);
}

/** An open ticket with a double cannot run; a finished one has nothing left to go wrong. */
function withProblems(entry: QueueEntry, more: readonly Problem[]): QueueEntry {
  if (more.length === 0 || isDone(entry)) return entry;
  const { fileName, number } = entry;
  const own = entry.kind === 'bad' ? entry.problems : [];
  const done = entry.kind === 'bad' ? entry.done : false;
  return { kind: 'bad', number, fileName, done, problems: [...own, ...more] };
}

function findingsOf(fileName: string, problems: readonly Problem[]): Finding[] {
  return problems.map((problem) => ({ ...problem, fileName: printable(fileName) }));
}

function remarksOn(strays: readonly string[]): Finding[] {
  const remarks = strays.slice(0, MAX_STRAYS).map((fileName) => ({
    fileName: printable(fileName),
    line: null,
    message: 'no ticket: it is left alone',
    instead: 'for a ticket: TICKET-<at least 3 digits>-short-title.md',
  }));
  const left = strays.length - remarks.length;
  if (left === 0) return remarks;
  const more = { fileName: '…', line: null, message: `${left} more files are no tickets` };
  return [...remarks, { ...more, instead: 'move them to another folder' }];
}
