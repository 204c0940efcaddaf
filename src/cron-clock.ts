import cron from 'node-cron';

/** A busy or briefly stopped machine is late, not absent; after a longer sleep a time is left out. */
const LATENESS_MS = 60_000;
/** Clocks are set and machines sleep: no timer is trusted for longer. */
const LONGEST_WAIT_MS = 30_000;

export interface CronClock {
  /** When the next time is. */
  next(): Date;
  stop(): void;
}

/**
 * Calls `onTime` at the times of a cron expression, in a time zone (null: the machine's). Times that
 * passed while the machine slept are left out, and `onMissed` is told of the first of them: waking
 * up starts no burst.
 *
 * node-cron computes the times only. Its own timer goes through every time that was missed, one by
 * one, 0.3 ms each (measured with 4.6): a clock that is set forward by years would stop the service.
 */
export function startCronClock(options: {
  readonly expression: string;
  readonly timezone: string | null;
  readonly onTime: () => void;
  readonly onMissed: (due: Date) => void;
}): CronClock {
  const { expression, timezone, onTime, onMissed } = options;
  const task = cron.createTask(expression, () => undefined, timezone === null ? {} : { timezone });
  // It never runs by itself, and needs no place in the library's list of tasks.
  void task.destroy();
  const nextTime = (): Date => {
    const [time] = task.getNextRuns(1);
    if (time === undefined) throw new Error(`there is no next time of ${expression}`);
    return time;
  };
  let due = nextTime();
  let last: Date | null = null;
  let timer: NodeJS.Timeout;

  const arm = (): void => {
    const waitMs = Math.min(Math.max(1, due.getTime() - Date.now()), LONGEST_WAIT_MS);
    timer = setTimeout(look, waitMs);
  };
  const look = (): void => {
    const passed = due;
    const lateMs = Date.now() - passed.getTime();
    // Asked anew each time: the clock may have been set back behind an earlier one.
    due = nextTime();
    arm();
    if (lateMs > LATENESS_MS) {
      onMissed(passed);
    } else if (lateMs >= 0 && !isRepeated(passed)) {
      last = passed;
      onTime();
    }
  };
  /** A clock that is corrected by a moment comes to the same time twice. */
  const isRepeated = (time: Date): boolean => {
    const sinceMs = last === null ? -1 : last.getTime() - time.getTime();
    return sinceMs >= 0 && sinceMs <= LATENESS_MS;
  };

  arm();
  return { next: () => due, stop: () => clearTimeout(timer) };
}
