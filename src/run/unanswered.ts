import { messageOf } from '../errors.ts';
import { hasOpenQuestion, type RunStore, type StoredRun } from '../runs/store.ts';
import { listMessages } from '../tickets/message-archive.ts';
import { takeMessage } from '../tickets/outbox.ts';
import { recentRuns } from './recent-runs.ts';

/**
 * What the last run of a workspace has asked and nobody answered, in sentences: for the warnings of
 * the next prompt. A question of a run that was cut off counts as well, and so does one that its
 * runner did not live to take from the outbox.
 */
export async function findUnanswered(store: RunStore, workspace: string): Promise<string[]> {
  const sentences: string[] = [];
  for (const run of recentRuns(store, workspace)) {
    const { record } = run;
    if (hasOpenQuestion(run)) {
      sentences.push(notAnswered(record.run_id, record.question?.title ?? ''));
    } else if (record.outcome !== 'waiting') {
      sentences.push(...(await cutOffQuestions(run)));
    }
    // What came before it, its own first prompt has named.
    if (record.turns.some(({ log_start, log_end }) => log_end === null || log_end > log_start))
      break;
  }
  return sentences;
}

async function cutOffQuestions({ files, record }: StoredRun): Promise<string[]> {
  const sentences = await takeRest({ files, record });
  const since = record.turns.at(-1)?.started_at ?? record.created_at;
  const asked = listMessages(files.messages).filter(
    ({ mode, taken_at }) => mode === 'pause' && taken_at >= since,
  );
  return [
    ...asked.map(({ title, text }) => notAnswered(record.run_id, `${title ?? ''} ${text}`.trim())),
    ...sentences,
  ];
}

/** Nobody writes in the outbox of a run that is over. Returns what could not be taken. */
async function takeRest({ files, record }: StoredRun): Promise<string[]> {
  const { workspace, run_id: runId } = record;
  try {
    for (;;) {
      const archiveDirectory = files.messages;
      const taken = await takeMessage({ workspace, runId, archiveDirectory, isAgentGone: true });
      if (taken.kind === 'refused')
        return [`A message of run ${runId} was not read: ${taken.why}.`];
      if (taken.kind !== 'taken') return [];
    }
  } catch (error) {
    return [`A message of run ${runId} was not read: ${messageOf(error)}.`];
  }
}

function notAnswered(runId: string, question: string): string {
  return `The question "${question.slice(0, 1000)}" of run ${runId} was not answered.`;
}
