import type { AnnouncementKind } from '../notify/index.ts';
import type { Outcome, RunRecord } from '../runs/record.ts';

const SHOWN_NAMES = 5;
const SHORT_COMMIT = 10;

/** The kind of announcement that an end is. */
export function kindOf(outcome: Outcome): AnnouncementKind {
  switch (outcome) {
    case 'waiting':
      return 'question';
    case 'usage_limited':
      return 'usage_limited';
    case 'succeeded':
    case 'stopped':
    case 'shutdown':
    case 'replaced':
      return 'end';
    default:
      return 'failed';
  }
}

/**
 * What ended, how, and what to do, in the first line, which no channel cuts off; then what came of
 * it. `goesOnByItself`: the idle timer will start a run once the usage limit has ended.
 */
export function describeEnd(record: RunRecord, goesOnByItself: boolean): string {
  const { run_id, mode, outcome, reason, question, summary } = record;
  const isWaiting = question != null && outcome === 'waiting';
  const next = isWaiting ? `Answer: looper reply ${run_id} "…"` : `Look: looper logs ${run_id}`;
  return [
    `Run ${run_id} (${mode}): ${outcome?.replaceAll('_', ' ')}${durationOf(record)}. ${next}`,
    ...(isWaiting ? [`It asks: ${joinTitle(question.title, question.text)}`] : []),
    ...(!isWaiting && reason !== null && reason !== '' ? [reason] : []),
    ...(outcome === 'usage_limited'
      ? [describeLimit(record.resets_at ?? null, goesOnByItself)]
      : []),
    ...factsOf(record),
    ...(summary?.warnings ?? []).map((warning) => `Warning: ${warning}`),
  ].join('\n');
}

/** What the agent tells while it works. */
export function describeMessage(runId: string, title: string, text: string): string {
  return `Run ${runId}: ${joinTitle(title, text)}`;
}

/** The same as `describeEnd` for programs; the question itself is in the text. */
export function endFacts({ outcome, reason, resets_at, question, summary }: RunRecord): object {
  return {
    outcome,
    reason,
    resets_at: resets_at ?? null,
    question: question == null ? null : { ticket: question.ticket, title: question.title },
    summary: summary ?? null,
  };
}

/** Where an agent gave no title, the first line of its text stands in for one. */
function joinTitle(title: string, text: string): string {
  const body = text.trim();
  return body === '' || body.startsWith(title) ? body || title : `${title}\n${body}`;
}

function describeLimit(resetsAt: string | null, goesOnByItself: boolean): string {
  const end =
    resetsAt === null
      ? 'The provider does not say when the limit ends.'
      : `The limit ends at ${resetsAt.slice(0, 16).replace('T', ' ')} UTC.`;
  if (!goesOnByItself) return `${end} Trigger a run after that.`;
  return resetsAt === null ? `${end} Looper tries again later.` : `${end} Looper goes on then.`;
}

function factsOf({ mode, summary }: RunRecord): string[] {
  if (summary == null) return [];
  const { tickets_done, tickets_left, commits, turns, usage } = summary;
  const short = commits.map((commit) => commit.slice(0, SHORT_COMMIT));
  const facts = [
    ...(mode === 'tickets'
      ? [`tickets done: ${countOf(tickets_done)}`, `left: ${tickets_left}`]
      : []),
    ...(commits.length > 0 ? [`commits: ${countOf(short)}`] : []),
    `turns: ${turns}`,
    `tokens: ${usage.input_tokens + usage.output_tokens}`,
  ];
  return [`${facts.join(', ')}.`];
}

/** `2 (TICKET-001.md, TICKET-002.md)` */
function countOf(names: readonly string[]): string {
  if (names.length === 0) return '0';
  const shown = names.slice(0, SHOWN_NAMES).join(', ');
  return `${names.length} (${shown}${names.length > SHOWN_NAMES ? ', …' : ''})`;
}

function durationOf({ started_at, finished_at, summary }: RunRecord): string {
  if (started_at === null || finished_at === null) return '';
  const betweenMs = Math.max(0, Date.parse(finished_at) - Date.parse(started_at));
  // The runner's own clock, which nobody sets, where it lived to say it.
  const seconds = summary?.duration_seconds ?? betweenMs / 1000;
  if (seconds < 90) return ` after ${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? ` after ${minutes} min` : ` after ${(minutes / 60).toFixed(1)} h`;
}
