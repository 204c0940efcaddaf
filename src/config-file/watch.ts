import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';

/** Notifications get lost (network file systems, a replaced folder, no watches left). */
const POLL_MS = 2_000;
/** An editor that writes in place truncates first. */
const SETTLE_MS = 200;

export interface FileWatch {
  close(): void;
}

/** Calls `onChange` once the files have changed and stayed as they are for a moment. */
export function watchFiles(options: {
  /** May answer differently after a change. The directory of the first one is watched. */
  readonly files: () => readonly string[];
  readonly onChange: () => void;
  readonly log: Logger;
}): FileWatch {
  const { files, onChange, log } = options;
  let seen = fingerprint(files());
  let candidate: string | null = null;
  let settling: NodeJS.Timeout | undefined;

  const look = (): void => {
    const watched = files();
    const now = fingerprint(watched);
    clearTimeout(settling);
    if (now === seen) {
      candidate = null;
    } else if (now === candidate) {
      candidate = null;
      seen = now;
      onChange();
      // What was read just now counts as seen, unless other files matter from now on.
      if (files().join('\n') !== watched.join('\n')) seen = fingerprint(files());
    } else {
      candidate = now;
      settling = setTimeout(look, SETTLE_MS).unref();
    }
  };

  const polling = setInterval(look, POLL_MS).unref();
  const watcher = watchDirectory(dirname(files()[0] ?? ''), look, log);
  return {
    close: () => {
      clearInterval(polling);
      clearTimeout(settling);
      watcher?.close();
    },
  };
}

function watchDirectory(directory: string, look: () => void, log: Logger): FSWatcher | null {
  const giveUp = (error: unknown): null => {
    log.warn({ directory, problem: messageOf(error) }, 'config_file.watch_failed');
    return null;
  };
  try {
    const watcher = watch(directory, { persistent: false }, look);
    watcher.on('error', (error) => {
      giveUp(error);
      watcher.close();
    });
    return watcher;
  } catch (error) {
    return giveUp(error);
  }
}

function fingerprint(paths: readonly string[]): string {
  return paths
    .map((path) => {
      try {
        const { ino, size, mtimeMs, mode } = statSync(path);
        return `${ino} ${size} ${mtimeMs} ${mode}`;
      } catch (error) {
        return messageOf(error);
      }
    })
    .join('\n');
}
