import type { Config } from '../config.ts';
import { messageOf } from '../errors.ts';
import { scratchFolder } from '../git/scratch.ts';
import { resolveRepository } from '../git/repository.ts';
import type { Logger } from '../logger.ts';
import { readCarried } from '../runner/carry.ts';
import { isSameTicket } from '../runner/known-replies.ts';
import { openGit } from '../runner/progress.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import { firstOpen, isDone, loadQueue } from '../tickets/queue.ts';
import { takeCarriedOver } from './carried-over.ts';

interface AfterRunDeps {
  readonly config: Pick<Config, 'codex' | 'tickets'>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly store: RunStore;
  readonly log: Logger;
}

/**
 * What is left to do when a runner is gone: commits the tickets that it had finished and did not
 * live to commit (it was killed, or stopped right then). The next run would do the same, but after
 * the last ticket there is none. To be called before anything else starts; never throws.
 */
export function createAfterRun(deps: AfterRunDeps): (run: StoredRun) => Promise<void> {
  const { config, store, log } = deps;
  return async (run) => {
    const { run_id: runId, mode } = run.record;
    if (mode !== 'tickets') return;
    try {
      await commitFinished(run);
    } catch (error) {
      log.warn({ runId, reason: messageOf(error) }, 'run.finished_ticket_uncommitted');
    }
  };

  async function commitFinished({ record }: StoredRun): Promise<void> {
    const { workspace, run_id: runId } = record;
    const warn = (warning: string): void => log.warn({ runId, warning }, 'run.warning');
    const carried = readCarried(store.directory, workspace, warn);
    if (carried.length === 0) return;
    const found = resolveTicketsDirectory(workspace, config.tickets.directory);
    if (found.kind === 'none') return;
    const queue = await loadQueue({ directory: found.directory });
    const done = queue.entries.filter(isDone);
    const isLeft = carried.some(({ ticket }) =>
      done.some(({ fileName }) => isSameTicket(fileName, ticket)),
    );
    if (!isLeft) return;
    const scratch = scratchFolder(store.directory);
    const repository = await resolveRepository(workspace, { env: deps.environment, scratch, warn });
    const over = await takeCarriedOver({
      store,
      workspace,
      runId,
      queue,
      entry: firstOpen(queue),
      policy: config.codex.commit,
      git: openGit(repository, scratch),
    });
    over.warnings.forEach(warn);
    for (const commit of over.commits) log.info({ runId, commit }, 'run.commit_made_up');
  }
}
