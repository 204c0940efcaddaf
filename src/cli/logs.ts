import { inertLine } from '../render/inert.ts';
import type { FollowedItem } from '../runs/follow.ts';
import type { RunRecord } from '../runs/record.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { createPaint, formatTime, paintOutcome } from './format.ts';
import { splitLogLines } from './log-lines.ts';
import { createRawLog } from './raw-log.ts';
import type { RunSource } from './run-source.ts';
import { createRunView, type RunView } from './run-view.ts';
import { placeSince, runsSince, WHOLE_LOG, type LogPlace } from './since.ts';
import { openSource, tellOfFiles, type Source } from './source.ts';
import { createLiveView, watchRun } from './watch-run.ts';

export interface LogsOptions {
  readonly follow?: boolean;
  readonly raw?: boolean;
  readonly json?: boolean;
  /** Milliseconds since the epoch. */
  readonly since?: number;
}

/**
 * `looper logs [id]`: the log of a run as people read it: the active one, else the latest. With
 * `--since` and no id, those of all runs since then.
 */
export async function logs(
  cli: Cli,
  id: string | undefined,
  options: LogsOptions,
): Promise<ExitCode> {
  const source = await openSource(cli);
  if (source.kind === 'files') await tellOfFiles(cli);
  const runs = await chooseRuns(source.runs, id, options.since);
  if (runs.length === 0) cli.output.message('No run was active since then.');
  for (const [index, run] of runs.entries()) {
    const isLast = index === runs.length - 1;
    if (options.raw !== true && options.json !== true) {
      const title = titleOf(run, Date.now());
      await cli.output.data(`${createPaint(cli.output.colours)(title, 'bold')}\n`);
    }
    const place = options.since === undefined ? WHOLE_LOG : placeSince(run, options.since);
    const isFollowed = isLast && options.follow === true && run.status !== 'finished';
    await (isFollowed
      ? follow(cli, source, run, place, options)
      : print(cli, source.runs, run, place, options));
  }
  return EXIT.done;
}

function titleOf({ run_id, workspace, trigger, created_at }: RunRecord, now: number): string {
  const about = [
    run_id,
    inertLine(workspace),
    `by ${inertLine(trigger)}`,
    formatTime(created_at, now),
  ];
  return `══ run ${about.join(' · ')}`;
}

async function chooseRuns(
  source: RunSource,
  id: string | undefined,
  since: number | undefined,
): Promise<RunRecord[]> {
  if (id === undefined && since !== undefined) return runsSince(source, since);
  const run = await (id === undefined
    ? source.find('current').then((active) => active ?? source.find('latest'))
    : source.find(id));
  if (run !== null) return [run];
  throw new CliError(
    id === undefined
      ? 'There is no run yet: looper run starts one.'
      : `There is no run ${JSON.stringify(id)}.`,
    EXIT.failed,
  );
}

async function print(
  cli: Cli,
  source: RunSource,
  run: RunRecord,
  place: LogPlace,
  options: LogsOptions,
): Promise<void> {
  if (options.raw === true) {
    await createRawLog(cli, run, place.offset).catchUp(source);
    return;
  }
  const json = options.json === true;
  const view = createRunView(cli.output, run, { json, reread: null });
  await openAt(view, place);
  const { bytes } = await source.openLog(run, { from: place.offset });
  for await (const line of splitLogLines(bytes, place.offset)) {
    if (cli.interrupted().aborted) throw new CliError('', EXIT.interrupted);
    await view.line(line);
  }
  if (run.status === 'finished') await view.end();
  if (!json) await cli.output.data(`${endLine(run, cli.output.colours)}\n`);
}

async function follow(
  cli: Cli,
  source: Source,
  run: RunRecord,
  place: LogPlace,
  { raw = false, json = false }: LogsOptions,
): Promise<void> {
  const from = { log: place.offset, events: 0 };
  const hint = 'Ctrl-C ends this';
  if (raw) {
    const log = createRawLog(cli, run, place.offset);
    const onItem = (after: { readonly log: number }): Promise<void> =>
      after.log > log.offset() ? log.catchUp(null) : Promise.resolve();
    await watchRun(cli, source, run, { hint, view: null, from, onItem });
    return log.catchUp(null);
  }
  const view = createLiveView(cli, run, json);
  await openAt(view, place);
  const startedAt = place.turn?.startedAt ?? 0;
  const final = await watchRun(cli, source, run, { hint, view: viewSince(view, startedAt), from });
  if (!json) await cli.output.data(`${endLine(final, cli.output.colours)}\n`);
}

/** Without what the agent said in earlier turns: the events of a run are read from the start. */
function viewSince(view: RunView, startedAt: number): RunView {
  const isEarlier = (item: FollowedItem): boolean =>
    item.kind === 'event' && Date.parse(item.event.at) < startedAt;
  return { ...view, item: async (item) => (isEarlier(item) ? undefined : view.item(item)) };
}

/** A turn's own line stands before its place in the log. */
async function openAt(view: RunView, { offset, turn }: LogPlace): Promise<void> {
  if (turn === null) return;
  const text = `# turn=${turn.number} ticket=${turn.ticket}`;
  await view.line({ offset: offset - Buffer.byteLength(text) - 1, text });
}

function endLine({ outcome, status, reason }: RunRecord, colours: boolean): string {
  const paint = createPaint(colours);
  if (outcome === null) return paint(`(${status}; looper logs -f follows it)`, 'dim');
  return `${paintOutcome(outcome, paint)}${reason === null || reason === '' ? '' : `: ${inertLine(reason)}`}`;
}
