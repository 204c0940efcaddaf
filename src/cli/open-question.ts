import type { RunRecord } from '../runs/record.ts';

/**
 * The runs that wait for an answer, newest first: the last one of its workspace that came to
 * something has ended with a question. `recent`: newest first. An answer starts a run, so one that is
 * answered has a successor.
 */
export function listAsking(recent: readonly RunRecord[]): RunRecord[] {
  const passed = new Set<string>();
  return recent.filter((run) => {
    // A trigger that only waited, or was superseded, answers nothing.
    if (run.status === 'queued' || run.outcome === 'replaced') return false;
    if (passed.has(run.workspace)) return false;
    passed.add(run.workspace);
    return run.outcome === 'waiting' && run.question != null;
  });
}
