import { readTicketContext } from '../tickets/context.ts';
import { firstOpen, type Queue } from '../tickets/queue.ts';
import type { Selection } from '../tickets/steps.ts';
import { printable } from '../tickets/text.ts';
import { CODEX_AGENT, USER_AGENT, type Problem } from '../tickets/ticket.ts';

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
    return blocked(`${file} waits for a person: ${title}`, goal ?? 'Answer, or set it to done.');
  }
  if (agent !== CODEX_AGENT) {
    const advice =
      'Looper runs "codex" and waits for "user"; name one of them in its front matter.';
    return blocked(`${file} asks for the agent "${agent}"`, advice);
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
