import { closeSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { writeFully } from './atomic-file.ts';

export const STOP_REASONS = ['stopped', 'replaced', 'shutdown'] as const;
/** Why somebody else ends a run; each is the run's outcome too. */
export type StopReason = (typeof STOP_REASONS)[number];

/**
 * Puts the reason on disk before any signal is sent. The first reason wins: returns the one that
 * stands. On a full disk nothing can be written and the runner reads its signal as `shutdown`.
 */
export function requestStop(path: string, reason: StopReason): StopReason {
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o600);
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return readStopReason(path) ?? reason;
    throw error;
  }
  try {
    writeFully(fd, Buffer.from(`${reason}\n`));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return reason;
}

/** The reason on disk; null when nobody asked for a stop. */
export function readStopReason(path: string): StopReason | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
  return STOP_REASONS.find((reason) => reason === text) ?? null;
}
