import { inertLine } from '../render/inert.ts';
import type { FollowedItem } from '../runs/follow.ts';
import type { RunRecord, Usage } from '../runs/record.ts';
import { formatCount } from '../render/count.ts';
import { formatDuration, totalUsage, type Paint } from './format.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 120;
/** Less is not worth mentioning: an agent thinks for seconds. */
const QUIET_MS = 5_000;

/** What the live line tells, as far as it is known. */
export interface Progress {
  note(item: FollowedItem): void;
  /** One line, cut to the width of the terminal. */
  line(now: number, columns: number): string;
}

/** `hint` ends the line: what Ctrl-C does. `now`: milliseconds since the epoch. */
export function createProgress(
  record: RunRecord,
  options: { readonly paint: Paint; readonly hint: string },
): Progress {
  const { paint, hint } = options;
  const startedAt = Date.parse(record.started_at ?? record.created_at);
  let { status } = record;
  let turn = record.turns.length;
  let ticket = record.turns.at(-1)?.ticket ?? null;
  let tokens = countOf(totalUsage(record));
  let outputAt = Date.now();

  return {
    note: (item) => {
      outputAt = Date.now();
      if (item.kind === 'log') return;
      const { event } = item;
      if (event.type === 'started') status = 'running';
      if (event.type === 'stopping') status = 'stopping';
      if (event.type === 'turn_started' && typeof event['turn'] === 'number') {
        turn = event['turn'];
        ticket = typeof event['ticket'] === 'string' ? event['ticket'] : null;
      }
      if (event.type === 'turn_ended') tokens += countOf(event['usage']);
    },
    line: (now, columns) => {
      const frame = FRAMES[Math.floor(now / FRAME_MS) % FRAMES.length] ?? '';
      const quietMs = now - outputAt;
      const facts = [
        status === 'running' ? '' : status,
        turn === 0 ? '' : `turn ${turn}`,
        ticket === null ? '' : inertLine(ticketName(ticket)),
        formatDuration(now - startedAt),
        quietMs < QUIET_MS ? '' : `quiet for ${formatDuration(quietMs)}`,
        tokens === 0 ? '' : `${formatCount(tokens)} tokens`,
        hint,
      ].filter((fact) => fact !== '');
      const text = facts.join(' · ');
      // One column stays free: a full last column makes some terminals go to the next line.
      const room = Math.max(0, columns - 3);
      const shown = text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;
      return `${paint(frame, 'cyan')} ${paint(shown, 'dim')}`;
    },
  };
}

/** `.looper/tickets/TICKET-002-tests.md` → `TICKET-002-tests` */
export function ticketName(ticket: string): string {
  return ticket.slice(ticket.lastIndexOf('/') + 1).replace(/\.md$/i, '');
}

/** Of an event's `usage`, too, which is whatever its line says. */
function countOf(usage: unknown): number {
  const { input_tokens: read, output_tokens: written } = (usage ?? {}) as Partial<Usage>;
  return (Number(read) || 0) + (Number(written) || 0);
}
