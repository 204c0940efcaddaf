import { constants, readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { systemErrorCode } from '../errors.ts';
import { isAlive } from '../processes/identity.ts';
import { readEnd } from '../runs/end-file.ts';
import { runFiles, runIdOfBase } from '../runs/files.ts';
import { stateOf } from '../runs/finish.ts';
import { createFollowers, type FollowedItem, type Position } from '../runs/follow.ts';
import type { RunRecord } from '../runs/record.ts';
import { parseRunRecord } from '../runs/schema.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';
import { CliError, EXIT } from './exit.ts';
import { Lost, noBytes, type LogPart, type OpenedLog, type RunSource } from './run-source.ts';

/** The active run is the newest, but for triggers that came after it: queued, refused. */
const ACTIVE_LOOKS = 50;
const WAIT_MS = 500;
/** A runner writes its end before it dies; a service that starts again closes what one left. */
const LOST_MS = 3_000;

/** The part of a store that only looks. */
export type StoredRuns = Pick<RunStore, 'latest' | 'list' | 'find'>;

/** Runs as they lie on disk. Nothing is changed there, not even what cannot be read. */
export function createFileSource(directory: string, signal: AbortSignal): RunSource {
  const runs = readStoredRuns(directory);
  const find = (id: string): StoredRun | null => {
    if (id === 'latest') return runs.latest();
    return id === 'current' ? findActive(directory) : runs.find(id);
  };
  return {
    list: (limit, before) => Promise.resolve(runs.list({ limit, before })),
    find: (id) => Promise.resolve(find(id)?.record ?? null),
    openLog: (run, part) => openLog(run.log_path, part),
    follow: (runId, from) => followFiles(find, runId, from, signal),
  };
}

/** The same as a service's store shows them; each question reads the directory anew. */
export function readStoredRuns(directory: string): StoredRuns {
  return {
    latest: () => newestFirst(directory).next().value ?? null,
    list: ({ limit, before }) => {
      const page: RunRecord[] = [];
      for (const { record } of newestFirst(directory, before)) {
        if (page.length >= limit) break;
        page.push(record);
      }
      return page;
    },
    find: (id) => {
      const base = listBases(directory).findLast((candidate) => runIdOfBase(candidate) === id);
      return base === undefined ? null : readRun(directory, base);
    },
  };
}

/** The run whose runner is alive; else the newest that has begun and not ended, which is stuck. */
export function findActive(directory: string): StoredRun | null {
  let stuck: StoredRun | null = null;
  let looks = 0;
  for (const run of newestFirst(directory)) {
    if (looks++ >= ACTIVE_LOOKS) break;
    const { status, runner } = run.record;
    if (status === 'finished' || status === 'queued') continue;
    if (runner !== null && isAlive(runner)) return run;
    stuck ??= run;
  }
  return stuck;
}

function* newestFirst(directory: string, before?: string): Generator<StoredRun> {
  const bases = listBases(directory);
  const isBefore = (base: string): boolean => runIdOfBase(base) === before;
  const end = before === undefined ? bases.length : Math.max(0, bases.findLastIndex(isBefore));
  for (const base of bases.slice(0, end).toReversed()) {
    const run = readRun(directory, base);
    if (run !== null) yield run;
  }
}

function listBases(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw unreadable(directory, error);
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter((base) => runIdOfBase(base) !== null)
    .sort();
}

/** Null for a run that was pruned meanwhile, and for a record that this version cannot read. */
function readRun(directory: string, base: string): StoredRun | null {
  const files = runFiles(directory, base);
  try {
    const record = parseRunRecord(readFileSync(files.record, 'utf8'));
    if (record === null) return null;
    const end = record.status === 'finished' ? null : readEnd(files.end);
    return { files, record: end === null ? record : { ...record, ...stateOf(end) } };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw unreadable(files.record, error);
  }
}

async function openLog(path: string, part: LogPart): Promise<OpenedLog> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const { size, mtime } = await file.stat();
    const start = 'last' in part ? Math.max(0, size - part.last) : Math.min(part.from, size);
    if (start < size) {
      // To the end of this moment: a run that goes on would be followed for ever.
      return { bytes: file.createReadStream({ start, end: size - 1 }), writtenAt: mtime };
    }
    await file.close();
    return { bytes: noBytes(), writtenAt: mtime };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return { bytes: noBytes(), writtenAt: null };
    throw unreadable(path, error);
  }
}

async function* followFiles(
  find: (runId: string) => StoredRun | null,
  runId: string,
  from: Position,
  signal: AbortSignal,
): AsyncGenerator<FollowedItem> {
  const run = find(runId);
  if (run === null) throw new Lost(`there is no run ${runId} in these files`);
  const follower = createFollowers(find).open(run.files);
  let position = from;
  let deadSince: number | null = null;
  try {
    for (;;) {
      if (signal.aborted) throw new CliError('', EXIT.interrupted);
      const batch = follower.next(position);
      if (batch === null) {
        deadSince = isUnderWay(find(runId)) ? null : (deadSince ?? performance.now());
        if (deadSince !== null && performance.now() - deadSince > LOST_MS) throw lostRun(runId);
        await waitForMore(follower.wait(WAIT_MS), signal);
        continue;
      }
      position = batch.after;
      yield* batch.items;
      if (batch.isLast) return;
    }
  } finally {
    follower.close();
  }
}

/** Whether somebody is there who will write more, or has written the end. */
function isUnderWay(run: StoredRun | null): boolean {
  if (run === null || run.record.status === 'finished') return true;
  return run.record.runner !== null && isAlive(run.record.runner);
}

async function waitForMore(
  wait: { readonly done: Promise<void>; cancel(): void },
  signal: AbortSignal,
): Promise<void> {
  signal.addEventListener('abort', wait.cancel);
  await wait.done;
  signal.removeEventListener('abort', wait.cancel);
}

function lostRun(runId: string): CliError {
  return new CliError(
    `Run ${runId} has no end, and nobody is there to write one: its runner is not alive. "looper serve" or "looper stop" closes it.`,
    EXIT.failed,
  );
}

function unreadable(path: string, error: unknown): CliError {
  const why = systemErrorCode(error);
  if (why === undefined) throw error;
  return new CliError(
    `${path} cannot be read (${why}): does it belong to another user, or is LOOPER_LOG_DIR wrong?`,
    EXIT.failed,
    { cause: error },
  );
}
