import { randomUUID } from 'node:crypto';
import cron, { type ScheduledTask } from 'node-cron';
import type { Schedule } from './config-file.ts';
import type { Logger } from './logger.ts';
import type { Unattended } from './run/unattended.ts';
import type { RunWatch } from './run-watch.ts';

/** A busy or briefly stopped machine is late, not absent; after a longer sleep a time is left out. */
const LATENESS_MS = 60_000;

/** The `schedules` of the configuration file: each starts a run at the times of its expression. */
export interface Schedules {
  /** Takes the place of what was there before. */
  use(schedules: readonly Schedule[]): void;
  /** When each one is due next. */
  next(): { readonly name: string; readonly at: Date | null }[];
  /** For good: a file that is read again meanwhile starts nothing. */
  stop(): void;
}

/**
 * node-cron keeps the times, in each schedule's time zone. A time that passed while the machine slept
 * is left out, so waking up starts no burst; one that comes while the run of the time before is
 * still active is left out as well.
 */
export function createSchedules(deps: {
  readonly triggers: Pick<Unattended, 'start'>;
  readonly watch: Pick<RunWatch, 'active'>;
  readonly log: Logger;
}): Schedules {
  const { triggers, watch, log } = deps;
  let tasks: { readonly name: string; readonly task: ScheduledTask }[] = [];
  let used = '[]';
  let isStopped = false;

  const fire = (schedule: Schedule): void => {
    const { name, message, prompt, workspace, onBusy } = schedule;
    const trigger = `schedule:${name}`;
    const active = watch.active();
    if (active?.record.trigger === trigger) {
      log.info({ schedule: name, runId: active.record.run_id }, 'schedule.still_running');
      return;
    }
    const requestId = `schedule-${randomUUID()}`;
    log.info({ schedule: name, requestId }, 'schedule.due');
    triggers.start({ trigger, message, prompt, workspace, onBusy, requestId });
  };

  const start = (schedule: Schedule): ScheduledTask => {
    const { name, timezone } = schedule;
    const task = cron.schedule(schedule.cron, () => fire(schedule), {
      ...(timezone === null ? {} : { timezone }),
      noOverlap: true,
      missedExecutionTolerance: LATENESS_MS,
      suppressMissedWarning: true,
      // Its own logger writes to stdout.
      logger: quietLogger(log),
    });
    task.on('execution:missed', ({ date }) => {
      log.warn({ schedule: name, due: date.toISOString() }, 'schedule.missed');
    });
    return task;
  };

  const clear = (): void => {
    for (const { task } of tasks) void task.destroy();
    tasks = [];
  };

  return {
    use: (schedules) => {
      const wanted = JSON.stringify(schedules);
      if (isStopped || wanted === used) return;
      clear();
      tasks = schedules.map((schedule) => ({ name: schedule.name, task: start(schedule) }));
      used = wanted;
    },
    next: () => tasks.map(({ name, task }) => ({ name, at: task.getNextRun() })),
    stop: () => {
      isStopped = true;
      clear();
    },
  };
}

function quietLogger(log: Logger) {
  const ignore = (): void => undefined;
  return {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (message: string | Error, err?: Error): void => {
      log.error({ err: err ?? message }, 'schedule.failed');
    },
  };
}
