import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Config } from '../config.ts';
import { LooperError } from '../errors.ts';
import type { Runs } from '../run.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';
import { appendEvent } from '../runs/events-file.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';
import { storeReply } from '../tickets/replies.ts';
import { setDone, USER_AGENT } from '../tickets/ticket.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import { loadQueue } from '../tickets/queue.ts';
import type { RunAnswer } from './request.ts';

export interface Replies {
  /**
   * Stores a person's answer to the question with which a run ended, and starts the loop again.
   * An answer to a gate (`agent: user`) opens it. The answer is on disk before anything else
   * happens: when the start fails, the next run shows it.
   */
  reply(runId: string, text: string, requestId: string): Promise<RunAnswer>;
}

export function createReplies(deps: {
  readonly store: RunStore;
  readonly runs: Pick<Runs, 'trigger'>;
  readonly runDefaults: Config['runs'];
  readonly ticketsDirectory: string | undefined;
}): Replies {
  const { store, runs, runDefaults } = deps;
  return {
    reply: async (runId, text, requestId) => {
      const run = store.find(runId);
      if (run === null) throw new LooperError('NOT_FOUND', `there is no run "${runId}"`);
      const { record, files } = run;
      if (record.outcome !== 'waiting' || record.question == null) {
        throw new LooperError(
          'NOT_WAITING',
          `run ${runId} asks nothing (${record.outcome ?? record.status}); send POST /run to start one`,
        );
      }
      const { name } = storeReply(files.replies, text);
      appendEvent(files.events, {
        type: 'reply',
        at: new Date().toISOString(),
        run_id: runId,
        name,
      });
      await openGate(run, deps.ticketsDirectory);
      return runs.trigger({
        message: `An answer to run ${runId}: ${text.slice(0, 500)}`,
        prompt: null,
        workspace: record.workspace,
        binary: null,
        delayMs: runDefaults.delayMs,
        startupCheckMs: runDefaults.startupCheckMs,
        onBusy: runDefaults.onBusy,
        model: null,
        reasoning: null,
        trigger: 'reply',
        requestId,
        callerRunId: null,
        announceStart: true,
        warnings: [],
      });
    },
  };
}

/** Marks the gate done that the question came from; any other ticket is its agent's to finish. */
async function openGate({ record }: StoredRun, override: string | undefined): Promise<void> {
  const found = resolveTicketsDirectory(record.workspace, override);
  if (found.kind === 'none') return;
  const queue = await loadQueue({ directory: found.directory });
  const entry = queue.entries.find(({ fileName }) => fileName === record.question?.ticket);
  if (entry?.kind !== 'ticket' || entry.ticket.agent !== USER_AGENT || entry.ticket.done) return;
  const path = join(found.directory, basename(entry.fileName));
  writeFileAtomic(path, setDone(readFileSync(path, 'utf8'), true));
}
