import { randomUUID } from 'node:crypto';
import type { Schedule } from './config-file.ts';
import { type CronClock, startCronClock } from './cron-clock.ts';
import type { Logger } from './logger.ts';
import type { Unattended } from './run/unattended.ts';
import type { RunWatch } from './run-watch.ts';

/** The `schedules` of the configuration file: each starts a run at the times of its expression. */
export interface Schedules {
  /** Takes the place of what was there before. */
  use(schedules: readonly Schedule[]): void;
  /** When each one is due next. */
  next(): { readonly name: string; readonly at: Date }[];
  /** For good: a file that is read again meanwhile starts nothing. */
  stop(): void;
}

/**
 * Each schedule has its own time zone. A time that comes while the run of the time before is still
 * active is left out, and so is one that passed while the machine slept.
 */
export function createSchedules(deps: {
  readonly triggers: Pick<Unattended, 'start'>;
  readonly watch: Pick<RunWatch, 'active'>;
  readonly log: Logger;
}): Schedules {
  const { triggers, watch, log } = deps;
  let clocks: { readonly name: string; readonly clock: CronClock }[] = [];
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

  const start = (schedule: Schedule): CronClock =>
    startCronClock({
      expression: schedule.cron,
      timezone: schedule.timezone,
      onTime: () => fire(schedule),
      onMissed: (due) => {
        log.warn({ schedule: schedule.name, due: due.toISOString() }, 'schedule.missed');
      },
    });

  const clear = (): void => {
    for (const { clock } of clocks) clock.stop();
    clocks = [];
  };

  return {
    use: (schedules) => {
      const wanted = JSON.stringify(schedules);
      if (isStopped || wanted === used) return;
      clear();
      clocks = schedules.map((schedule) => ({ name: schedule.name, clock: start(schedule) }));
      used = wanted;
    },
    next: () => clocks.map(({ name, clock }) => ({ name, at: clock.next() })),
    stop: () => {
      isStopped = true;
      clear();
    },
  };
}
