import { statSync } from 'node:fs';
import { LooperError, messageOf, systemErrorCode } from '../errors.ts';
import type { RunRecord } from '../runs/record.ts';
import { hasOpenQuestion, type RunStore } from '../runs/store.ts';
import type { IdleFacts } from './decision.ts';

/** How far back the newest run of a workspace is looked for, among those of others. */
const RECENT_RUNS = 50;

type History = Pick<IdleFacts, 'lastOutputAt' | 'lastRun' | 'openQuestion'>;

/**
 * What the runs on disk say against starting another one. `releasedRun`: the newest run when
 * somebody resumed; that covers the runs before it too, however the clock stood.
 */
export function readHistory(
  store: Pick<RunStore, 'latest' | 'list' | 'find'>,
  workspace: string | null,
  releasedRun: string | null,
): History {
  const latest = store.latest();
  if (latest === null) return { lastOutputAt: null, lastRun: null, openQuestion: null };
  const recent = store.list({ limit: RECENT_RUNS });
  const released = recent.findIndex((record) => record.run_id === releasedRun);
  const isReleased = (index: number): boolean => released >= 0 && released <= index;

  const own = recent.findIndex((record) => record.workspace === workspace);
  const ownRecord = recent[own];
  const isWaiting = ownRecord !== undefined && !isReleased(own);
  return {
    lastOutputAt: modifiedAt(latest.files.log),
    lastRun: {
      outcome: latest.record.outcome,
      resetsAt: latest.record.resets_at ?? null,
      isReleased: isReleased(0),
    },
    openQuestion: isWaiting ? questionOf(store, ownRecord) : null,
  };
}

function questionOf(store: Pick<RunStore, 'find'>, record: RunRecord): string | null {
  if (record.outcome !== 'waiting') return null;
  const run = store.find(record.run_id);
  // Without a question there is something to mend, which no reply can say.
  const isAnswered = record.question != null && run !== null && !hasOpenQuestion(run);
  if (isAnswered) return null;
  return record.question?.title ?? record.reason ?? `run ${record.run_id} waits for a person`;
}

function modifiedAt(path: string): number | null {
  try {
    return statSync(path).mtimeMs;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw new LooperError('LOG_DIR_UNUSABLE', `${path}: ${messageOf(error)}`, { cause: error });
  }
}
