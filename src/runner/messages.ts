import { messageOf } from '../errors.ts';
import type { RunQuestion } from '../runs/record.ts';
import { removeOutbox, takeMessage } from '../tickets/outbox.ts';
import type { RunWriter } from './run-writer.ts';

/** Often enough for a person, far too seldom to be felt. */
const LOOK_MS = 1_000;

/** What the agent tells and asks people during one run. */
export interface Messages {
  /** Takes what lies in the outbox now and then, while the agent works. */
  look(): void;
  /**
   * Once the agent is gone: takes the rest, and returns the question of this turn, if it asked
   * one. `ticket` is whom it concerns.
   */
  settle(ticket: string | null): Promise<RunQuestion | null>;
  /** The run is over: removes its outbox, unless something was left in it. */
  close(): void;
}

export function createMessages(writer: RunWriter): Messages {
  const { record, files } = writer;
  let question: Omit<RunQuestion, 'ticket'> | null = null;
  let lookedAt = performance.now();
  let looking: Promise<unknown> | null = null;
  let complaint: string | null = null;

  /** True when something was taken, so that there may be more. */
  const take = async (isAgentGone: boolean): Promise<boolean> => {
    const taken = await takeMessage({
      workspace: record.workspace,
      runId: record.run_id,
      archiveDirectory: files.messages,
      isAgentGone,
    });
    if (taken.kind === 'refused' && taken.why !== complaint) {
      complaint = taken.why;
      writer.event('warning', { message: taken.why });
    }
    if (taken.kind !== 'taken') return false;
    const { mode, text, number } = taken.message;
    const title = taken.message.title ?? firstLine(text);
    const details = { number, title, text, warnings: taken.message.warnings };
    writer.event(mode === 'pause' ? 'question' : 'message', details);
    if (mode !== 'pause') return true;
    // A turn that asks twice has one question for the person: both.
    question =
      question === null
        ? { title, text, asked_at: taken.message.taken_at }
        : { ...question, text: `${question.text}\n\n${title}\n${text}` };
    return true;
  };
  /** A full disk or a folder that is in the way costs the message's delivery, never the run. */
  const takeSafely = (isAgentGone: boolean): Promise<boolean> =>
    take(isAgentGone).catch((error: unknown) => {
      writer.event('warning', { message: `The outbox could not be read: ${messageOf(error)}` });
      return false;
    });

  return {
    look: () => {
      const now = performance.now();
      if (looking !== null || now - lookedAt < LOOK_MS) return;
      lookedAt = now;
      looking = takeSafely(false).finally(() => {
        looking = null;
      });
    },
    settle: async (ticket) => {
      await looking;
      while (await takeSafely(true));
      const asked = question;
      question = null;
      return asked === null ? null : { ...asked, ticket };
    },
    close: () => {
      try {
        removeOutbox(record.workspace, record.run_id);
      } catch (error) {
        writer.event('warning', { message: `The outbox was not removed: ${messageOf(error)}` });
      }
    },
  };
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0]?.trim() ?? '';
  return line === '' ? 'A question without a title' : line.slice(0, 200);
}
