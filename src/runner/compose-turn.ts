import { join, relative } from 'node:path';
import { readTicketContext, readWorkspaceDocuments } from '../tickets/context.ts';
import type { CommitPolicy } from '../tickets/instructions.ts';
import { outboxPath } from '../tickets/outbox.ts';
import { buildPrompt, type NamedText } from '../tickets/prompt.ts';
import { nextNumber, type Queue, type QueueEntry } from '../tickets/queue.ts';
import {
  MAX_COMMIT_REQUESTS,
  MAX_REPAIRS,
  type LoopState,
  type PromptKind,
} from '../tickets/steps.ts';
import { printable } from '../tickets/text.ts';
import { readTicketFile } from '../tickets/ticket-file.ts';
import { repliesFor } from './known-replies.ts';
import type { KnownReply, LoopOrder, RunLimits, TurnPlan } from './order.ts';

/** All that a turn's prompt is made of, beside the files of the workspace. */
export interface TurnFacts {
  readonly runId: string;
  readonly workspace: string;
  readonly sandbox: 'read-only' | 'workspace-write' | 'danger-full-access';
  readonly hasNetwork: boolean;
  readonly limits: Pick<RunLimits, 'maxTurns' | 'maxTurnsPerTicket'>;
  readonly loop: Pick<LoopOrder, 'ticketsDirectory' | 'isCarPack' | 'commit' | 'repository'>;
  readonly replies: readonly KnownReply[];
  readonly queue: Queue;
  readonly state: LoopState;
  readonly prompt: PromptKind;
  readonly entry: QueueEntry;
  readonly warnings: readonly string[];
  /** The final message of the ticket's last turn. */
  readonly previousOutput: string | null;
  /** The ticket before it in this run, with its final message. */
  readonly previousTicket: { readonly id: string; readonly text: string } | null;
  readonly uncommitted: readonly string[];
}

export interface ComposedTurn {
  readonly plan: TurnPlan;
  readonly prompt: string;
}

/**
 * The next turn's prompt and what to execute it with. Reads the ticket and its context now; null
 * when the ticket's file is no longer what the queue has seen.
 */
export function composeTurn(facts: TurnFacts): ComposedTurn | null {
  const { entry, state, workspace, loop } = facts;
  const file = readTicketFile(loop.ticketsDirectory, entry.fileName);
  if (file.kind === 'gone' || (file.kind === 'bad' && facts.prompt !== 'repair')) return null;
  const ticket = entry.kind === 'ticket' ? entry.ticket : null;
  const replies = repliesFor(facts.replies, entry.fileName, state.threadId);
  const base = {
    runId: facts.runId,
    workspace,
    ticketsDirectory: shownDirectory(workspace, loop.ticketsDirectory),
    outbox: outboxPath(facts.runId),
    sandbox: facts.sandbox,
    hasNetwork: facts.hasNetwork,
    commit: policyOf(loop),
    ticket: {
      fileName: printable(entry.fileName),
      id: ticket?.id ?? printable(entry.fileName),
      title: ticket?.title ?? '',
    },
    turn: {
      number: state.runTurns + 1,
      max: facts.limits.maxTurns,
      ofTicket: state.ticketTurns + 1,
      maxOfTicket: facts.limits.maxTurnsPerTicket,
    },
    warnings: facts.warnings,
    replies: replies.map(({ name, text }) => ({ name, text })),
  };
  const opening = (kind: 'first' | 'fresh'): string => {
    const context = readTicketContext(workspace, ticket?.context ?? []);
    const documents = readWorkspaceDocuments(workspace, loop);
    return buildPrompt({
      ...base,
      kind,
      warnings: [...facts.warnings, ...context.warnings, ...documents.warnings],
      ticketText: file.kind === 'text' ? file.text : '',
      context: context.files.map(named),
      documents: documents.documents.map(named),
      previousTicket: facts.previousTicket,
      previousOutput: facts.previousOutput,
      nextNumber: nextNumber(facts.queue),
    });
  };
  return {
    plan: {
      ticket: relative(workspace, join(loop.ticketsDirectory, entry.fileName)),
      model: ticket?.model ?? null,
      reasoning: ticket?.reasoning ?? null,
      resumeThreadId: state.threadId,
      replies: replies.map(({ name }) => name),
    },
    prompt: text(),
  };

  function text(): string {
    switch (facts.prompt) {
      case 'first':
        return opening('first');
      case 'again':
        return opening('fresh');
      case 'continue':
        return buildPrompt({ ...base, kind: 'continue' });
      case 'repair':
        return buildPrompt({
          ...base,
          kind: 'repair',
          problems: entry.kind === 'bad' ? entry.problems : [],
          attempt: state.repairs,
          maxAttempts: MAX_REPAIRS,
        });
      case 'commit':
        return buildPrompt({
          ...base,
          kind: 'commit',
          paths: facts.uncommitted,
          attempt: state.commitRequests,
          maxAttempts: MAX_COMMIT_REQUESTS,
        });
    }
    return facts.prompt satisfies never;
  }
}

function policyOf({ commit, repository }: TurnFacts['loop']): CommitPolicy {
  return repository === null && commit !== 'off' ? 'no_repository' : commit;
}

/** As the agent names it: relative to the workspace where it lies inside. */
function shownDirectory(workspace: string, directory: string): string {
  const way = relative(workspace, directory);
  return way.startsWith('..') ? directory : way;
}

function named({
  path,
  text,
  truncated,
}: {
  path: string;
  text: string;
  truncated: boolean;
}): NamedText {
  return { name: truncated ? `${path} (the beginning)` : path, text };
}
