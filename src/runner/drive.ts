import { messageOf } from '../errors.ts';
import type { RunEnd } from '../runs/end-file.ts';
import type { Outcome, RunQuestion, TurnRecord } from '../runs/record.ts';
import type { TurnContext } from './execute-turn.ts';
import { createJudge, type Verdict } from './judge.ts';
import { driveLoop } from './loop.ts';
import { createMessages, type Messages } from './messages.ts';
import { readWorkFingerprint } from './progress.ts';
import { endRun, recordTurnEnd, summarise } from './run-end.ts';
import type { TurnExit } from './turn.ts';

/** What the first turn came to, and what is needed to judge it. Loaded while it runs. */
export interface Drive {
  finish(turn: TurnRecord, exit: TurnExit): Promise<RunEnd>;
}

/** Made while the first agent works; from then on its messages are taken while it runs. */
export function createDrive(context: TurnContext): Drive {
  const messages = createMessages(context.writer);
  context.onLook = () => messages.look();
  return {
    finish: async (turn, exit) => {
      const { loop } = context.order;
      const end =
        loop === null
          ? await finishPrompt(context, messages, turn, exit)
          : await driveLoop(context, loop, messages, { turn, exit });
      messages.close();
      return end;
    },
  };
}

/** A prompt run has one turn; it ends as that did. */
async function finishPrompt(
  context: TurnContext,
  messages: Messages,
  turn: TurnRecord,
  exit: TurnExit,
): Promise<RunEnd> {
  const verdict = await createJudge(context.writer.files.log).judge(turn, exit);
  const question = await messages.settle(null);
  recordTurnEnd(context, verdict);
  const warnings = [...verdict.warnings];
  if (exit.survivors.length > 0) {
    warnings.push(`Processes of the turn survived SIGKILL: pids ${exit.survivors.join(', ')}.`);
  }
  return endRun(context, {
    ...promptEnd(verdict, question),
    question,
    resetsAt: verdict.resetsAt,
    summary: summarise(context, { warnings }),
    changed: await hasChanged(context),
  });
}

function promptEnd(
  { outcome, message }: Verdict,
  question: RunQuestion | null,
): { outcome: Outcome; reason: string } {
  const end = (as: Outcome) => ({ outcome: as, reason: message });
  if (outcome !== 'stopped' && question !== null) {
    return { outcome: 'waiting', reason: question.title };
  }
  switch (outcome) {
    case 'finished':
      return end('succeeded');
    case 'stopped':
    case 'stalled':
    case 'timed_out':
    case 'usage_limited':
    case 'spawn_failed':
      return end(outcome);
    case 'sandbox_unusable':
      return end('waiting');
    case 'log_limit':
      return end('limit_reached');
    default:
      return end('failed');
  }
}

async function hasChanged({ order, writer }: TurnContext): Promise<boolean | null> {
  if (order.watchedWork === null) return null;
  const { repository, fingerprint } = order.watchedWork;
  const { workspace } = writer.record;
  const work = { workspace, repository, scratch: order.scratch };
  try {
    const now = await readWorkFingerprint({ ...work, ticketsDirectory: null, ticketFile: null });
    return now === null ? null : now !== fingerprint;
  } catch (error) {
    writer.event('warning', { message: `What changed is unknown: ${messageOf(error)}` });
    return null;
  }
}
