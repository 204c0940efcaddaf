import { inert, inertLine } from '../render/inert.ts';
import type { RunRecord } from '../runs/record.ts';
import {
  formatDuration,
  formatTime,
  formatTokens,
  paintOutcome,
  plural,
  totalUsage,
} from './format.ts';
import type { Paint } from './format.ts';
import { ticketName } from './progress-line.ts';

const NAME_WIDTH = 9;
const SHOWN_COMMIT = 12;
const MAX_WARNINGS = 5;

/** How a run ended, for the person who watched it, and what to do where it waits for one. */
export function summariseRun(record: RunRecord, paint: Paint, now: number): string[] {
  const { run_id: runId, outcome, reason, question, summary, resets_at: resetsAt } = record;
  const usage = totalUsage(record);
  const facts = [
    `in ${formatDuration(spentMs(record, now))}`,
    ...(record.turns.length > 0 ? [plural(record.turns.length, 'turn')] : []),
    ...(usage === null ? [] : [`tokens ${formatTokens(usage)}`]),
  ];
  const done = summary?.tickets_done ?? [];
  const warnings = summary?.warnings ?? [];
  const row = (name: string, text: string): string =>
    `  ${paint(name.padEnd(NAME_WIDTH), 'dim')}${text}`;
  const about = `· run ${runId} · ${facts.join(' · ')}`;
  return [
    `${paintOutcome(outcome, paint)} ${paint(about, 'dim')}`,
    ...(reason === null || reason === '' ? [] : [`  ${inertLine(reason)}`]),
    ...(outcome === 'waiting' ? questionText(record) : []),
    ...(done.length === 0 ? [] : [row('done', done.map(ticketName).map(inertLine).join(', '))]),
    ...(summary?.tickets_left ? [row('left', plural(summary.tickets_left, 'ticket'))] : []),
    ...(summary?.commits.length
      ? [row('commits', summary.commits.map(shortCommit).join(' '))]
      : []),
    ...warnings.slice(0, MAX_WARNINGS).map((warning) => row('warning', inertLine(warning))),
    ...(warnings.length > MAX_WARNINGS ? [row('', `${warnings.length - MAX_WARNINGS} more`)] : []),
    ...(outcome === 'usage_limited' && resetsAt != null
      ? [row('until', formatTime(resetsAt, now))]
      : []),
    ...(outcome === 'waiting' && question != null ? [row('answer', answerCommand(runId))] : []),
  ];
}

/** What a run asks beyond its reason, which is often the title already. */
export function questionText({ question, reason }: RunRecord): string[] {
  if (question == null) return [];
  const text = inert(question.text).trim();
  return [
    ...(question.title === reason ? [] : [`  ${inertLine(question.title)}`]),
    ...(text === '' ? [] : text.split('\n').map((line) => `    ${line}`)),
  ];
}

export function answerCommand(runId: string): string {
  return `looper reply ${runId} "…"`;
}

export function spentMs({ started_at, created_at, finished_at }: RunRecord, now: number): number {
  const end = finished_at === null ? now : Date.parse(finished_at);
  return end - Date.parse(started_at ?? created_at);
}

function shortCommit(commit: string): string {
  return inertLine(commit).slice(0, SHOWN_COMMIT);
}
