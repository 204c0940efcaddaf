import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { AnnouncementKind, FanOut } from '../notify/index.ts';
import type { Outcome, RunRecord } from '../runs/record.ts';
import type { RunStore } from '../runs/store.ts';

/** An end that nobody was told of is still news for this long after a restart. */
const NEWS_MS = 24 * 3_600_000;
const RECENT_RUNS = 50;

export interface EndAnnouncer {
  /** Announces the end of a run, once, in the background. */
  announceEnd(record: RunRecord): void;
  /** Announces what ended while no daemon was there to say so. */
  catchUp(): void;
  /** Waits for what is being sent; each message has its own deadline. */
  drain(): Promise<void>;
}

/**
 * Tells people how runs ended. The run's id is written to `announced.jsonl` before the message is
 * sent: a restart, an adopted run or a second look announces nothing again.
 */
export function createEndAnnouncer(options: {
  readonly store: RunStore;
  readonly announce: FanOut['announce'];
  readonly log: Logger;
  readonly now?: () => number;
}): EndAnnouncer {
  const { store, log, now = Date.now } = options;
  const path = join(store.directory, 'announced.jsonl');
  const announced = loadAnnounced(path);
  const pending = new Set<Promise<unknown>>();

  const announceEnd = (record: RunRecord): void => {
    if (announced.has(record.run_id)) return;
    announced.add(record.run_id);
    try {
      const line = { run_id: record.run_id, at: new Date(now()).toISOString() };
      appendFileSync(path, `${JSON.stringify(line)}\n`, { mode: 0o600 });
    } catch (error) {
      log.warn({ err: error, path }, 'notify.mark_unwritten');
    }
    // The trigger that replaced it has said so itself.
    if (record.outcome === null || record.outcome === 'replaced') return;
    const sending = options
      .announce({ kind: kindOf(record.outcome), text: describeEnd(record), runId: record.run_id })
      .finally(() => pending.delete(sending));
    pending.add(sending);
  };

  return {
    announceEnd,
    catchUp: () => {
      for (const record of store.list({ limit: RECENT_RUNS }).toReversed()) {
        const isNews = Date.parse(record.finished_at ?? '') > now() - NEWS_MS;
        if (record.status === 'finished' && isNews) announceEnd(record);
      }
    },
    drain: async () => {
      await Promise.all(pending);
    },
  };
}

/** One paragraph: what ended, how, what came of it, where to look. */
export function describeEnd(record: RunRecord): string {
  const { run_id, outcome, reason, summary, question, resets_at } = record;
  const sentences = [
    `Run ${run_id} (${record.mode === 'tickets' ? 'tickets' : 'prompt'}): ${outcome?.replaceAll('_', ' ')}${durationOf(record)}.`,
  ];
  if (question != null) sentences.push(`It asks: ${question.title}\n${question.text}`.trim());
  else if (reason !== null) sentences.push(reason);
  if (resets_at != null) sentences.push(`The limit ends at ${resets_at}.`);
  if (summary != null) {
    const tokens = summary.usage.input_tokens + summary.usage.output_tokens;
    const facts = [
      ...(record.mode === 'tickets'
        ? [`tickets done: ${summary.tickets_done.length}, left: ${summary.tickets_left}`]
        : []),
      `turns: ${summary.turns}`,
      `tokens: ${tokens}`,
      ...(summary.commits.length > 0 ? [`commits: ${summary.commits.length}`] : []),
    ];
    sentences.push(`${facts.join(', ')}.`, ...summary.warnings.map((text) => `Warning: ${text}`));
  }
  sentences.push(`Log: ${record.log_path}`);
  return sentences.join('\n');
}

function kindOf(outcome: Outcome): AnnouncementKind {
  switch (outcome) {
    case 'waiting':
      return 'question';
    case 'usage_limited':
      return 'usage_limited';
    case 'succeeded':
    case 'stopped':
    case 'shutdown':
    case 'replaced':
      return 'end';
    default:
      return 'failed';
  }
}

function durationOf({ started_at, finished_at }: RunRecord): string {
  if (started_at === null || finished_at === null) return '';
  const seconds = Math.max(0, Date.parse(finished_at) - Date.parse(started_at)) / 1000;
  if (seconds < 90) return ` after ${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? ` after ${minutes} min` : ` after ${(minutes / 60).toFixed(1)} h`;
}

function loadAnnounced(path: string): Set<string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return new Set();
    throw error;
  }
  const ids = [...text.matchAll(/"run_id":"([0-9a-z]+)"/g)].map((match) => match[1] ?? '');
  return new Set(ids);
}
