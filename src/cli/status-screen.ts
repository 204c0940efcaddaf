import { inertLine } from '../render/inert.ts';
import type { RunRecord } from '../runs/record.ts';
import { formatDuration, formatTime, formatTokens, paintOutcome, totalUsage } from './format.ts';
import type { Paint } from './format.ts';
import { ticketName } from './progress-line.ts';
import { answerCommand, questionText, spentMs } from './run-summary.ts';
import type { Autopoll, Status, Tickets } from './status.ts';

const NAME_WIDTH = 10;
/** On a narrower screen lines wrap, rather than say nothing. */
const MIN_COLUMNS = 40;

export interface Screen {
  readonly paint: Paint;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What is longer is cut; `Infinity` where nobody looks at a screen. */
  readonly columns: number;
}

/** The screen of `looper status`: the state in one line, then what there is to know about it. */
export function renderStatus(status: Status, screen: Screen): string[] {
  const { paint, now, columns } = screen;
  const { active, queued, last, asking, tickets, autopoll } = status;
  const room = Math.max(columns, MIN_COLUMNS) - NAME_WIDTH - 3;
  const row = (name: string, text: string): string =>
    `  ${paint(name.padEnd(NAME_WIDTH), 'dim')}${text}`;
  const rows: string[] = [];
  const add = (name: string, text: string | null): void => {
    if (text !== null && text !== '') rows.push(row(name, cut(text, room)));
  };

  if (active !== null) {
    add('workspace', inertLine(active.workspace));
    add('ticket', describeTicket(active, tickets));
    add('turn', describeTurn(active, now));
    add('output', describeOutput(status.last_output, now));
    const usage = totalUsage(active);
    add('tokens', usage === null ? null : formatTokens(usage));
  }
  if (queued !== null)
    add('next run', `${queued.run_id} (${inertLine(queued.trigger)}) waits for its turn`);
  add('queue', describeQueue(tickets));
  // While something runs, the reason is that, or one of a look before it.
  const idleTimer = describeAutopoll(autopoll, now).slice(0, active === null ? undefined : 1);
  for (const [index, line] of idleTimer.entries()) {
    rows.push(row(index === 0 ? 'autopoll' : '', line));
  }
  if (last !== null && last !== asking)
    rows.push(row('last run', describeLast(last, screen, room)));
  const question =
    asking === null
      ? []
      : [
          '',
          paint(`? run ${asking.run_id} waits for you`, 'yellow', 'bold'),
          `  ${inertLine(asking.reason ?? '')}`,
          ...questionText(asking),
          row('answer', answerCommand(asking.run_id)),
        ];
  return [headline(active, paint, now), ...rows, ...question];
}

function headline(active: RunRecord | null, paint: Paint, now: number): string {
  if (active === null) return `${paint('○', 'dim')} ${paint('idle', 'bold')}`;
  const { status, run_id: runId, trigger, mode } = active;
  const about = `run ${runId} · ${mode} · by ${inertLine(trigger)} · ${formatDuration(spentMs(active, now))}`;
  return `${paint('●', 'green')} ${paint(status, 'bold')} ${paint(`· ${about}`, 'dim')}`;
}

function describeTicket(active: RunRecord, tickets: Tickets | null): string | null {
  const ticket = active.turns.at(-1)?.ticket ?? null;
  if (ticket === null) return null;
  const listed = tickets?.tickets.find(({ file }) => ticket.endsWith(`/${file}`));
  const title = listed === undefined ? '' : ` — ${inertLine(listed.title)}`;
  return `${inertLine(ticketName(ticket))}${title}`;
}

function describeTurn({ turns }: RunRecord, now: number): string | null {
  const turn = turns.at(-1);
  if (turn === undefined) return null;
  const end = turn.finished_at === null ? now : Date.parse(turn.finished_at);
  return `${turns.length}, for ${formatDuration(end - Date.parse(turn.started_at))}`;
}

function describeOutput(output: Status['last_output'], now: number): string | null {
  if (output === null) return null;
  const age = output.at === null ? '' : `${formatDuration(now - Date.parse(output.at))} ago`;
  const text = output.text === null ? '' : inertLine(output.text);
  return [age, text].filter((part) => part !== '').join(': ');
}

function describeQueue(queue: Tickets | null): string | null {
  if (queue === null || queue.tickets.length === 0) return null;
  const open = queue.tickets.filter(({ state }) => state !== 'done');
  const next = open.find(({ state }) => state !== 'active');
  const done = `${queue.tickets.length - open.length} of ${queue.tickets.length} done`;
  if (next === undefined) return done;
  const how = { waiting: ' (waits for a person)', bad: ' (broken: looper tickets lint)' };
  const why = next.state === 'waiting' || next.state === 'bad' ? how[next.state] : '';
  const title = next.title === next.id ? '' : ` — ${inertLine(next.title)}`;
  return `${done}; next ${inertLine(ticketName(next.file))}${why}${title}`;
}

/** When it looks next, and why it starts nothing now. */
export function describeAutopoll(autopoll: Autopoll | null, now: number): string[] {
  if (autopoll === null) return ['no service, so nothing starts by itself'];
  if (!autopoll.enabled) return ['off (LOOPER_AUTO_START_WHEN_IDLE=0)'];
  if (autopoll.paused) return ['paused; "looper autopoll resume" lets it go on'];
  const { next_tick_at: next, waiting, cron, interval_seconds: seconds } = autopoll;
  const every = cron === null ? `every ${formatDuration((seconds ?? 0) * 1000)}` : cron;
  const inMs = next === null ? 0 : Date.parse(next) - now;
  const when =
    next === null ? '' : `, looks at ${formatTime(next, now)} (in ${formatDuration(inMs)})`;
  const why = waiting === null ? [] : [`waits: ${inertLine(waiting.detail)}`];
  return [`${every}${when}`, ...why];
}

function describeLast(last: RunRecord, { paint, now }: Screen, room: number): string {
  const { outcome, reason, finished_at: finished, run_id: runId } = last;
  const ago = finished === null ? '' : `, ${formatDuration(now - Date.parse(finished))} ago`;
  const about = `(${runId}${ago})`;
  const left = room - `${outcome ?? ''} ${about}: `.length;
  const why = reason === null || reason === '' ? '' : `: ${cut(inertLine(reason), left)}`;
  return `${paintOutcome(outcome, paint)} ${paint(about, 'dim')}${why}`;
}

function cut(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;
}
