import type { AutopollStatus } from '../autopoll.ts';
import type { RunRecord } from '../runs/record.ts';

const MAX_QUESTION = 1_500;

/** Where things stand, in a few lines for people. */
export function describeStatus({
  active,
  recent,
  asking,
  autopoll,
}: {
  readonly active: RunRecord | null;
  /** Newest first. */
  readonly recent: readonly RunRecord[];
  readonly asking: RunRecord | null;
  readonly autopoll: AutopollStatus;
}): string {
  const queued = recent.find(({ status }) => status === 'queued');
  const last = recent.find(({ status }) => status === 'finished');
  return [
    active === null ? 'Nothing runs.' : describeActive(active),
    ...(queued === undefined
      ? []
      : [`Run ${queued.run_id} (${queued.trigger}) waits for its turn.`]),
    ...(asking === null ? [] : [describeQuestion(asking)]),
    ...(last === undefined || active !== null ? [] : [describeLast(last)]),
    describeAutopoll(autopoll),
  ].join('\n');
}

function describeActive({
  run_id,
  trigger,
  workspace,
  status,
  turns,
  created_at,
}: RunRecord): string {
  const turn = turns.at(-1);
  const ticket = turn?.ticket == null ? '' : `, ticket ${turn.ticket}`;
  const where = `turn ${Math.max(1, turns.length)}${ticket}`;
  return `Run ${run_id} (${trigger}) is ${status} in ${workspace} since ${minuteOf(created_at)}: ${where}.`;
}

function describeQuestion({ run_id, question }: RunRecord): string {
  const text = question?.text.trim() ?? '';
  const asks = `${question?.title ?? ''}${text === '' ? '' : `\n${text}`}`.slice(0, MAX_QUESTION);
  return `Run ${run_id} asks: ${asks}\nAnswer with \`reply <text>\`.`;
}

function describeLast({ run_id, outcome, reason, finished_at }: RunRecord): string {
  const when = finished_at === null ? '' : ` at ${minuteOf(finished_at)}`;
  const why = reason === null || reason === '' ? '' : `: ${reason}`;
  return `Run ${run_id} ended${when}, ${outcome?.replaceAll('_', ' ')}${why}`;
}

function describeAutopoll({ enabled, paused, waiting, next_tick_at }: AutopollStatus): string {
  if (paused) return 'The idle timer is paused; `resume` lets it go on.';
  if (!enabled) return 'The idle timer is off.';
  const why = waiting === null ? '' : `; it waits: ${waiting.detail}`;
  const next = next_tick_at === null ? '' : `, next look at ${minuteOf(next_tick_at)}`;
  return `The idle timer is on${next}${why}.`;
}

function minuteOf(at: string): string {
  return `${at.slice(0, 16).replace('T', ' ')} UTC`;
}
