import type { Logger } from './logger.ts';
import type { EventHub } from './runs/event-hub.ts';
import type { RunFiles } from './runs/files.ts';
import { RUN_START, type Followers, type Position } from './runs/follow.ts';
import { sizeOf } from './runs/line-reader.ts';
import type { StoredRun } from './runs/store.ts';

/** LOOPER_MIRROR_OUTPUT: the agent's lines also go into the server log, within bounds. */
export interface OutputMirror {
  stop(): void;
}

/** What the server log takes of one run in one second; the run log has everything. */
const MAX_LINES = 500;
const MAX_CHARACTERS = 256 * 1024;
/** Of one line. */
const MAX_LINE_CHARACTERS = 4096;
const WINDOW_MS = 1_000;
/** How long a follower waits before it asks again by itself. */
const WAIT_MS = 60_000;

/**
 * Logs every line of a run as `codex.exec.output`. A run that is adopted is mirrored from where its
 * log stands: its earlier lines were mirrored, or are in the run log only. What is too much is left
 * out and counted in `codex.exec.output_skipped`.
 */
export function startOutputMirror(deps: {
  readonly followers: Followers;
  readonly hub: EventHub;
  readonly find: (runId: string) => StoredRun | null;
  readonly active: StoredRun | null;
  readonly log: Logger;
}): OutputMirror {
  const { followers, hub, find, active, log } = deps;
  const mirrored = new Map<string, () => void>();
  const mirror = (files: RunFiles, from: Position): void => {
    if (mirrored.has(files.runId)) return;
    const stop = followOutput(followers, files, from, log, () => mirrored.delete(files.runId));
    mirrored.set(files.runId, stop);
  };
  const unlisten = hub.listen(({ type, run_id }) => {
    if (type !== 'started') return;
    const files = find(run_id)?.files;
    if (files !== undefined) mirror(files, RUN_START);
  });
  if (active !== null) {
    const { files } = active;
    mirror(files, { log: sizeOf(files.log), events: sizeOf(files.events) });
  }
  return {
    stop: () => {
      unlisten();
      for (const stop of mirrored.values()) stop();
    },
  };
}

function followOutput(
  followers: Followers,
  files: RunFiles,
  from: Position,
  log: Logger,
  onEnd: () => void,
): () => void {
  const follower = followers.open(files);
  const allowance = createAllowance();
  const { runId } = files;
  let position = from;
  let skipped = 0;
  const stopped = new AbortController();
  let wait: { cancel(): void } | null = null;

  const tellSkipped = (): void => {
    if (skipped > 0)
      log.warn({ runId, lines: skipped, log: files.log }, 'codex.exec.output_skipped');
    skipped = 0;
  };
  const mirrorLine = (offset: number, text: string): void => {
    const shown = text.slice(0, MAX_LINE_CHARACTERS);
    if (!allowance.take(shown.length)) {
      skipped += 1;
      return;
    }
    tellSkipped();
    log.info({ runId, offset, text: shown }, 'codex.exec.output');
  };
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const batch = follower.next(position);
      if (batch === null) {
        const waiting = follower.wait(WAIT_MS);
        wait = waiting;
        await waiting.done;
        continue;
      }
      for (const item of batch.items) {
        if (item.kind === 'log') mirrorLine(item.offset, item.text);
      }
      position = batch.after;
      if (batch.isLast) break;
      // Between two batches of a long log others have their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  void loop()
    .catch((err: unknown) => log.error({ runId, err }, 'codex.exec.output_failed'))
    .finally(() => {
      tellSkipped();
      follower.close();
      onEnd();
    });
  return () => {
    stopped.abort();
    wait?.cancel();
  };
}

function createAllowance(): { take(characters: number): boolean } {
  let startedAt = Number.NEGATIVE_INFINITY;
  let lines = 0;
  let characters = 0;
  return {
    take: (more) => {
      const now = performance.now();
      if (now - startedAt >= WINDOW_MS) {
        startedAt = now;
        lines = 0;
        characters = 0;
      }
      if (lines >= MAX_LINES || characters + more > MAX_CHARACTERS) return false;
      lines += 1;
      characters += more;
      return true;
    },
  };
}
