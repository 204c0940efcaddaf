import type { Metrics } from '../metrics.ts';
import type { Counter } from './counter.ts';

export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
}

/** From seconds to the default limit of a run's turn and beyond. */
const DURATION_BUCKETS = [10, 30, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

/**
 * Prometheus text. Loads prom-client, whose import takes 30 ms: only a service that is scraped
 * should pay for it.
 */
export async function createExposition(
  metrics: Metrics,
  isRunActive: () => boolean,
): Promise<Exposition> {
  const { Counter, Gauge, Histogram, Registry } = await import('prom-client');
  const registry = new Registry();
  const registers = [registry];

  const expose = <Label extends string>(name: string, help: string, source: Counter<Label>) =>
    new Counter<string>({
      name,
      help,
      labelNames: source.labels,
      registers,
      collect() {
        this.reset();
        for (const { values, count } of source.all()) this.inc(values, count);
      },
    });
  expose('looper_runs_total', 'Runs that have ended.', metrics.runs);
  expose(
    'looper_kills_total',
    'Agents that Looper ended, by the last signal that it took.',
    metrics.kills,
  );
  expose('looper_notify_total', 'Attempts to announce something.', metrics.notifications);
  expose(
    'looper_autopoll_skips_total',
    'Looks of the idle timer that started nothing.',
    metrics.skips,
  );
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('looper_run_active', '1 while a run is active.', () => (isRunActive() ? 1 : 0));
  gauge(
    'looper_last_success_timestamp_seconds',
    'When the last successful run ended; 0: never.',
    metrics.lastSuccess,
  );
  const durations = new Histogram({
    name: 'looper_run_duration_seconds',
    help: 'How long runs took, from the start of the agent to the end.',
    buckets: DURATION_BUCKETS,
    registers,
  });

  return {
    contentType: registry.contentType,
    text: async () => {
      for (const seconds of metrics.takeDurations()) durations.observe(seconds);
      return registry.metrics();
    },
  };
}
