import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config.ts';
import { systemErrorCode } from '../errors.ts';
import { statIfThere } from '../read-if-there.ts';
import { checkLogDirectory } from '../run/workspace.ts';
import { failure, ok, warning, type Finding } from './finding.ts';

const OTHERS = 0o077;
const ID = 'logs.directory';

/** Where every run's files go: there and writable, or can be made; private; with room. Makes nothing. */
export function checkLogs(config: Pick<Config, 'logs' | 'limits'>): Finding[] {
  const { directory } = config.logs;
  const stats = statIfThere(directory);
  if (stats === null) return [...checkParent(directory)];
  if (!stats.isDirectory()) {
    return [failure(ID, `${directory} is not a directory`, 'Move it away, or set LOOPER_LOG_DIR')];
  }
  const mode = stats.mode & 0o777;
  const isOpen = (mode & OTHERS) !== 0;
  const shown = mode.toString(8).padStart(4, '0');
  const open = `${directory} has mode ${shown}: other accounts may read what agents see`;
  // Says what is wrong and what to do in its own sentence.
  checkLogDirectory(directory);
  return [
    ok(ID, `${directory} is there and writable`),
    ...(isOpen ? [warning('logs.mode', open, `chmod 700 ${directory}`)] : []),
    checkRoom(directory, config.limits.maxLogBytes),
  ];
}

function checkParent(directory: string): Finding[] {
  const parent = nearestExisting(dirname(directory));
  if (!statSync(parent).isDirectory()) {
    const what = `${directory} cannot be made: ${parent} is not a directory`;
    return [failure(ID, what, 'Name another one in LOOPER_LOG_DIR')];
  }
  try {
    accessSync(parent, constants.W_OK | constants.X_OK);
    return [ok(ID, `${directory} does not exist yet; the service makes it`)];
  } catch (error) {
    const what = `${directory} does not exist, and ${parent} cannot be written (${systemErrorCode(error)})`;
    return [failure(ID, what, 'Make it for this user, or name another one in LOOPER_LOG_DIR')];
  }
}

function nearestExisting(path: string): string {
  return statIfThere(path) !== null || dirname(path) === path
    ? path
    : nearestExisting(dirname(path));
}

function checkRoom(directory: string, maxLogBytes: number): Finding {
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  const id = 'logs.room';
  if (free >= maxLogBytes) return ok(id, `${formatBytes(free)} free`);
  return warning(
    id,
    `${formatBytes(free)} free, and one run may write ${formatBytes(maxLogBytes)} (LOOPER_MAX_LOG_BYTES)`,
    'Make room, lower LOOPER_MAX_LOG_BYTES, or keep fewer runs (LOOPER_KEEP_RUNS)',
  );
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.floor(value)} ${units[power]}`;
}
