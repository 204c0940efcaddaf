import { RUN_START, type Position } from '../runs/follow.ts';
import type { RunRecord } from '../runs/record.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { followRun } from './follow-run.ts';
import { createPaint } from './format.ts';
import { createProgress } from './progress-line.ts';
import { createRunView, type RunView } from './run-view.ts';
import { openSource, type Source } from './source.ts';

const FRAME_MS = 120;

/**
 * Shows a run until it ends, with a live line at the bottom of a terminal, and returns its final
 * record. `view` null: nothing but the live line. Throws a `CliError` of `EXIT.interrupted` at
 * Ctrl-C; the run goes on.
 */
export async function watchRun(
  cli: Cli,
  source: Source,
  record: RunRecord,
  options: {
    readonly hint: string;
    readonly view: RunView | null;
    readonly from?: Position;
    /** Called before each item is shown. */
    readonly onItem?: (after: Position) => Promise<void>;
  },
): Promise<RunRecord> {
  const { output } = cli;
  const { view, hint, onItem } = options;
  const progress = createProgress(record, {
    paint: createPaint(output.isLive && output.colours),
    hint,
  });
  const paintLine = (): void => output.live(progress.line(Date.now(), output.columns()));
  const timer = output.isLive ? setInterval(paintLine, FRAME_MS) : null;
  try {
    for await (const item of followRun(cli, source, record.run_id, options.from ?? RUN_START)) {
      progress.note(item);
      await onItem?.(item.after);
      await view?.item(item);
    }
    await view?.end();
  } catch (error) {
    // Whatever broke off because of it.
    if (cli.interrupted().aborted) throw new CliError('', EXIT.interrupted);
    throw error;
  } finally {
    if (timer !== null) clearInterval(timer);
    output.live('');
  }
  return finalRecord(cli, record.run_id);
}

/** From whoever answers now: the service may have gone while the run went on. */
export async function finalRecord(cli: Cli, runId: string): Promise<RunRecord> {
  const { runs } = await openSource(cli);
  const found = await runs.find(runId);
  if (found !== null) return found;
  throw new CliError(`Run ${runId} is no longer on record: it was removed meanwhile.`, EXIT.failed);
}

/** The view that `run` and `logs -f` show; it asks for the record where a turn seems to begin. */
export function createLiveView(cli: Cli, record: RunRecord, json: boolean): RunView {
  const reread = async (): Promise<RunRecord | null> => {
    const { runs } = await openSource(cli);
    return runs.find(record.run_id);
  };
  return createRunView(cli.output, record, { json, reread });
}

export function exitCodeOfRun({ outcome }: RunRecord): ExitCode {
  return outcome === 'succeeded' ? EXIT.done : EXIT.failed;
}
