import { basename } from 'node:path';
import { runFiles } from '../runs/files.ts';
import type { RunStore, StoredRun } from '../runs/store.ts';

/** Runs of other workspaces are passed over, but not for ever. */
const MAX_LOOKED_AT = 100;

/** The runs of a workspace, newest first, read one by one as they are asked for. */
export function* recentRuns(store: RunStore, workspace: string): Generator<StoredRun> {
  let before: string | undefined;
  for (let looked = 0; looked < MAX_LOOKED_AT; looked += 1) {
    const [record] = store.list({ limit: 1, before });
    if (record === undefined) return;
    before = record.run_id;
    if (record.workspace !== workspace) continue;
    yield { record, files: runFiles(store.directory, basename(record.log_path, '.log')) };
  }
}
