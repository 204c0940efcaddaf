import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Healthcheck } from '../notify/healthcheck.ts';
import type { Outbox } from '../notify/outbox.ts';
import type { RunEvent } from '../runs/events-file.ts';
import { followEvents } from '../runs/follow-events.ts';
import type { RunRecord } from '../runs/record.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';
import { describeEnd, describeMessage, endFacts, kindOf } from './describe-run.ts';

/** An end that nobody was told of is still news for this long after a restart. */
const NEWS_MS = 24 * 3_600_000;
const RECENT_RUNS = 50;

/** Tells people what becomes of runs. The outbox sees to it that nobody hears anything twice. */
export interface RunAnnouncer {
  /** Announces what the agent of the active run has said since the last look. Cheap. */
  look(run: StoredRun): void;
  /** Announces the end of a run, in the background. */
  announceEnd(record: RunRecord): void;
  /** Announces what happened while no daemon was there to say so. */
  catchUp(): void;
}

export interface RunAnnouncerOptions {
  readonly store: Pick<RunStore, 'find' | 'list'>;
  readonly post: Outbox['post'];
  readonly healthcheck: Healthcheck;
  /** Whether the idle timer works in this workspace. */
  readonly goesOnByItself: (workspace: string) => boolean;
  readonly log: Logger;
  readonly now?: () => number;
}

export function createRunAnnouncer(options: RunAnnouncerOptions): RunAnnouncer {
  const { store, post, healthcheck, goesOnByItself, log, now = Date.now } = options;
  const bornAt = now();
  /** How far the events of the runs that go on have been read; null: they cannot be. */
  const offsets = new Map<string, number | null>();

  const postMessage = (record: RunRecord, event: RunEvent): void => {
    if (event.type !== 'message') return;
    const { number, title, text } = event;
    if (typeof number !== 'number' || typeof title !== 'string' || typeof text !== 'string') return;
    post({
      kind: 'message',
      event: `message-${number}`,
      text: describeMessage(record.run_id, title, text),
      runId: record.run_id,
      workspace: record.workspace,
      at: event.at,
      facts: { title },
    });
  };

  /** Whatever the agent said, in order; the outbox knows what was announced already. */
  const postMessages = ({ files, record }: StoredRun): void => {
    try {
      let offset = 0;
      let next = followEvents(files.events, offset, (event) => postMessage(record, event));
      while (next > offset) {
        offset = next;
        next = followEvents(files.events, offset, (event) => postMessage(record, event));
      }
    } catch (error) {
      log.warn({ runId: record.run_id, error: messageOf(error) }, 'notify.events_unreadable');
    }
  };

  const postEnd = (record: RunRecord): void => {
    // The trigger that replaced it has said so itself.
    if (record.outcome === null || record.outcome === 'replaced') return;
    const run = store.find(record.run_id);
    if (run !== null) postMessages(run);
    post({
      kind: kindOf(record.outcome),
      event: 'end',
      text: describeEnd(record, goesOnByItself(record.workspace)),
      runId: record.run_id,
      workspace: record.workspace,
      at: record.finished_at ?? undefined,
      facts: { ...endFacts(record) },
    });
  };

  const pingEnd = (record: RunRecord): void => {
    if (record.outcome === null) return;
    const hasFailed = kindOf(record.outcome) === 'failed';
    // Of a trigger that was superseded in the queue, nobody has heard a start.
    if (record.started_at === null && !hasFailed) return;
    const text = describeEnd(record, goesOnByItself(record.workspace));
    healthcheck.ended(text, hasFailed ? 'failure' : 'success');
  };

  const look = ({ files, record }: StoredRun): void => {
    const offset = offsets.get(record.run_id) ?? 0;
    if (offsets.get(record.run_id) === null) return;
    try {
      const next = followEvents(files.events, offset, (event) => {
        postMessage(record, event);
        // An adopted run has been pinged by the daemon that started it.
        const isNew = event.type === 'started' && Date.parse(event.at) >= bornAt;
        if (isNew) healthcheck.started(`Run ${record.run_id} (${record.mode})`);
      });
      offsets.set(record.run_id, next);
    } catch (error) {
      offsets.set(record.run_id, null);
      log.warn({ runId: record.run_id, error: messageOf(error) }, 'notify.events_unreadable');
    }
  };

  return {
    look,
    announceEnd: (record) => {
      const run = store.find(record.run_id);
      if (run !== null) look(run);
      offsets.delete(record.run_id);
      postEnd(record);
      pingEnd(record);
    },
    catchUp: () => {
      for (const record of store.list({ limit: RECENT_RUNS }).toReversed()) {
        const isNews = Date.parse(record.finished_at ?? '') > now() - NEWS_MS;
        if (record.status === 'finished' && isNews) postEnd(record);
      }
    },
  };
}
