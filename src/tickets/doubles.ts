import { printable } from './text.ts';
import { defaultTicketId } from './ticket.ts';
import type { Problem } from './ticket.ts';

export interface Identified {
  readonly fileName: string;
  readonly number: number;
  /** null when the ticket could not be read. */
  readonly id: string | null;
}

const MAX_NAMED = 5;

/** The problems, by file name, of tickets that share their number or their id with another. */
export function findDoubles(
  tickets: readonly Identified[],
): ReadonlyMap<string, readonly Problem[]> {
  const highest = tickets.reduce((max, { number }) => Math.max(max, number), 0);
  const problems = new Map<string, Problem[]>();
  const check = (
    what: string,
    instead: string,
    keyOf: (ticket: Identified) => string | number | null,
  ): void => {
    const groups = new Map<string | number, string[]>();
    for (const ticket of tickets) {
      const key = keyOf(ticket);
      if (key === null) continue;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [ticket.fileName]);
      else group.push(ticket.fileName);
    }
    for (const [key, group] of groups) {
      if (group.length < 2) continue;
      const some = group.slice(0, MAX_NAMED + 1);
      for (const fileName of group) {
        const others = some.filter((name) => name !== fileName).slice(0, MAX_NAMED);
        const message = `${what} ${key} is also that of ${others.map(printable).join(', ')}`;
        const known = problems.get(fileName);
        if (known === undefined) problems.set(fileName, [{ line: null, message, instead }]);
        else known.push({ line: null, message, instead });
      }
    }
  };
  check(
    'number',
    `rename one of them, e.g. to ${defaultTicketId(highest + 1)}.md`,
    ({ number }) => number,
  );
  check('ticket_id', 'give one of them another ticket_id, or remove it', ({ id }) => id);
  return problems;
}
