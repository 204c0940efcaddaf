import { writeFileSync } from 'node:fs';
import type { Logger } from '../../src/logger.ts';
import type { RunEnd } from '../../src/runs/end-file.ts';
import { createRunBase, runFiles, type RunFiles } from '../../src/runs/files.ts';
import type { RunRecord, RunSummary } from '../../src/runs/record.ts';
import { createRunStore, type RunStore } from '../../src/runs/store.ts';

/** A log that remembers what it was told: `[details, event name]`. */
export interface HeardLog {
  readonly log: Logger;
  readonly heard: (readonly [Record<string, unknown>, string])[];
  /** The event names alone. */
  names(): string[];
}

export function createHeardLog(): HeardLog {
  const heard: (readonly [Record<string, unknown>, string])[] = [];
  const note = (details: Record<string, unknown>, name: string): void => {
    heard.push([details, name]);
  };
  const log = { debug: note, info: note, warn: note, error: note } as unknown as Logger;
  return { log, heard, names: () => heard.map(([, name]) => name) };
}

export function createTestStore(directory: string, options: Partial<StoreLimits> = {}): RunStore {
  const { log = createHeardLog().log, keepRuns = 500, keepDays = 90 } = options;
  return createRunStore({ directory, keepRuns, keepDays, log });
}

interface StoreLimits {
  readonly keepRuns: number;
  readonly keepDays: number;
  readonly log: Logger;
}

export const CREATED = '2026-03-01T10:00:00.000Z';

/** A run that waits to be started. */
export function newRun(
  runId: string,
  fields: Partial<RunRecord> = {},
): Omit<RunRecord, 'log_path'> {
  return {
    version: 1,
    run_id: runId,
    trigger: 'http',
    mode: 'tickets',
    workspace: '/srv/app',
    status: 'starting',
    outcome: null,
    reason: null,
    created_at: CREATED,
    started_at: null,
    finished_at: null,
    runner: null,
    agent: null,
    turns: [],
    ...fields,
  };
}

/** A run that is over. */
export function endedRun(runId: string, fields: Partial<RunRecord> = {}): RunRecord {
  return {
    ...newRun(runId),
    status: 'finished',
    outcome: 'succeeded',
    reason: 'Every ticket is done.',
    started_at: CREATED,
    finished_at: CREATED,
    log_path: `/logs/${runId}.log`,
    ...fields,
  };
}

/** Lays a record down as it is, without the rest of what a run leaves. */
export function layDown(directory: string, record: RunRecord): RunFiles {
  const files = runFiles(directory, createRunBase(record.run_id, new Date(record.created_at)));
  writeFileSync(files.record, JSON.stringify({ ...record, log_path: files.log }));
  return files;
}

/** The n-th run id, and a time of creation one minute after the one before. */
export function nthRun(n: number): { readonly runId: string; readonly createdAt: string } {
  return {
    runId: n.toString(16).padStart(8, '0'),
    createdAt: new Date(Date.parse(CREATED) + n * 60_000).toISOString(),
  };
}

export const SUMMARY: RunSummary = {
  tickets_done: ['TICKET-001.md'],
  tickets_waiting: [],
  tickets_left: 2,
  turns: 3,
  usage: usage(300),
  usage_by_ticket: { 'TICKET-001.md': usage(300) },
  duration_seconds: 60,
  commits: ['0123456789abcdef0123456789abcdef01234567'],
  warnings: [],
};

export function endOf(fields: Partial<RunEnd> = {}): RunEnd {
  return {
    outcome: 'succeeded',
    reason: 'Every ticket is done.',
    finished_at: '2026-03-01T10:01:00.000Z',
    return_code: 0,
    resets_at: null,
    question: null,
    summary: SUMMARY,
    changed: true,
    ...fields,
  };
}

export function usage(tokens: number): RunSummary['usage'] {
  return {
    input_tokens: tokens,
    cached_input_tokens: 0,
    output_tokens: tokens,
    reasoning_output_tokens: 0,
  };
}

export const baseOf = (runId: string, createdAt = CREATED): string =>
  createRunBase(runId, new Date(createdAt));

export const filesOf = (directory: string, runId: string, createdAt = CREATED): RunFiles =>
  runFiles(directory, baseOf(runId, createdAt));
