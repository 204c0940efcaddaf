import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { CommitPolicy } from '../tickets/instructions.ts';
import { readTicketContext, readWorkspaceDocuments } from '../tickets/context.ts';
import { outboxPath } from '../tickets/outbox.ts';
import { buildPrompt, type NamedText } from '../tickets/prompt.ts';
import { firstOpen, nextNumber, type Queue, type QueueEntry } from '../tickets/queue.ts';
import {
  MAX_COMMIT_REQUESTS,
  MAX_REPAIRS,
  type LoopState,
  type PromptKind,
  type Selection,
} from '../tickets/steps.ts';
import { CODEX_AGENT, USER_AGENT, type Problem } from '../tickets/ticket.ts';
import { printable } from '../tickets/text.ts';
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
  readonly uncommitted: readonly string[];
}

export interface ComposedTurn {
  readonly plan: TurnPlan;
  readonly prompt: string;
}

/** The next turn's prompt and what to execute it with. Reads the ticket and its context now. */
export function composeTurn(facts: TurnFacts): ComposedTurn {
  const { entry, state, workspace, loop } = facts;
  const ticket = entry.kind === 'ticket' ? entry.ticket : null;
  const context = readTicketContext(workspace, ticket?.context ?? []);
  const documents = readWorkspaceDocuments(workspace, loop);
  const replies = repliesFor(facts);
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
    warnings: [...facts.warnings, ...context.warnings, ...documents.warnings],
    replies: replies.map(({ name, text }) => ({ name, text })),
  };
  const opening = (kind: 'first' | 'fresh') =>
    buildPrompt({
      ...base,
      kind,
      ticketText: readFileSync(join(loop.ticketsDirectory, entry.fileName), 'utf8'),
      context: context.files.map(named),
      documents: documents.documents.map(named),
      previousOutput: facts.previousOutput,
      nextNumber: nextNumber(facts.queue),
    });
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

/** Whose turn it is, and whether an agent turn can move it. */
export function selectTicket(queue: Queue, workspace: string): Selection {
  const entry = firstOpen(queue);
  if (entry === null) return { kind: 'none' };
  const file = printable(entry.fileName);
  const blocked = (title: string, text: string): Selection => ({
    kind: 'blocked',
    question: { ticket: entry.fileName, title, text, asked_at: new Date().toISOString() },
  });
  if (entry.kind === 'bad') {
    return blocked(`${file} cannot be read as a ticket`, describeProblems(entry.problems));
  }
  const { agent, title, goal, context } = entry.ticket;
  if (agent === USER_AGENT) {
    return blocked(`${file} waits for a person: ${title}`, goal ?? 'Set it to done to go on.');
  }
  if (agent !== CODEX_AGENT) {
    return blocked(`${file} asks for the agent "${agent}"`, `Looper runs "codex" and "user" only.`);
  }
  const { problems } = readTicketContext(workspace, context);
  if (problems.length > 0) return blocked(`${file} needs a file`, describeProblems(problems));
  return { kind: 'ticket', ticket: entry.fileName };
}

export function describeProblems(problems: readonly Problem[]): string {
  return problems
    .map(
      ({ line, message, instead }) =>
        `${line === null ? '' : `line ${line}: `}${message}; instead: ${instead}`,
    )
    .join('\n');
}

/** Answers about this ticket that its thread has not seen; a new thread has seen none. */
function repliesFor({ replies, entry, state }: TurnFacts): KnownReply[] {
  return replies.filter((reply) => {
    if (reply.ticket === null) return reply.shownIn.length === 0;
    if (reply.ticket !== entry.fileName) return false;
    return state.threadId === null || !reply.shownIn.includes(state.threadId);
  });
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
