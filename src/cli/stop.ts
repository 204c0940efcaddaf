import { pino } from 'pino';
import { inertLine } from '../render/inert.ts';
import { createRunWatch } from '../run-watch.ts';
import type { RunRecord } from '../runs/record.ts';
import { createRunStore } from '../runs/store.ts';
import { SCHEMAS } from '../http/schemas.ts';
import type { Client } from './client.ts';
import { Refused } from './client-errors.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { findActive } from './file-source.ts';
import { createPaint, paintOutcome } from './format.ts';
import { openSource, tellOfFiles } from './source.ts';

/** Beyond the grace: the runner's own time, SIGKILL, several looks, a full machine. */
const EXTRA_MS = 60_000;
/** Node's `fetch` gives up after five minutes without an answer. */
const LONGEST_MS = 290_000;

/** `looper stop`: ends the active run, or the one with this id, and returns when its tree is gone. */
export async function stop(cli: Cli, runId: string | undefined): Promise<ExitCode> {
  const source = await openSource(cli);
  if (source.kind === 'service') {
    const stopped = await stopByService(cli, source.client, runId ?? 'current');
    await tell(cli, stopped);
    const queued = (await source.runs.list(20)).find(({ status }) => status === 'queued');
    if (queued !== undefined) {
      cli.output.message(
        `Run ${queued.run_id} waited behind it and starts now: looper stop ends it.`,
      );
    }
    return EXIT.done;
  }
  await tellOfFiles(cli);
  await tell(cli, await stopByFiles(cli, runId));
  return EXIT.done;
}

async function stopByService(cli: Cli, client: Client, id: string): Promise<RunRecord> {
  const { graceMs } = cli.config().kill;
  const deadlineMs = Math.min(graceMs + EXTRA_MS, LONGEST_MS);
  try {
    const path = `/runs/${encodeURIComponent(id)}/stop`;
    return (await client.post(path, SCHEMAS.Run, { deadlineMs })).run;
  } catch (error) {
    const isNothing =
      error instanceof Refused &&
      (error.code === 'NOT_ACTIVE' || (error.status === 404 && id === 'current'));
    if (isNothing) throw nothingRuns(inertLine(error.message));
    throw error;
  }
}

/**
 * What the service would do: the reason on disk, SIGTERM to the runner, and where that does not
 * help SIGKILL, a sweep and the end written under the run lock. A run whose runner is dead, but
 * not its agent, is ended as well.
 */
async function stopByFiles(cli: Cli, runId: string | undefined): Promise<RunRecord> {
  const { logs, kill } = cli.config();
  const run = findActive(logs.directory);
  if (run === null) throw nothingRuns('no run is active');
  if (runId !== undefined && run.record.run_id !== runId) {
    throw nothingRuns(`run ${runId} is not active (run ${run.record.run_id} is)`);
  }
  const log = pino({ level: 'silent' });
  const store = createRunStore({ ...logs, log });
  const nothing = (): void => undefined;
  const watch = createRunWatch({
    store,
    graceMs: kill.graceMs,
    log,
    onLook: nothing,
    // A finished ticket whose commit is missing: the next run makes up for it.
    afterRun: () => Promise.resolve(),
    onEnd: nothing,
  });
  try {
    watch.follow(run);
    await watch.stop('stopped');
  } finally {
    watch.detach();
  }
  const { record } = store.find(run.record.run_id) ?? run;
  if (record.status === 'finished') return record;
  throw new CliError(
    `Run ${record.run_id} was told to stop, but its end is not on record: look at its processes, and at the free space in ${logs.directory}.`,
    EXIT.failed,
  );
}

async function tell(cli: Cli, record: RunRecord): Promise<void> {
  const paint = createPaint(cli.output.colours);
  const { run_id: runId, outcome, reason } = record;
  const why = reason === null ? '' : ` · ${inertLine(reason)}`;
  await cli.output.data(`${paintOutcome(outcome, paint)} · run ${runId}${paint(why, 'dim')}\n`);
}

function nothingRuns(why: string): CliError {
  return new CliError(`Nothing was stopped: ${why}.`, EXIT.unreachable);
}
