import { setTimeout as delay } from 'node:timers/promises';
import { readCgroupPids } from './cgroup.ts';
import { parseCodexExec } from './codex-argv.ts';
import { isAlive, isSameProcess, type ProcessIdentity } from './identity.ts';
import { readEnvironment } from './proc.ts';
import { findSpared } from './spared.ts';
import { hasAncestor, listProcesses, type ProcessInfo } from './table.ts';

/** How often, 1 ms apart, a process without an environment is asked again. */
const EMPTY_ATTEMPTS = 3;

export interface FamilyOptions {
  readonly roots: readonly ProcessIdentity[];
  /** Whether a process that carries this `LOOPER_RUN_ID` belongs. */
  readonly marker?: ((runId: string) => boolean) | undefined;
  /** Whoever lives in these cgroups belongs. */
  readonly cgroups?: readonly string[] | undefined;
  /** Never members, nor anything below them. */
  readonly exclude?: readonly ProcessIdentity[] | undefined;
}

/** What one look brought. */
export interface Look {
  /** The new members, those included that ended since. */
  readonly added: readonly ProcessInfo[];
  /** False when somebody ended in the middle of an `exec`, before it showed to whom it belongs. */
  readonly isSure: boolean;
}

export interface Family {
  /**
   * Takes in who belongs by now. `onSight` is told of the marked at the moment they are read, which
   * outruns even those that live for milliseconds.
   */
  look(onSight?: (member: ProcessIdentity) => void): Promise<Look>;
  living(): readonly ProcessInfo[];
  /** Living roots and `codex exec` members. */
  agents(): readonly ProcessInfo[];
  /** Those of `agents()` that no other of them is above. */
  topAgents(): readonly ProcessInfo[];
  /** The living members of a process group; null when somebody who must be spared is in it. */
  group(pgid: number): readonly ProcessInfo[] | null;
}

/**
 * The processes of a run. No single trait finds them all, since each can be shaken off: a process
 * belongs when it is a root, carries the marker, lives in the run's cgroup, is the child of a living
 * member, is in a group or session that a member led, or works on a thread that a member agent
 * opened. Dying orphans the children, so look before the first signal.
 *
 * Known to escape where no cgroup can be written: what daemonises (`setsid` and a double fork) and
 * clears its environment before any look. A PID namespace, such as that of codex's own sandbox,
 * holds that too.
 */
