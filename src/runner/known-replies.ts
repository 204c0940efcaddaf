import { basename } from 'node:path';
import type { TurnRecord } from '../runs/record.ts';
import { parseTicketName } from '../tickets/ticket.ts';
import type { KnownReply } from './order.ts';

/** The answers that a turn's prompt has to carry: for this ticket, and new to its thread. */
export function repliesFor(
  replies: readonly KnownReply[],
  ticketFile: string,
  threadId: string | null,
): KnownReply[] {
  return replies.filter(({ ticket, shownIn }) => {
    const isForIt = ticket === null || isSameTicket(ticket, ticketFile);
    return isForIt && (threadId === null || !shownIn.includes(threadId));
  });
}

/**
 * The same replies after a turn whose prompt has arrived. An answer for whichever ticket works next
 * is that ticket's from now on.
 */
export function withShown(
  replies: readonly KnownReply[],
  turn: Pick<TurnRecord, 'ticket' | 'thread_id' | 'replies'>,
): KnownReply[] {
  const { ticket, thread_id: thread } = turn;
  return replies.map((reply) => {
    if (thread === null || ticket === null || !turn.replies?.includes(reply.name)) return reply;
    return {
      ...reply,
      ticket: reply.ticket ?? basename(ticket),
      shownIn: [...reply.shownIn, thread],
    };
  });
}

/** A new slug does not make it another ticket. */
export function isSameTicket(a: string, b: string): boolean {
  const number = parseTicketName(a)?.number;
  return a === b || (number !== undefined && number === parseTicketName(b)?.number);
}
