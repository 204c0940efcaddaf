import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';
import { bareEnd, type RunEnd } from '../runs/end-file.ts';
import { finishRun } from '../runs/finish.ts';
import { parseRunRecord } from '../runs/schema.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';
import type { RunRequest } from './request.ts';
import { readIfThere } from '../read-if-there.ts';

const MAX_QUEUED_RECORDS = 50;

const requestSchema = z.object({
  message: z.string(),
  prompt: z.string().nullable(),
  workspace: z.string().nullable(),
  binary: z.string().nullable(),
  delayMs: z.number(),
  startupCheckMs: z.number(),
  onBusy: z.enum(['replace', 'reject', 'queue']),
  model: z.string().nullable(),
  reasoning: z.string().nullable(),
  trigger: z.string(),
  requestId: z.string(),
  callerRunId: z.string().nullable(),
  announceStart: z.boolean(),
  warnings: z.array(z.string()),
});
const fileSchema = z.object({ run_id: z.string(), request: requestSchema });

export interface QueuedRun {
  readonly run: StoredRun;
  readonly request: RunRequest;
}

/**
 * The one trigger that waits for the active run to end: on disk, so that it outlives the service.
 * The newest wins, and the record of the one that it supersedes says so.
 */
export interface RunQueue {
  put(queued: QueuedRun): void;
  /** What waits; it stays on disk until `remove`. */
  peek(): QueuedRun | null;
  /** It is being started, cannot be, or shall not be. */
  remove(): void;
  /** Closes records that wait for nothing any more: the service died while it changed the queue. */
  repair(): void;
}

export function createRunQueue(store: RunStore, log: Logger): RunQueue {
  const path = join(store.directory, 'queue.json');

  const close = (run: StoredRun, outcome: RunEnd['outcome'], reason: string): void => {
    const { failures } = finishRun(run.files, run.record, bareEnd(outcome, reason));
    for (const failure of failures) log.warn({ failure }, 'run.end_incomplete');
  };

  const peek = (): QueuedRun | null => {
    const text = readIfThere(path);
    if (text === null) return null;
    const parsed = parseFile(text);
    const run = parsed === null ? null : store.find(parsed.run_id);
    if (parsed !== null && run?.record.status === 'queued') return { run, request: parsed.request };
    log.warn({ path }, 'run.queue_dropped');
    rmSync(path, { force: true });
    return null;
  };

  return {
    peek,
    put: ({ run, request }) => {
      const waiting = peek();
      const text = JSON.stringify({ run_id: run.record.run_id, request });
      writeFileAtomic(path, `${text}\n`);
      if (waiting !== null) {
        close(waiting.run, 'replaced', 'A newer trigger took its place in the queue.');
      }
    },
    remove: () => rmSync(path, { force: true }),
    repair: () => {
      const waiting = peek()?.run.record.run_id;
      for (const { run_id, runner } of store.list({ limit: MAX_QUEUED_RECORDS })) {
        const run = runner === null && run_id !== waiting ? store.find(run_id) : null;
        if (run === null || !isQueuedOnDisk(run)) continue;
        close(run, 'lost', 'It was waiting in the queue when the service died.');
      }
    },
  };
}

/** Also where its end stands already, which a store shows at once: then the rest of it is missing. */
function isQueuedOnDisk({ files }: StoredRun): boolean {
  return parseRunRecord(readIfThere(files.record) ?? '')?.status === 'queued';
}

function parseFile(text: string): z.output<typeof fileSchema> | null {
  try {
    const parsed = fileSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
