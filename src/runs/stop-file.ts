import { closeSync, fsyncSync, linkSync, openSync, rmSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { writeFully } from './atomic-file.ts';
import { readIfThere } from '../read-if-there.ts';

export const STOP_REASONS = ['stopped', 'replaced', 'shutdown'] as const;
/** Why somebody else ends a run; each is the run's outcome too. */
export type StopReason = (typeof STOP_REASONS)[number];

/**
 * Puts the reason on disk before any signal is sent. The first reason wins: returns the one that
 * stands. On a full disk nothing can be written and the runner reads its signal as `shutdown`.
 */
export function requestStop(path: string, reason: StopReason): StopReason {
  const temporary = `${path}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeFully(fd, Buffer.from(`${reason}\n`));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    // A link fails where the name is taken, and it appears with its content: nobody reads half.
    linkSync(temporary, path);
    return reason;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return readStopReason(path) ?? reason;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** The reason on disk; null when nobody asked for a stop. */
export function readStopReason(path: string): StopReason | null {
  const text = readIfThere(path)?.trim() ?? null;
  if (text === null) return null;
  return STOP_REASONS.find((reason) => reason === text) ?? null;
}
