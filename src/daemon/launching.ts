import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Autopoll } from '../autopoll.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { createAfterRun } from '../run/after-run.ts';
import { createLauncher } from '../run/launch.ts';
import { createPlanner, type Planner } from '../run/plan.ts';
import { createRunQueue, type RunQueue } from '../run/queue.ts';
import { createStaleAgents, type StaleAgents } from '../run/stale.ts';
import { createRuns, type Runs } from '../run.ts';
import { createRunWatch, type RunWatch } from '../run-watch.ts';
import { createStandby, type Standby } from '../runner/spawn.ts';
import type { RunRecord } from '../runs/record.ts';
import { createRunIdLookup } from '../runs/run-ids.ts';
import type { RunStore } from '../runs/store.ts';
import type { DaemonOptions } from '../daemon.ts';
import type { Announcements } from './announcements.ts';

export interface Launching {
  readonly planner: Planner;
  readonly watch: RunWatch;
  readonly stale: StaleAgents;
  readonly standby: Standby;
  readonly queue: RunQueue;
  readonly runs: Runs;
  /** The autopoll needs all of these, and is told how runs end. */
  tellEndsTo(autopoll: Pick<Autopoll, 'noteEnd'>): void;
}

/** Wires what starts runs, follows them and notices their ends. */
export function openLaunching(
  options: DaemonOptions,
  parts: {
    readonly store: RunStore;
    readonly metrics: Metrics;
    readonly announcements: Announcements;
    readonly agentEnvironment: (runId: string) => Record<string, string>;
    readonly runnerEnvironment: () => Record<string, string>;
    readonly lifecycle: Lifecycle;
    readonly log: Logger;
  },
): Launching {
  const { config, looperDirectory, environment } = options;
  const { store, metrics, agentEnvironment, lifecycle, log } = parts;
  const { outbox, announcer } = parts.announcements;
  let autopoll: Pick<Autopoll, 'noteEnd'> | null = null;

  const noteEnd = (record: RunRecord): void => {
    const last = record.turns.at(-1);
    const about = { runId: record.run_id, turns: record.turns.length };
    log.info({ ...about, exitCode: last?.exit_code, signal: last?.signal }, 'cmd.end');
    autopoll?.noteEnd(record);
    metrics.noteEnd(record);
    announcer.announceEnd(record);
    store.prune(new Date());
    void runs.startQueued();
  };
  const watch = createRunWatch({
    store,
    graceMs: config.kill.graceMs,
    log,
    onLook: (run) => announcer.look(run),
    afterRun: createAfterRun({ config, environment, store, log }),
    onEnd: noteEnd,
  });
  const stale = createStaleAgents({
    ...config.kill,
    isOwnRun: () => createRunIdLookup(store.directory),
    onStopped: metrics.noteStale,
    log,
  });
  const standby = createStandby(
    {
      entry: options.runnerEntry,
      environment: () => withoutMarker(parts.runnerEnvironment()),
      stderrPath: join(config.logs.serverLogDirectory, 'runner-stderr.log'),
    },
    config.runs.standbyRunner,
  );
  lifecycle.onClose('standby runner', () => standby.stop());
  const planner = createPlanner({
    config,
    version: options.version,
    looperDirectory,
    home: homedir(),
    environment,
    agentEnvironment,
    store,
  });
  const launcher = createLauncher({
    store,
    watch,
    standby,
    prepare: planner.prepare,
    onAbandon: (record) => {
      metrics.noteEnd(record);
      announcer.announceEnd(record);
    },
    log,
  });
  const queue = createRunQueue(store, log);
  const runs = createRuns({
    planner,
    watch,
    stale,
    standby,
    launcher,
    queue,
    announce: outbox.announce,
    notifyRequired: config.notify.required,
    log,
  });
  return {
    planner,
    watch,
    stale,
    standby,
    queue,
    runs,
    tellEndsTo: (told) => {
      autopoll = told;
    },
  };
}

/** A runner is no part of any run until it has its order. */
function withoutMarker(environment: Record<string, string>): Record<string, string> {
  const { LOOPER_RUN_ID: _marker, ...rest } = environment;
  return rest;
}
