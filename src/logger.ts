import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { type Logger, pino } from 'pino';
import openRollingFile from 'pino-roll';
import type { Config } from './config.ts';

import { LooperError, messageOf } from './errors.ts';
import { pointLinkAt } from './log-link.ts';
import { type Redactor, createRedactor } from './redact.ts';

export type { Logger } from 'pino';

export interface LogRotation {
  readonly maxFileBytes: number;
  /** The current one included. */
  readonly keptFiles: number;
}

const ROTATION: LogRotation = { maxFileBytes: 20 * 1024 ** 2, keptFiles: 10 };
/** Lines that wait in memory while the disk is full; later ones are dropped. */
const MAX_WAITING_BYTES = 1024 ** 2;
const CLOSE_MS = 1_000;

export interface DaemonLog {
  readonly log: Logger;
  /** Knows the configured secrets; add those that are read later. */
  readonly redactor: Redactor;
  /** Writes what waits, if it can be written, and closes the file. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the daemon's log: JSON lines in `<logDir>/server/`, rotated by size, with a link to the
 * current file.
 *
 * Every line is written before the call returns, so a killed daemon loses none: transports lose all
 * of them and die for good with the first full disk. Without space, lines wait in memory and are
 * written when there is space again; logging never throws into a request.
 */
export async function startLogger(
  logs: Pick<Config['logs'], 'level' | 'serverLogDirectory' | 'serverLogPath'>,
  secretValues: readonly string[],
  { maxFileBytes, keptFiles }: LogRotation = ROTATION,
): Promise<DaemonLog> {
  const redactor = createRedactor(secretValues);
  const file = await openFile(logs.serverLogDirectory, maxFileBytes, keptFiles);
  const log = pino(
    {
      level: logs.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    {
      write(line: string): void {
        // A late line, after `close()`, has nowhere to go and must not fail its caller.
        if (!file.destroyed) file.write(redactor.jsonLine(line));
      },
    },
  );
  surviveFailures(file, log);
  followRotation(file, () => {
    const problem = pointLinkAt(logs.serverLogPath, file.file);
    if (problem !== undefined) log.warn({ path: logs.serverLogPath, problem }, 'log.link_failed');
  });
  return { log, redactor, close: () => closeFile(file) };
}

type RollingFile = Awaited<ReturnType<typeof openRollingFile>>;

async function openFile(directory: string, bytes: number, kept: number): Promise<RollingFile> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
    return await openRollingFile({
      file: join(directory, 'looper-server'),
      extension: '.log',
      size: `${bytes}b`,
      // `removeOtherLogFiles` also counts the files of earlier starts.
      limit: { count: kept, removeOtherLogFiles: true },
      sync: true,
      mode: 0o600,
      mkdir: true,
      maxLength: MAX_WAITING_BYTES,
    });
  } catch (error) {
    throw new LooperError(
      'LOG_DIR_UNUSABLE',
      `cannot write the server log in ${directory}: ${messageOf(error)}; make it writable or set LOOPER_LOG_DIR`,
      { cause: error },
    );
  }
}

/** Without a listener the first failed write would be thrown at whoever logs. */
function surviveFailures(file: RollingFile, log: Logger): void {
  let failures = 0;
  let dropped = 0;
  file.on('drop', () => (dropped += 1));
  file.on('error', (error: Error) => {
    failures += 1;
    if (failures > 1) return;
    // Emitted once everything that waited is on disk.
    file.once('drain', () => {
      log.warn({ failures, droppedLines: dropped, problem: error.message }, 'log.recovered');
      failures = 0;
      dropped = 0;
    });
  });
}

function followRotation(file: RollingFile, onOpen: () => void): void {
  file.on('ready', onOpen);
  file.on('error', (error) => {
    if (!['open', 'mkdir'].includes(String((error as NodeJS.ErrnoException).syscall))) return;
    // The next file could not be opened, and the listener that was to close the old one then stays
    // behind (sonic-boom 4.2): with the next success it would close that descriptor once more,
    // which may belong to something else by then.
    file.removeAllListeners('ready');
    file.on('ready', onOpen);
  });
  onOpen();
}

async function closeFile(file: RollingFile): Promise<void> {
  if (file.destroyed) return;
  const closed = once(file, 'close', { signal: AbortSignal.timeout(CLOSE_MS) });
  file.end();
  try {
    await closed;
  } catch {
    // The disk is still full: what waits is lost, the daemon ends.
    file.destroy();
  }
}
