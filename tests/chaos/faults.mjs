/** What happens to the processes of a campaign while a scenario runs. */
import { setTimeout as delay } from 'node:timers/promises';
import { isThere, signal } from './proc.mjs';

const ROLES = ['daemon', 'runner', 'agent', 'agent'];
/** Longer than a stop may take: the daemon must then give its runner up. */
const LONG_PAUSE_MS = 7_000;
/** How long a fault waits for somebody to strike. */
const APPEAR_MS = 600;

/**
 * @typedef {{kind: 'kill' | 'pause' | 'contend', role: string, atMs: number, forMs: number}} Fault
 */

/**
 * @param {import('./random.mjs').Random} random
 * @returns {Fault[]}
 */
export function planFaults(random) {
  const count = random.pick([1, 1, 2, 2, 3]);
  const faults = Array.from({ length: count }, () => ({
    kind: random.pick(['kill', 'kill', 'kill', 'kill', 'pause', 'contend']),
    role: random.pick(ROLES),
    atMs: random.between(0, random.pick([20, 100, 400])),
    forMs: random.chance(0.02) ? LONG_PAUSE_MS : random.between(1, 400),
  }));
  // Two deaths at one instant: what nobody is left to clean up is the next daemon's.
  if (random.chance(0.25)) {
    const { atMs } = faults[0];
    faults.push(...['runner', 'daemon'].map((role) => ({ kind: 'kill', role, atMs, forMs: 0 })));
  }
  return faults;
}

/**
 * @param {() => import('./proc.mjs').Seen[]} witness
 * @param {ReturnType<typeof import('./daemons.mjs').createDaemons>} daemons
 */
export function createFaults(witness, daemons) {
  /** @type {import('./checks.mjs').Kill[]} */
  const kills = [];
  const paused = new Set();
  const counts = { pauses: 0, contenders: 0 };

  /** One of the role; of the runners one that works rather than one that waits. */
  const choose = (role, random) => {
    const seen = witness();
    const all = seen.filter((process) => process.role === role);
    const busy = all.filter(({ pid }) => seen.some(({ ppid }) => ppid === pid));
    const few = busy.length > 0 && random.chance(0.85) ? busy : all;
    return few.length === 0 ? null : random.pick(few);
  };

  /** An agent may be there for some milliseconds only: its time starts when it has come. */
  const appearance = async (role) => {
    const deadline = performance.now() + APPEAR_MS;
    while (performance.now() < deadline && !witness().some((seen) => seen.role === role)) {
      await delay(5);
    }
  };

  const kill = (role, random) => {
    const victim = choose(role, random);
    if (victim === null) return false;
    const from = Date.now();
    if (!signal(victim, 'SIGKILL')) return false;
    kills.push({ role, pid: victim.pid, start: victim.start, from, to: Date.now() });
    return true;
  };

  /** A power cut: everybody at once, and nobody is left to notice. */
  const killEverybody = async () => {
    for (let seen = witness(); seen.length > 0; seen = witness()) {
      const from = Date.now();
      const struck = seen.filter((victim) => signal(victim, 'SIGKILL'));
      const to = Date.now();
      kills.push(
        ...struck.filter(hasRole).map(({ role, pid, start }) => ({ role, pid, start, from, to })),
      );
      while (seen.some(isThere)) await delay(5);
    }
  };

  const pause = async (role, random, forMs) => {
    const victim = choose(role, random);
    if (victim === null || !signal(victim, 'SIGSTOP')) return;
    counts.pauses += 1;
    paused.add(victim);
    await delay(forMs);
    signal(victim, 'SIGCONT');
    paused.delete(victim);
  };

  return {
    kills,
    counts,
    kill,
    killEverybody,
    /** Resolves when all that was planned has happened. */
    run: (faults, random) =>
      Promise.all(
        faults.map(async ({ kind, role, atMs, forMs }) => {
          await appearance(role);
          await delay(atMs);
          if (kind === 'kill') kill(role, random);
          else if (kind === 'pause') await pause(role, random, forMs);
          else {
            counts.contenders += 1;
            daemons.start();
          }
        }),
      ),
    resumeAll: () => {
      for (const victim of paused) signal(victim, 'SIGCONT');
    },
  };
}

/** What an agent starts is not counted. */
function hasRole({ role }) {
  return role !== 'other';
}
