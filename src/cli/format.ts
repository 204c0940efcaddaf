import { formatCount } from '../render/count.ts';
import type { Outcome, RunRecord, Usage } from '../runs/record.ts';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
export type Paint = (text: string, ...styles: Style[]) => string;

const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  cyan: 36,
};

export function createPaint(colours: boolean): Paint {
  if (!colours) return (text) => text;
  return (text, ...styles) =>
    text === ''
      ? ''
      : `${styles.map((style) => `\u001b[${CODES[style]}m`).join('')}${text}\u001b[0m`;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `4s`, `3m 12s`, `2h 5m`, `3d`; the two largest units. */
export function formatDuration(ms: number): string {
  const rest = Math.max(0, ms);
  if (rest < MINUTE_MS) return `${Math.floor(rest / SECOND_MS)}s`;
  const [large, largeName, small, smallName] =
    rest < HOUR_MS
      ? [MINUTE_MS, 'm', SECOND_MS, 's']
      : rest < DAY_MS
        ? [HOUR_MS, 'h', MINUTE_MS, 'm']
        : [DAY_MS, 'd', HOUR_MS, 'h'];
  const behind = Math.floor((rest % large) / small);
  return `${Math.floor(rest / large)}${largeName}${behind === 0 ? '' : ` ${behind}${smallName}`}`;
}

export function formatTokens(usage: Usage): string {
  const cached = usage.cached_input_tokens > 0;
  const behind = cached ? ` (${formatCount(usage.cached_input_tokens)} cached)` : '';
  return `${formatCount(usage.input_tokens)} in${behind}, ${formatCount(usage.output_tokens)} out`;
}

/** Local time of day, with the date when it is another day. */
export function formatTime(iso: string, now: number): string {
  const at = new Date(iso);
  const pad = (part: number): string => String(part).padStart(2, '0');
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  if (at.toDateString() === new Date(now).toDateString()) return time;
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`;
}

/** Null where no turn has told yet. */
export function totalUsage({ turns }: Pick<RunRecord, 'turns'>): Usage | null {
  const told = turns.flatMap(({ usage }) => usage ?? []);
  const [first, ...others] = told;
  if (first === undefined) return null;
  return others.reduce(
    (sum, usage) => ({
      input_tokens: sum.input_tokens + usage.input_tokens,
      cached_input_tokens: sum.cached_input_tokens + usage.cached_input_tokens,
      output_tokens: sum.output_tokens + usage.output_tokens,
      reasoning_output_tokens: sum.reasoning_output_tokens + usage.reasoning_output_tokens,
    }),
    first,
  );
}

/** Whether a person should worry: `bad` has failed, `open` wants something of them. */
export function moodOf(outcome: Outcome | null): 'good' | 'open' | 'bad' {
  switch (outcome) {
    case 'succeeded':
      return 'good';
    case 'waiting':
    case 'stopped':
    case 'shutdown':
    case 'replaced':
    case 'usage_limited':
    case null:
      return 'open';
    default:
      return 'bad';
  }
}

const MOOD_STYLES = { good: 'green', open: 'yellow', bad: 'red' } as const;

export function paintOutcome(outcome: Outcome | null, paint: Paint): string {
  return paint(outcome ?? 'unfinished', MOOD_STYLES[moodOf(outcome)], 'bold');
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
