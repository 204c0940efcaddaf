import type { Logger } from '../logger.ts';
import type { RunRecord } from '../runs/record.ts';
import type { RunStore } from '../runs/store.ts';
import { backoffMs, failuresAfter, isFailure } from './decision.ts';
import { startsWithinDay, type AutopollStateFile } from './state.ts';

/** What the autopoll learns from the ends of runs and from what people change meanwhile. */
export interface Memory {
  /** Takes a run's end into account, once per run. */
  noteEnd(record: RunRecord): Promise<void>;
  /** Looks whether somebody worked on it: ends a back-off, releases a run that waited for that. */
  noticeChangedWork(): Promise<void>;
  countFailure(): void;
  /** Before this (milliseconds since the epoch) nothing starts; null: nothing failed. */
  notBefore(): number | null;
  /** A person wants it to go on, whatever the runs so far have come to. */
  release(): void;
  /** Uses up one start of the day; returns how to give it back. */
  reserveStart(): () => void;
  startsToday(): number;
}

export function createMemory(deps: {
  readonly state: AutopollStateFile;
  readonly store: Pick<RunStore, 'latest'>;
  /** Changes when the tickets or the commits of the workspace change; null: unknown. */
  readonly readWork: () => Promise<string | null>;
  readonly intervalMs: number;
  readonly now: () => number;
  readonly log: Logger;
}): Memory {
  const { state, store, now, log } = deps;
  const timestamp = (): string => new Date(now()).toISOString();

  const readWork = async (): Promise<string | null> => {
    try {
      return await deps.readWork();
    } catch (error) {
      log.warn({ err: error }, 'codex.exec.autopoll.work_unknown');
      return null;
    }
  };

  return {
    noteEnd: async (record) => {
      const { noted_run, failures, failed_at } = state.read();
      if (noted_run === record.run_id) return;
      state.update({
        noted_run: record.run_id,
        work: null,
        failures: failuresAfter(record, failures),
        failed_at: isFailure(record) ? (record.finished_at ?? timestamp()) : failed_at,
      });
      state.update({ work: await readWork() });
    },
    noticeChangedWork: async () => {
      const current = await readWork();
      const { work } = state.read();
      if (current === null || current === work) return;
      state.update({ work: current });
      if (work === null) return;
      state.update({ failures: 0 });
      const latest = store.latest();
      // After a person's stop only that person, or another, starts again.
      if (latest !== null && latest.record.outcome !== 'stopped') {
        state.update({ released_run: latest.record.run_id });
      }
    },
    countFailure: () => {
      state.update({ failures: state.read().failures + 1, failed_at: timestamp() });
    },
    notBefore: () => {
      const { failures, failed_at } = state.read();
      if (failures === 0 || failed_at === null) return null;
      // After the clock was set back a failure lies ahead: it may not delay longer for that.
      if (Date.parse(failed_at) > now()) state.update({ failed_at: timestamp() });
      return Math.min(Date.parse(failed_at), now()) + backoffMs(failures, deps.intervalMs);
    },
    release: () => {
      state.update({ failures: 0 });
      const latest = store.latest();
      // A run that still goes on may be stopped after this: then that stop stands.
      if (latest?.record.status === 'finished')
        state.update({ released_run: latest.record.run_id });
    },
    reserveStart: () => {
      const starts = startsWithinDay(state.read(), now());
      state.update({ started_at: [...starts, timestamp()] });
      return () => state.update({ started_at: starts });
    },
    startsToday: () => startsWithinDay(state.read(), now()).length,
  };
}
