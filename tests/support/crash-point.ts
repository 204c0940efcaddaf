import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from './wait-for.ts';

const preload = fileURLToPath(new URL('../chaos/crash-point.cjs', import.meta.url));

/** Where a process is to die: before or after this write, spawn, signal, lock or message. */
export interface CrashPoint {
  readonly role: 'daemon' | 'runner';
  /** As the campaign's `points.log` names it. */
  readonly point: string;
  readonly when: 'before' | 'after';
  /** Which time the process gets there; default the first. */
  readonly occurrence?: number;
}

/** For `startService`: a daemon and runners that can be killed at a point. */
export function crashEnvironment(home: string): Record<string, string> {
  const directory = chaosOf(home);
  mkdirSync(directory, { recursive: true });
  return { CHAOS_DIR: directory, NODE_OPTIONS: `--require ${JSON.stringify(preload)}` };
}

/** From now on; `died` waits until it has happened. One process dies, not the one after it. */
export function armCrash(home: string, point: CrashPoint): { died(): Promise<void> } {
  const path = join(chaosOf(home), 'plan.json');
  writeFileSync(`${path}.new`, JSON.stringify({ id: 1, delayUs: 0, occurrence: 1, ...point }));
  renameSync(`${path}.new`, path);
  const label = `a ${point.role} to die ${point.when} ${point.point}`;
  const hasFired = (): boolean => existsSync(join(chaosOf(home), 'fired-1'));
  return { died: async () => void (await waitFor(label, hasFired)) };
}

function chaosOf(home: string): string {
  return join(home, 'chaos');
}
