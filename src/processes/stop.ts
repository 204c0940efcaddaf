import { setTimeout as delay } from 'node:timers/promises';
import { listRunCgroups, removeCgroup } from './cgroup.ts';
import { createFamily, type Family, type FamilyOptions, type Look } from './family.ts';
import { isAlive, isSameProcess, sendSignal, type ProcessIdentity } from './identity.ts';
import { pollUntil } from './poll.ts';
import { killTreeByPid } from './ps.ts';
import type { ProcessInfo } from './table.ts';

/** After the grace, for SIGKILL and the looks that follow. Runner and daemon count on it (5 s). */
const KILL_LIMIT_MS = 3000;
/** Between two scans while an agent still has its grace, at least. */
const RESCAN_MS = 10;
/** Consecutive looks that must find nobody before the tree counts as gone. */
const CLEAN_LOOKS = 3;
const LOOK_PAUSE_MS = 2;
/** Consecutive scans that must find nobody new before the frozen are killed, or this long. */
const CALM_SCANS = 2;
const FREEZE_LIMIT_MS = 1000;

export interface StopOptions extends FamilyOptions {
  /** How long an agent may take to clean up after SIGINT. */
  readonly graceMs: number;
  /** Default: those of the marked runs, where this process makes its own. */
  readonly cgroups?: FamilyOptions['cgroups'];
  /** Looks in a row that must find nobody. One will do where nobody is expected, as before a launch. */
  readonly cleanLooks?: number;
}

export interface StopResult {
  /**
   * `gone`: nobody was there. `stopped`: the agents ended within their grace. `killed`: one did not,
   * or there was none and what was left of a run got SIGKILL. `survived`: see `survivors`.
   */
  readonly outcome: 'gone' | 'stopped' | 'killed' | 'survived';
  readonly signalled: readonly number[];
  /**
   * Alive after all that (waiting for a disk, another user's), or forking still when the time was
   * up: nothing may start over them.
   */
  readonly survivors: readonly number[];
}

/**
 * Stops the whole tree of `roots`, and whatever carries the marker.
 *
 * The agents get SIGINT, upon which codex ends the commands that it started (after SIGTERM they live
 * on, measured with 0.169), and the grace. What is left once they have gone had its chance through
 * them and gets SIGKILL at once. It is frozen first, until scans find nobody new, since a tree that
 * forks into new sessions outruns a list of pids; a freeze that our own death interrupts is ended by
 * the next sweep. Several looks must then find nobody. Takes no longer than the grace and 3 s, on a
 * machine that has time for us.
 */
export async function stopTree(options: StopOptions): Promise<StopResult> {
  const { marker } = options;
  const cgroups = options.cgroups ?? (marker === undefined ? [] : listRunCgroups(marker));
  const family = createFamily({ ...options, cgroups });
  const signalled = new Set<number>();
  let look = await family.look();

  const hadAgents = family.topAgents().length > 0;
  const ended = await interruptAgents(family, options.graceMs, signalled);
  if (hadAgents) look = await family.look();
  const unsettled = await killRest(
    family,
    look,
    performance.now() + KILL_LIMIT_MS,
    signalled,
    options.cleanLooks ?? CLEAN_LOOKS,
  );

  cgroups.forEach(removeCgroup);
  const standing = [...family.living(), ...unsettled].map(({ identity }) => identity.pid);
  // A root that must be spared (above us, excluded) was not touched, and must not be kept quiet.
  const untouched = options.roots.filter(isAlive).map(({ pid }) => pid);
  const survivors = [...new Set([...standing, ...untouched])];
  const result = { signalled: [...signalled], survivors };
  if (survivors.length > 0) return { outcome: 'survived', ...result };
  if (signalled.size === 0) return { outcome: 'gone', ...result };
  return { outcome: hadAgents && ended ? 'stopped' : 'killed', ...result };
}