export function createFamily({ roots, marker, cgroups = [], exclude = [] }: FamilyOptions): Family {
  /** By pid: the living, and the dead whose group or session still holds somebody. */
  const members = new Map<number, ProcessInfo>();
  const threadIds = new Set<string>();
  /** Those that showed no environment however often they were asked. */
  const bare = new Set<string>();
  let table = new Map<number, ProcessInfo>();
  let spared: ReadonlySet<number> = new Set();
  let inCgroup: ReadonlySet<number> = new Set();

  const isRoot = ({ identity }: ProcessInfo): boolean =>
    roots.some((root) => isSameProcess(root, identity));
  const isAgent = (info: ProcessInfo): boolean =>
    isRoot(info) || parseCodexExec(info.argv) !== null;

  const isMarked = ({ environment, isDead }: ProcessInfo): boolean => {
    const runId = environment?.runId ?? null;
    return !isDead && runId !== null && marker !== undefined && marker(runId);
  };

  const belongs = (info: ProcessInfo): boolean => {
    if (isRoot(info) || isMarked(info) || inCgroup.has(info.identity.pid)) return true;
    if (members.has(info.ppid) || members.has(info.pgid) || members.has(info.sid)) return true;
    return threadIds.has(info.environment?.threadId ?? '');
  };

  /**
   * Thread ids are believed only where codex itself set them: on a child of an agent that does not
   * carry the same id. One that the agent inherited is of the interactive codex that started it,
   * and would lead to a person's processes.
   */
  const learnThread = ({ ppid, environment }: ProcessInfo): void => {
    const parent = table.get(ppid);
    if (parent === undefined || !members.has(ppid) || !isAgent(parent)) return;
    const inherited = parent.environment;
    const threadId = environment?.threadId ?? null;
    if (threadId === null || inherited === null || inherited.isEmpty) return;
    if (threadId !== inherited.threadId) threadIds.add(threadId);
  };

  const absorb = (): void => {
    for (let before = -1; before !== members.size + threadIds.size;) {
      before = members.size + threadIds.size;
      for (const [pid, info] of table) {
        if (spared.has(pid) || pid <= 1) continue;
        if (!members.has(pid) && belongs(info)) members.set(pid, info);
        if (members.has(pid)) learnThread(info);
      }
    }
  };

  /** Strangers that show no environment: nearly always in the middle of `exec`, hence worth a wait. */
  const findBare = (): ProcessInfo[] =>
    [...table.values()].filter(
      ({ identity, isDead, environment }) =>
        environment?.isEmpty === true &&
        !isDead &&
        !members.has(identity.pid) &&
        !spared.has(identity.pid) &&
        !bare.has(keyOf(identity)),
    );

  /** False when one of them ended meanwhile. */
  const awaitEnvironments = async (): Promise<boolean> => {
    let isSure = true;
    for (let attempt = 1; attempt <= EMPTY_ATTEMPTS; attempt += 1) {
      const found = findBare();
      if (found.length === 0) return isSure;
      await delay(1);
      for (const info of found) {
        const { pid } = info.identity;
        const environment = readEnvironment(pid);
        if (environment === null) isSure = false;
        table.set(pid, { ...info, environment });
      }
      absorb();
    }
    for (const { identity } of findBare()) bare.add(keyOf(identity));
    return isSure;
  };

  /**
   * The number of the dead is given to others, but not while a group or session goes by it. The
   * living are seen as they are now: a child shows its parent's arguments until its own exec.
   */
  const renewMembers = (): void => {
    const named = new Set([...table.values()].flatMap(({ pgid, sid }) => [pgid, sid]));
    for (const [pid, { identity }] of members) {
      const now = table.get(pid);
      const isGone = now === undefined ? !named.has(pid) : !isSameProcess(now.identity, identity);
      if (isGone) members.delete(pid);
      else if (now !== undefined && !now.isDead) members.set(pid, now);
    }
  };

  const living = (): readonly ProcessInfo[] =>
    [...members.values()].filter(({ identity }) => isAlive(identity));
  const agents = (): readonly ProcessInfo[] => living().filter(isAgent);

  return {
    look: async (onSight = () => undefined) => {
      const known = new Map(members);
      table = new Map(
        await listProcesses((info) => {
          const { pid } = info.identity;
          // Who is below an excluded one shows only when the table is complete.
          if (exclude.length === 0 && pid > 1 && !spared.has(pid) && isMarked(info)) {
            onSight(info.identity);
          }
        }),
      );
      spared = findSpared(table, exclude);
      inCgroup = readCgroupPids(cgroups);
      renewMembers();
      absorb();
      const isSure = await awaitEnvironments();
      const added = [...members.values()].filter(({ identity, isDead }) => {
        const before = known.get(identity.pid);
        return !isDead && (before === undefined || !isSameProcess(before.identity, identity));
      });
      return { added, isSure };
    },
    living,
    agents,
    topAgents: () => {
      const all = agents();
      const isOneOfThem = ({ identity }: ProcessInfo): boolean =>
        all.some((agent) => isSameProcess(agent.identity, identity));
      return all.filter(({ identity }) => !hasAncestor(table, identity.pid, isOneOfThem));
    },
    group: (pgid) => {
      const inGroup = [...table.values()].filter((info) => info.pgid === pgid);
      if (inGroup.some(({ identity }) => spared.has(identity.pid))) return null;
      return inGroup.filter(({ identity }) => isAlive(identity));
    },
  };
}

function keyOf({ pid, start_time }: ProcessIdentity): string {
  return `${pid} ${start_time}`;
}
