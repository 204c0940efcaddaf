import { existsSync, readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { LooperError } from '../errors.ts';
import type { Runs } from '../run.ts';
import { isSameTicket } from '../runner/known-replies.ts';
import { appendEvent } from '../runs/events-file.ts';
import type { RunFiles } from '../runs/files.ts';
import type { RunRecord } from '../runs/record.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import { loadQueue } from '../tickets/queue.ts';
import { listReplies, storeReply } from '../tickets/replies.ts';
import { readTicketFile, writeTicketFile } from '../tickets/ticket-file.ts';
import { setDone, USER_AGENT } from '../tickets/ticket.ts';
import type { RunAnswer } from './request.ts';

/** An announcement shows the beginning of an answer. */
const SHOWN_CHARS = 500;

export interface Replies {
  /**
   * Stores a person's answer to the question with which a run ended, and starts the loop again.
   * An answer to a gate (`agent: user`) opens it; one to a prompt run starts its prompt again, with
   * question and answer. The answer is on disk before anything else happens: when the start fails,
   * the next ticket run shows it, and the same answer sent again is not stored twice. Throws
   * `NOT_WAITING` for a run that asks nothing.
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
      const run = requireWaiting(store, runId);
      const { record, files } = run;
      keep(files, text);
      if (record.mode === 'tickets') await openGate(record, deps.ticketsDirectory);
      return runs.trigger({
        message: `An answer to run ${runId}: ${text.slice(0, SHOWN_CHARS)}`,
        prompt: record.mode === 'prompt' ? promptWithAnswer(run) : null,
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

function requireWaiting(store: RunStore, runId: string): StoredRun {
  const run = store.find(runId);
  if (run === null) throw new LooperError('NOT_FOUND', `there is no run "${runId}"`);
  const { outcome, status, question } = run.record;
  if (outcome === 'waiting' && question != null) return run;
  throw new LooperError(
    'NOT_WAITING',
    `run ${runId} asks nothing (${outcome ?? status}); send POST /run to start one`,
  );
}

/** A run asks once at most: the same words again are the same answer, sent again. */
function keep(files: RunFiles, text: string): void {
  if (listReplies(files.replies).at(-1)?.text === text) return;
  const { name } = storeReply(files.replies, text);
  const at = new Date().toISOString();
  appendEvent(files.events, { type: 'reply', at, run_id: files.runId, name });
}

/** Marks the gate done that the question came from; any other ticket is its agent's to finish. */
async function openGate(
  { workspace, question }: RunRecord,
  override: string | undefined,
): Promise<void> {
  const asking = question?.ticket ?? null;
  // A workspace that is gone is the trigger's to report.
  if (asking === null || !existsSync(workspace)) return;
  const found = resolveTicketsDirectory(workspace, override);
  if (found.kind === 'none') return;
  const { directory } = found;
  const queue = await loadQueue({ directory });
  const entry = queue.entries.find(({ fileName }) => isSameTicket(fileName, asking));
  if (entry?.kind !== 'ticket' || entry.ticket.agent !== USER_AGENT || entry.ticket.done) return;
  const file = readTicketFile(directory, entry.fileName);
  if (file.kind !== 'text') return;
  writeTicketFile(directory, entry.fileName, setDone(file.text, true), file.state);
}

/** A prompt run has no ticket that would carry the answer into a next turn. */
function promptWithAnswer({ files, record }: StoredRun): string {
  const { question, turns } = record;
  const answers = listReplies(files.replies).map(({ text }) => text.trim());
  const said = turns.at(-1)?.final_message ?? '';
  return [
    readFileSync(files.prompt(1), 'utf8').trimEnd(),
    `You have worked on this before and asked a person: ${question?.title ?? ''}`,
    question?.text ?? '',
    said === '' ? '' : `Your last message was:\n\n${said}`,
    `The person answers:\n\n${answers.join('\n\n')}`,
    'Look at what is there before you go on.',
  ]
    .filter((part) => part.trim() !== '')
    .join('\n\n');
}
