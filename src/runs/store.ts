import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { preallocateEnd, readEnd } from './end-file.ts';
import { appendEvent } from './events-file.ts';
import { createRunBase, runFiles, runIdOfBase, type RunFiles } from './files.ts';
import { stateOf, writeRecord } from './finish.ts';
import type { RunRecord } from './record.ts';
import { parseRunRecord } from './schema.ts';

export interface StoredRun {
  readonly files: RunFiles;
  readonly record: RunRecord;
}

/** The runs of a log directory, read from their files; only the list of names is kept in memory. */
export interface RunStore {
  readonly directory: string;
  /** Reserves the end, writes the first record and the first event. Throws when the disk is full. */
  create(record: Omit<RunRecord, 'log_path'>): StoredRun;
  /** Newest first; `before` is a run id. */
  list(options: { readonly limit: number; readonly before?: string | undefined }): RunRecord[];
  find(runId: string): StoredRun | null;
  latest(): StoredRun | null;
  /** False as long as its end, or the record of it, is still to be written. */
  isComplete(run: StoredRun): boolean;
  /** Runs without an end, oldest first. Looks at every record: for the start of the service. */
  unfinished(): StoredRun[];
  /** Removes what is too old or too many, never a run without an end or with an open question. */
  prune(now: Date): number;
}

interface StoreOptions {
  readonly directory: string;
  readonly keepRuns: number;
  readonly keepDays: number;
  readonly log: Logger;
}

export function createRunStore(options: StoreOptions): RunStore {
  const { directory, log } = options;
  const bases = loadBases(directory);

  const read = (base: string): StoredRun | null => {
    const files = runFiles(directory, base);
    const text = readIfThere(files.record);
    if (text === null) return null;
    const record = parseRunRecord(text);
    if (record === null) {
      setAside(files, text, log);
      return null;
    }
    const end = record.status === 'finished' ? null : readEnd(files.end);
    return { files, record: end === null ? record : { ...record, ...stateOf(end) } };
  };
  const newestFirst = function* (): Generator<StoredRun> {
    for (const base of bases.toReversed()) {
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
      writeRecord(files, record);
      bases.push(base);
      appendEvent(files.events, {
        type: 'created',
        at: record.created_at,
        run_id: record.run_id,
        trigger: record.trigger,
        mode: record.mode,
        workspace: record.workspace,
      });
      return { files, record };
    },
    list: ({ limit, before }) => {
      const page: RunRecord[] = [];
      let reached = before === undefined;
      for (const base of bases.toReversed()) {
        if (page.length >= limit) break;
        if (reached) {
          const run = read(base);
          if (run !== null) page.push(run.record);
        }
        reached ||= runIdOfBase(base) === before;
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
      const oldest = now.getTime() - options.keepDays * 86_400_000;
      const surplus = Math.max(0, bases.length - options.keepRuns);
      const removed = bases.filter((base, index) => {
        const run = read(base);
        if (run === null || run.record.status !== 'finished') return false;
        const isOld = Date.parse(run.record.created_at) < oldest;
        return (isOld || index < surplus) && !hasOpenQuestion(run);
      });
      for (const base of removed) removeRun(directory, base);
      const gone = new Set(removed);
      bases.splice(0, bases.length, ...bases.filter((base) => !gone.has(base)));
      return removed.length;
    },
  };
}

/** A run that waits for a person who has not answered yet. */
export function hasOpenQuestion({ files, record }: StoredRun): boolean {
  return record.outcome === 'waiting' && record.question != null && !existsSync(files.replies);
}

/** Reads the record as it lies on disk: an end may stand whose record could not be written. */
function isComplete({ files }: StoredRun): boolean {
  const text = readIfThere(files.record);
  const status = text === null ? undefined : parseRunRecord(text)?.status;
  return status === 'finished' || status === 'queued';
}

function loadBases(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter((base) => runIdOfBase(base) !== null)
    .sort();
}

/** A garbled record must not stop the service; its log and its other files stay where they are. */
function setAside(files: RunFiles, text: string, log: Logger): void {
  const isNewer = /"version":\s*(?!1\b)\d+/.test(text);
  const record = files.record;
  if (isNewer) {
    log.warn({ record }, 'run.record_newer');
    return;
  }
  renameSync(record, `${record}.unreadable`);
  log.warn({ record, kept_as: `${record}.unreadable` }, 'run.record_unreadable');
}

function removeRun(directory: string, base: string): void {
  // The record goes first: what is left of an interrupted removal is no run any more.
  rmSync(join(directory, `${base}.json`), { force: true });
  for (const name of readdirSync(directory)) {
    if (name.startsWith(`${base}.`)) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
