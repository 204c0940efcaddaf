const MAX_SUBJECT_CHARACTERS = 100;

export interface CommitMessageParts {
  readonly title: string;
  readonly id: string;
  readonly runId: string;
}

/** Subject and trailers of a ticket's commit. A title is the agent's text: it stays one line. */
export function commitMessage({ title, id, runId }: CommitMessageParts): string {
  const ticket = oneLine(id);
  const subject = oneLine(title);
  return `${subject === '' ? `Ticket ${ticket}` : subject}\n\nTicket: ${ticket}\nLooper-Run: ${oneLine(runId)}\n`;
}

function oneLine(text: string): string {
  // Cc: controls; Cf: invisible ones, some of which turn the reading direction; Zl, Zp: line ends.
  const line = text
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const characters = Array.from(line);
  if (characters.length <= MAX_SUBJECT_CHARACTERS) return line;
  return `${characters.slice(0, MAX_SUBJECT_CHARACTERS - 1).join('')}…`;
}
