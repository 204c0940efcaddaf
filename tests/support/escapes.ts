import { randomInt } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { findProcesses } from './find-processes.ts';

/**
 * The ways out of a run, each a sleep with a word of its own as argument, by which a test finds it
 * whatever it has shaken off. `needs`: from when on only a cgroup or a PID namespace still holds it.
 */
const WAYS = {
  'own session': { shell: (word: string) => `setsid sleep ${word} &`, needs: 'nothing' },
  'double fork': { shell: (word: string) => `(sleep ${word} &)`, needs: 'nothing' },
  daemon: { shell: (word: string) => `(setsid sleep ${word} &)`, needs: 'nothing' },
  bare: { shell: (word: string) => `env -i sleep ${word} &`, needs: 'cgroup after its shell' },
  'bare, own session': {
    shell: (word: string) => `env -i setsid sleep ${word} &`,
    needs: 'cgroup after its shell',
  },
  'bare, double fork': {
    shell: (word: string) => `(env -i sleep ${word} &)`,
    needs: 'cgroup after its shell',
  },
  'bare daemon': { shell: (word: string) => `(env -i setsid sleep ${word} &)`, needs: 'cgroup' },
} as const;

export type Way = keyof typeof WAYS;

export const ALL_WAYS = Object.keys(WAYS) as Way[];
export const OWN_SESSION = ALL_WAYS.filter((way) => WAYS[way].shell('').includes('setsid'));
/** Out of reach without cgroup or PID namespace once the command that started them has ended. */
export const LOST_AFTER_SHELL = ALL_WAYS.filter((way) => WAYS[way].needs !== 'nothing');
/** Out of reach at once. */
export const LOST_AT_ONCE = ALL_WAYS.filter((way) => WAYS[way].needs === 'cgroup');

export interface Escapes {
  /** Starts one of each kind and ends. */
  readonly command: string;
  /** The same, and goes on. */
  readonly lastingCommand: string;
  /** Those that live, in the order of `ALL_WAYS`. */
  living(): Way[];
  /** Everything that the commands started, the lasting shell's own sleep too. */
  pids(): number[];
}

/** What is left of them when the test ends is killed. */
export function planEscapes(): Escapes {
  const number = randomInt(1_000_000, 9_000_000);
  const wordOf = (way: Way): string => `${number}.${ALL_WAYS.indexOf(way) + 1}`;
  const stay = `${number}.99`;
  const command = ALL_WAYS.map((way) => WAYS[way].shell(wordOf(way))).join('\n');
  const pids = (): number[] =>
    [...ALL_WAYS.map(wordOf), stay].flatMap((word) => findProcesses({ word }));
  onTestFinished(() => {
    for (const pid of pids()) process.kill(pid, 'SIGKILL');
  });
  return {
    command,
    lastingCommand: `${command}\nsleep ${stay}`,
    living: () => ALL_WAYS.filter((way) => findProcesses({ word: wordOf(way) }).length > 0),
    pids,
  };
}

/** This process's cgroup v2, as the kernel names it, where it can be written; found independently. */
export function ownCgroup(): string | null {
  known ??= { path: findOwnCgroup() };
  return known.path;
}

let known: { readonly path: string | null } | undefined;

function findOwnCgroup(): string | null {
  if (process.platform !== 'linux') return null;
  const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  const mount = spawnSync('findmnt', ['-n', '-t', 'cgroup2', '-o', 'TARGET']).stdout?.toString();
  const first = mount?.split('\n')[0] ?? '';
  if (path === undefined || first === '') return null;
  const own = join(first, path);
  const probe = join(own, `looper-test-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return own;
  } catch {
    return null;
  }
}

/** The cgroups of runs below one; those of other tests are among them. */
export function runCgroupsIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('looper-'));
}
