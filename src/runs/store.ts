import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemErrorCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { preallocateEnd, readEnd } from './end-file.ts';
import { appendEvent } from './events-file.ts';
import { createdAtOf, createRunBase, runFiles, runIdOfBase, type RunFiles } from './files.ts';
import { stateOf, writeRecord } from './finish.ts';
import type { RunRecord } from './record.ts';
import { parseRunRecord } from './schema.ts';
import { readIfThere } from '../read-if-there.ts';

export interface StoredRun {
  readonly files: RunFiles;
  readonly record: RunRecord;
}

/** The runs of a log directory, read from their files; only the list of names is kept in memory. */
export interface RunStore {
  readonly directory: string;
  /** Reserves the end, writes the first record and event. On a full disk it throws and leaves nothing. */
  create(record: Omit<RunRecord, 'log_path'>): StoredRun;
  /** Newest first; `before` is a run id. */
  list(options: { readonly limit: number; readonly before?: string | undefined }): RunRecord[];
  find(runId: string): StoredRun | null;
  latest(): StoredRun | null;
  /** False as long as its end, or the record of it, is still to be written. */
  isComplete(run: StoredRun): boolean;
  /** Runs without an end, oldest first. Looks at every record: for the start of the service. */
  unfinished(): StoredRun[];
  /**
   * Removes runs that are too old or too many, never one without an end or with an open question,
   * and says how many. What cannot be removed is logged and stays for the next time.
   */
  prune(now: Date): number;
}

const DAY_MS = 86_400_000;

interface StoreOptions {
  readonly directory: string;
  readonly keepRuns: number;
  readonly keepDays: number;
  readonly log: Logger;
}

export function createRunStore(options: StoreOptions): RunStore {
  const { directory, log } = options;
  const bases = loadBases(directory);
  /** Told of once each, not at every look. */
  const newer = new Set<string>();

  const read = (base: string): StoredRun | null => {
    const files = runFiles(directory, base);
    const text = readIfThere(files.record);
    if (text === null) return null;
    const record = parseRunRecord(text);
    if (record === null) {
      if (!isNewer(text)) {
        setAside(files.record, log);
      } else if (!newer.has(base)) {
        newer.add(base);
        log.warn({ record: files.record }, 'run.record_newer');
      }
      return null;
    }
    const end = record.status === 'finished' ? null : readEnd(files.end);
    return { files, record: end === null ? record : { ...record, ...stateOf(end) } };
  };
  const newestFirst = function* (end = bases.length): Generator<StoredRun> {
    for (const base of bases.slice(0, end).toReversed()) {
      const run = read(base);
      if (run !== null) yield run;
    }
  };

  return {
    directory,
    create: (fields) => {
      const base = createRunBase(fields.run_id, new Date(fields.created_at));
      const files = runFiles(directory, base);
      const record: RunRecord = { ...fields, log_path: files.log };
      preallocateEnd(files.end);
      try {
        writeRecord(files, record);
        appendEvent(files.events, {
          type: 'created',
          at: record.created_at,
          run_id: record.run_id,
          trigger: record.trigger,
          mode: record.mode,
          workspace: record.workspace,
        });
      } catch (error) {
        for (const path of [files.events, files.record, files.end]) rmSync(path, { force: true });
        throw error;
      }
      bases.push(base);
      return { files, record };
    },
    list: ({ limit, before }) => {
      const isBefore = (base: string): boolean => runIdOfBase(base) === before;
      const end = before === undefined ? bases.length : Math.max(0, bases.findLastIndex(isBefore));
      const page: RunRecord[] = [];
      for (const { record } of newestFirst(end)) {
        if (page.length >= limit) break;
        page.push(record);
      }
      return page;
    },
    find: (runId) => {
      const base = bases.findLast((candidate) => runIdOfBase(candidate) === runId);
      return base === undefined ? null : read(base);
    },
    latest: () => newestFirst().next().value ?? null,
    isComplete,
    unfinished: () => bases.flatMap((base) => read(base) ?? []).filter((run) => !isComplete(run)),
    prune: (now) => {
      const oldest = now.getTime() - options.keepDays * DAY_MS;
      const surplus = bases.length - options.keepRuns;
      const mayGo = (base: string): boolean => {
        const run = read(base);
        return run?.record.status === 'finished' && !hasOpenQuestion(run);
      };
      const unwanted = bases.filter(
        (base, index) => (index < surplus || createdAtOf(base) < oldest) && mayGo(base),
      );
      const removed = removeRuns(directory, unwanted, log);
      bases.splice(0, bases.length, ...bases.filter((base) => !removed.has(base)));
      return removed.size;
    },
  };
}

/** A run that waits for a person who has not answered yet. */
export function hasOpenQuestion({ files, record }: StoredRun): boolean {
  return record.outcome === 'waiting' && record.question != null && !hasReply(files.replies);
}

/** An empty folder is what a reply leaves that the disk had no room for. */
function hasReply(directory: string): boolean {
  try {
    return readdirSync(directory).some((name) => name.endsWith('.md'));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Reads the record as it lies on disk: an end may stand whose record could not be written. */
function isComplete({ files }: StoredRun): boolean {
  const text = readIfThere(files.record);
  const status = text === null ? undefined : parseRunRecord(text)?.status;
  return status === 'finished' || status === 'queued';
}

/** Oldest first. Names tell seconds; runs of the same second are told apart by their records. */
function loadBases(directory: string): string[] {
  const created = (base: string): string =>
    parseRunRecord(readIfThere(join(directory, `${base}.json`)) ?? '')?.created_at ?? '';
  const inOrder = (a: string, b: string): number => {
    const apart = createdAtOf(a) - createdAtOf(b);
    return apart === 0 ? created(a).localeCompare(created(b)) : apart;
  };
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter((base) => runIdOfBase(base) !== null)
    .sort(inOrder);
}

/** Of a later Looper, which will want to find it as it is. */
function isNewer(text: string): boolean {
  return /"version":\s*(?!1\b)\d+/.test(text);
}

/** A garbled record must not stop the service; its log and its other files stay where they are. */
function setAside(record: string, log: Logger): void {
  renameSync(record, `${record}.unreadable`);
  log.warn({ record, kept_as: `${record}.unreadable` }, 'run.record_unreadable');
}

function removeRuns(directory: string, bases: readonly string[], log: Logger): Set<string> {
  if (bases.length === 0) return new Set();
  const namesOf = new Map(bases.map((base) => [base, [] as string[]]));
  for (const name of readdirSync(directory))
    namesOf.get(name.slice(0, name.indexOf('.')))?.push(name);
  const removed = new Set<string>();
  for (const [base, names] of namesOf) {
    const record = `${base}.json`;
    try {
      // The record goes last: without it, what an interrupted removal leaves would stay for ever.
      for (const name of [...names.filter((other) => other !== record), record]) {
        rmSync(join(directory, name), { recursive: true, force: true });
      }
      removed.add(base);
    } catch (error) {
      log.warn({ run: base, reason: messageOf(error) }, 'run.prune_failed');
    }
  }
  return removed;
}
