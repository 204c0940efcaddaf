import { setTimeout as delay } from 'node:timers/promises';
import type { FollowedItem, Position } from '../runs/follow.ts';
import { Unreachable } from './client-errors.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import { Lost } from './run-source.ts';
import { openSource, type Source } from './source.ts';

const RETRY_MS = 1_000;
/** A service that restarts is back within seconds; nobody waits longer for one that is gone. */
const GIVE_UP_MS = 60_000;

/**
 * Follows a run to its end through everything that happens to its service meanwhile: reconnects
 * where it broke off, and reads on in the files where the service is gone and its files are here.
 * Ends after the `end` event, or when the run is no longer on record.
 */
export async function* followRun(
  cli: Cli,
  first: Source,
  runId: string,
  from: Position,
): AsyncGenerator<FollowedItem> {
  let source: Source | null = first;
  let position = from;
  for (;;) {
    try {
      for await (const item of source.runs.follow(runId, position)) {
        position = item.after;
        yield item;
      }
      return;
    } catch (error) {
      const isBroken = error instanceof Lost || error instanceof Unreachable;
      if (cli.interrupted().aborted || !isBroken) throw error;
    }
    source = await reopen(cli, source, runId);
  }
}

async function reopen(cli: Cli, last: Source, runId: string): Promise<Source> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (let isFirst = true; ; isFirst = false) {
    const source = await tryOpen(cli);
    if (source !== null && (await source.runs.find(runId)) !== null) {
      if (source.kind === 'files' && last.kind === 'service') {
        cli.output.message('The service is gone; the run is followed in its files.');
      }
      return source;
    }
    if (performance.now() > deadline) {
      throw new CliError(
        `${cli.config().client.baseUrl} has not answered for ${GIVE_UP_MS / 1000} s. The run may go on: looper logs -f ${runId}`,
        EXIT.unreachable,
      );
    }
    if (isFirst) cli.output.message('The connection broke; trying again…');
    await delay(RETRY_MS, undefined, { signal: cli.interrupted() }).catch(() => undefined);
    if (cli.interrupted().aborted) throw new CliError('', EXIT.interrupted);
  }
}

/** Null when the service does not answer and its files are not here. */
async function tryOpen(cli: Cli): Promise<Source | null> {
  try {
    return await openSource(cli);
  } catch (error) {
    if (error instanceof Unreachable) return null;
    throw error;
  }
}
