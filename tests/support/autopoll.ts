import { createAutopoll, type Autopoll, type AutopollDeps } from '../../src/autopoll.ts';
import type { AutopollState, AutopollStateFile } from '../../src/autopoll/state.ts';
import type { RunAnswer, RunRequest } from '../../src/run/request.ts';
import { runFiles } from '../../src/runs/files.ts';
import type { Outcome, RunRecord } from '../../src/runs/record.ts';
import type { StoredRun } from '../../src/runs/store.ts';
import { baseOf, createHeardLog, endedRun, type HeardLog } from './runs.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** With the configured stale window of 0, a run's log says nothing; see `decide`. */
const INTERVAL_MS = 5 * MINUTE;

/** Everything that an autopoll lives with, in memory, and a clock that tests set. */
export interface AutopollWorld {
  readonly autopoll: Autopoll;
  /** Milliseconds since the epoch. */
  now: number;
  readonly requests: RunRequest[];
  readonly runs: RunRecord[];
  active: RunRecord | null;
  isLaunching: boolean;
  liveAgents: () => Promise<readonly number[]>;
  work: () => Promise<string | null>;
  /** What a trigger does instead of starting a run. */
  instead: ((request: RunRequest) => Promise<RunAnswer>) | null;
  readonly state: AutopollStateFile;
  readonly heard: HeardLog;
  /** A run begins, of whoever asked for it. */
  begin(fields?: Partial<RunRecord>): RunRecord;
  /** The active run ends; `isTold: false`: the service was down. */
  end(outcome: Outcome, fields?: Partial<RunRecord>, isTold?: boolean): void;
  /** `begin` and `end`. */
  run(outcome: Outcome, fields?: Partial<RunRecord>): void;
  /** `start`, or the reason why not. */
  tick(): Promise<string>;
  /** A service that is started again: the same files, nothing in memory. */
  restart(): AutopollWorld;
}

type Config = AutopollDeps['config'];

export function createWorld(
  config: Partial<Config> = {},
  given: { readonly workspace?: string | null; readonly state?: AutopollStateFile } = {},
): AutopollWorld {
  const { workspace = '/srv/app', state = memoryState() } = given;
  const heard = createHeardLog();
  const stored = (record: RunRecord | undefined): StoredRun | null =>
    record === undefined
      ? null
      : { files: runFiles('/nowhere', baseOf(record.run_id, record.created_at)), record };
  const world: AutopollWorld = {
    now: Date.parse('2026-03-01T10:00:00.000Z'),
    requests: [],
    runs: [],
    active: null,
    isLaunching: false,
    liveAgents: () => Promise.resolve([]),
    work: () => Promise.resolve('work'),
    instead: null,
    state,
    heard,
    begin: (fields = {}) => {
      const record = endedRun((world.runs.length + 1).toString(16).padStart(8, '0'), {
        created_at: new Date(world.now).toISOString(),
        status: 'running',
        outcome: null,
        finished_at: null,
        ...fields,
      });
      world.runs.push(record);
      world.active = record;
      return record;
    },
    end: (outcome, fields = {}, isTold = true) => {
      const record = world.active;
      if (record === null) throw new Error('nothing runs');
      const finished_at = new Date(world.now).toISOString();
      Object.assign(record, { status: 'finished', outcome, finished_at, ...fields });
      world.active = null;
      if (isTold) world.autopoll.noteEnd(record);
    },
    run: (outcome, fields) => {
      world.begin(fields);
      world.end(outcome, fields);
    },
    tick: async () => {
      const decision = await world.autopoll.tick();
      return decision.kind === 'start' ? 'start' : decision.reason;
    },
    restart: () => {
      const next = createWorld(config, { workspace, state });
      const { now, runs, active, work } = world;
      next.runs.push(...runs);
      return Object.assign(next, { now, active, work });
    },
    autopoll: createAutopoll({
      config: {
        enabled: true,
        intervalMs: INTERVAL_MS,
        cron: undefined,
        logStaleMs: 0,
        maxRunsPerDay: 48,
        ...config,
      },
      workspace,
      runDefaults: {
        delayMs: 0,
        startupCheckMs: 0,
        onBusy: 'replace',
        onShutdown: 'stop',
        standbyRunner: true,
      },
      runs: {
        isLaunching: () => world.isLaunching,
        trigger: async (request) => {
          world.requests.push(request);
          if (world.instead !== null) return world.instead(request);
          const { trigger } = request;
          return { runId: world.begin({ trigger }).run_id } as RunAnswer;
        },
      },
      watch: { active: () => stored(world.active ?? undefined) },
      store: {
        latest: () => stored(world.runs.at(-1)),
        list: ({ limit }) => world.runs.toReversed().slice(0, limit),
        find: (id) => stored(world.runs.find((record) => record.run_id === id)),
      },
      liveAgents: () => world.liveAgents(),
      workFingerprint: () => world.work(),
      state,
      log: heard.log,
      now: () => world.now,
    }),
  };
  return world;
}

function memoryState(): AutopollStateFile {
  let state: AutopollState = {
    paused: false,
    failures: 0,
    failed_at: null,
    started_at: [],
    noted_run: null,
    released_run: null,
    work: null,
  };
  return {
    read: () => state,
    update: (change) => {
      state = { ...state, ...change };
    },
  };
}
