import { html } from 'hono/html';
import { formatCount } from '../render/count.ts';
import { inertLine } from '../render/inert.ts';
import type { Outcome, RunRecord, TurnRecord } from '../runs/record.ts';
import type { TicketState } from '../run/ticket-list.ts';

/** A piece of a page. Strings that are put into one are escaped. */
export type Html = ReturnType<typeof html>;

const MAX_TITLE_CHARS = 160;

/** A title on one line, which does nothing but show itself, cut where it is endless. */
export function title(text: string): string {
  const line = inertLine(text.slice(0, MAX_TITLE_CHARS * 8));
  return line.length <= MAX_TITLE_CHARS ? line : `${line.slice(0, MAX_TITLE_CHARS - 1)}…`;
}

/** `4 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ] as const;
  const first = units.findIndex(([size]) => seconds >= size);
  if (first === -1) return '0 s';
  const parts = units.slice(first, first + 2).map(([size, name], place) => {
    const above = place === 0 ? Infinity : (units[first]?.[0] ?? Infinity);
    return [Math.floor((seconds % above) / size), name] as const;
  });
  return parts
    .filter(([count], place) => place === 0 || count > 0)
    .map(([count, name]) => `${count} ${name}`)
    .join(' ');
}

/** Tokens read and written by all turns; '' where none has told yet. */
export function tokens({
  turns,
}: {
  readonly turns: readonly Pick<TurnRecord, 'usage'>[];
}): string {
  const told = turns.flatMap(({ usage }) => usage ?? []);
  if (told.length === 0) return '';
  const read = told.reduce((sum, usage) => sum + usage.input_tokens, 0);
  const written = told.reduce((sum, usage) => sum + usage.output_tokens, 0);
  return `${formatCount(read)} in, ${formatCount(written)} out`;
}

/** The time in UTC; the page's script shows it in the reader's own. */
export function time(iso: string): Html {
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}

/** The time since then, which the page's script keeps right. */
export function since(iso: string, now: number): Html {
  return html`<span data-since="${iso}">${duration(now - Date.parse(iso))}</span>`;
}

/** How long a run took; '' where it has not begun or not ended. */
export function tookOf({ started_at, finished_at }: RunRecord): string {
  if (started_at === null || finished_at === null) return '';
  return duration(Date.parse(finished_at) - Date.parse(started_at));
}

/** Whether a person should worry: `bad` has failed, `open` wants something, `calm` is over. */
export type Mood = 'good' | 'open' | 'bad' | 'calm' | 'busy';

export function moodOf(outcome: Outcome | null): Mood {
  switch (outcome) {
    case 'succeeded':
      return 'good';
    case 'waiting':
    case 'usage_limited':
      return 'open';
    case 'stopped':
    case 'shutdown':
    case 'replaced':
      return 'calm';
    case null:
      return 'busy';
    default:
      return 'bad';
  }
}

export const TICKET_MOODS: Readonly<Record<TicketState, Mood>> = {
  done: 'good',
  active: 'busy',
  waiting: 'open',
  open: 'calm',
  bad: 'bad',
};

/** A word in a coloured pill. The colour says nothing that the word does not. */
export function badge(mood: Mood, word: string): Html {
  return html`<span class="badge ${mood}">${word.replaceAll('_', ' ')}</span>`;
}

export function plural(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