/** The same without roots: ends everything that carries the marker of a run that must not exist. */
export function sweepMarked(options: {
  readonly marker: (runId: string) => boolean;
  readonly graceMs: number;
  readonly cleanLooks?: number;
  readonly cgroups?: StopOptions['cgroups'];
  readonly exclude?: StopOptions['exclude'];
}): Promise<StopResult> {
  return stopTree({ ...options, roots: [] });
}

/** True when every agent, nested ones too, ended within the grace. */
async function interruptAgents(
  family: Family,
  graceMs: number,
  signalled: Set<number>,
): Promise<boolean> {
  let agents = family.agents();
  if (agents.length === 0) return true;
  for (const agent of family.topAgents()) interrupt(family, agent, signalled);

  let nextScan = performance.now() + RESCAN_MS;
  return pollUntil(async () => {
    if (agents.every(({ identity }) => !isAlive(identity))) return true;
    const start = performance.now();
    if (start < nextScan) return false;
    // Who is born meanwhile must be known before its parent dies. A tenth of our time at most.
    await family.look();
    // A child of an agent shows the agent's arguments until it has become what it is to be.
    const still = family.agents();
    agents = agents.filter((one) =>
      still.some((other) => isSameProcess(one.identity, other.identity)),
    );
    const end = performance.now();
    nextScan = end + Math.max(RESCAN_MS, 10 * (end - start));
    return false;
  }, graceMs);
}

/** To the group that the agent leads, as the terminal would; else to the agent alone. */
function interrupt(family: Family, { identity, pgid }: ProcessInfo, signalled: Set<number>): void {
  const group = pgid === identity.pid ? family.group(pgid) : null;
  if (group !== null && sendSignal(identity, 'SIGINT', 'group') === 'sent') {
    for (const member of group) signalled.add(member.identity.pid);
  } else if (sendSignal(identity, 'SIGINT') === 'sent') {
    signalled.add(identity.pid);
  }
}

/**
 * Kills until several looks have found nobody, not even one that had ended before it could be
 * signalled and may have a successor. Returns those of the last look when the deadline came first.
 */
async function killRest(
  family: Family,
  lastLook: Look,
  deadline: number,
  signalled: Set<number>,
  wantedLooks: number,
): Promise<readonly ProcessInfo[]> {
  let look = lastLook;
  let wanted = wantedLooks;
  for (let cleanLooks = 0; ; look = await family.look()) {
    if (performance.now() >= deadline) return look.added;
    if (look.added.length > 0 || family.living().length > 0) {
      cleanLooks = 0;
      wanted = CLEAN_LOOKS;
      await freeze(family);
      await kill(family, deadline, signalled);
      continue;
    }
    cleanLooks = look.isSure ? cleanLooks + 1 : 0;
    if (cleanLooks >= wanted) return [];
    await delay(LOOK_PAUSE_MS);
  }
}

/** Stops members, which keeps them as parents of their children, until nobody new turns up. */
async function freeze(family: Family): Promise<void> {
  const deadline = performance.now() + FREEZE_LIMIT_MS;
  const frozen = new Set<number>();
  const stop = (identity: ProcessIdentity): void => {
    if (frozen.has(identity.pid)) return;
    frozen.add(identity.pid);
    sendSignal(identity, 'SIGSTOP');
  };
  for (let calm = 0; calm < CALM_SCANS && performance.now() < deadline;) {
    const before = frozen.size;
    for (const { identity } of family.living()) stop(identity);
    const { added } = await family.look(stop);
    calm = added.length === 0 && frozen.size === before ? calm + 1 : 0;
  }
}

async function kill(family: Family, deadline: number, signalled: Set<number>): Promise<void> {
  if (process.platform !== 'linux') {
    for (const { identity } of family.topAgents()) await killTreeByPid(identity.pid);
  }
  const victims = family.living();
  for (const { identity } of victims) {
    if (sendSignal(identity, 'SIGKILL') === 'sent') signalled.add(identity.pid);
  }
  await pollUntil(
    () => victims.every(({ identity }) => !isAlive(identity)),
    deadline - performance.now(),
  );
}
