import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { constants as os } from 'node:os';
import { systemErrorCode } from '../errors.ts';
import { appendLine } from './append-line.ts';
import { writeFully } from './atomic-file.ts';

export interface LogHeader {
  readonly requestId: string;
  readonly workspace: string;
  readonly command: string;
}

/**
 * Creates the run log and returns its descriptor, which becomes the agent's stdout and stderr: a
 * file outlives every Looper process, a pipe would kill the agent when its reader dies. `O_EXCL`
 * refuses an order that comes twice.
 */
export function createLog(path: string, header: LogHeader): number {
  const flags = constants.O_APPEND | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(path, flags | constants.O_RDWR, 0o600);
  try {
    const lines = [
      `# looper_request_id=${header.requestId}`,
      `# workspace=${header.workspace}`,
      `# command=${header.command}`,
    ];
    writeFully(fd, Buffer.from(`${lines.map(oneLine).join('\n')}\n\n`));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** Appends the line that opens a turn in a ticket loop. */
export function appendTurnLine(fd: number, turn: number, ticket: string): void {
  appendLine(fd, oneLine(`# turn=${turn} ticket=${ticket}`));
}

/**
 * Appends the last line of a run log, once. `return_code` null means that no exit code exists:
 * then the outcome stands there.
 */
export function appendTrailer(path: string, returnCode: number | null, outcome: string): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW);
  } catch (error) {
    // A run that ended before its agent was started has no log, and needs no trailer.
    if (systemErrorCode(error) === 'ENOENT') return;
    throw error;
  }
  const trailer =
    returnCode === null ? `# looper_outcome=${outcome}` : `# codex_exec_return_code=${returnCode}`;
  try {
    // This very line only: an agent may print one that looks like it.
    const ending = `\n${trailer}\n`;
    if (tailOf(fd, ending.length).toString('latin1') === ending) return;
    appendLine(fd, `\n${trailer}`);
  } finally {
    closeSync(fd);
  }
}

/** The last `maxBytes` of a log as text, for an error message; '' where there is no log. */
export function readLogTail(path: string, maxBytes: number): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  }
  try {
    return tailOf(fd, maxBytes).toString('utf8');
  } finally {
    closeSync(fd);
  }
}

/**
 * An exit as the original writes it: the code, or minus the number of the signal; null where
 * neither is known, which must not read as a success.
 */
export function returnCodeOf(exit: {
  readonly exitCode: number | null;
  readonly signal: string | null;
}): number | null {
  if (exit.exitCode !== null) return exit.exitCode;
  const number = os.signals[(exit.signal ?? '') as NodeJS.Signals] as number | undefined;
  return number === undefined ? null : -number;
}

function tailOf(fd: number, maxBytes: number): Buffer {
  const { size } = fstatSync(fd);
  const length = Math.min(size, maxBytes);
  const bytes = Buffer.alloc(length);
  const read = readSync(fd, bytes, 0, length, size - length);
  return bytes.subarray(0, read);
}

/** A workspace or ticket name may hold a newline; a header line may not. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, ' ');
}
