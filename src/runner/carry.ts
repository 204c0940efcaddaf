import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import type { DirtyPaths } from '../git/repository.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';

/**
 * What of an unfinished ticket outlives its run, whatever ends that: which thread worked on it, and
 * what was dirty when it began. One file for each workspace, in the log directory; written by the
 * holder of the run lock.
 */
export interface Carry {
  readonly version: 1;
  readonly workspace: string;
  readonly run_id: string;
  /** The ticket's file name. */
  readonly ticket: string;
  readonly title: string;
  readonly id: string;
  readonly thread_id: string | null;
  readonly final_message: string | null;
  readonly before: DirtyPaths | null;
}

export function carryPath(logDirectory: string, workspace: string): string {
  const name = createHash('sha256').update(workspace).digest('hex').slice(0, 16);
  return join(logDirectory, 'workspaces', `${name}.json`);
}

/** Null when nothing is carried over, or what is there is not this version's. */
export function readCarry(logDirectory: string, workspace: string): Carry | null {
  try {
    const text = readFileSync(carryPath(logDirectory, workspace), 'utf8');
    const carry = JSON.parse(text) as Carry;
    return carry.version === 1 && carry.workspace === workspace ? carry : null;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}

export function writeCarry(logDirectory: string, carry: Carry): void {
  const path = carryPath(logDirectory, carry.workspace);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileAtomic(path, `${JSON.stringify(carry)}\n`);
}

/** The ticket is finished and its changes are committed, or it is gone. */
export function dropCarry(logDirectory: string, workspace: string): void {
  rmSync(carryPath(logDirectory, workspace), { force: true });
}
