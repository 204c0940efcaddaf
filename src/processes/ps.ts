import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** One process as `ps` shows it, on systems without /proc. */
export interface PsRow {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly uid: number;
  /** Start in whole seconds since the epoch. */
  readonly startTime: string;
  readonly isDead: boolean;
  readonly argv: readonly string[];
}

export interface PsStat {
  readonly startTime: string;
  readonly pgid: number;
  readonly isDead: boolean;
}

const PS_TIMEOUT_MS = 5000;
const TREE_KILL_LIMIT_MS = 2000;
const PS_COLUMNS = 'pid=,pgid=,state=,lstart=';
// The start time is printed in local time and language; these make it the same for every reader.
const PS_OPTIONS = {
  encoding: 'utf8',
  timeout: PS_TIMEOUT_MS,
  maxBuffer: 64 * 1024 * 1024,
  env: { TZ: 'UTC', LC_ALL: 'C', PATH: '/bin:/usr/bin' },
} as const;

/**
 * Every process, by ps-list (parent, user, command line) and one more `ps` (group, state, start).
 * A process that the two saw differently is left out: in doubt it is spared.
 */
export async function listWithPs(): Promise<PsRow[]> {
  const { default: psList } = await import('ps-list');
  const expired = delay(PS_TIMEOUT_MS, null, { ref: false });
  const listed = await Promise.race([psList(), expired]);
  if (listed === null) throw new Error(`ps did not answer within ${PS_TIMEOUT_MS} ms`);
  const stats = parsePsTable(runPs(['-axo', PS_COLUMNS]));
  const rows: PsRow[] = [];
  for (const { pid, ppid, uid, startTime, cmd } of listed) {
    const stat = stats.get(pid);
    if (stat === undefined || uid === undefined || startTime === undefined) continue;
    if (stat.startTime !== toSeconds(startTime)) continue;
    rows.push({ ...stat, pid, ppid, uid, argv: splitCommand(cmd ?? '') });
  }
  if (rows.length === 0) throw new Error('ps lists no process, not even this one');
  return rows;
}

/** One process, null when it is gone; throws when `ps` cannot say. */
export function readStatWithPs(pid: number): PsStat | null {
  return parsePsTable(runPs(['-o', PS_COLUMNS, '-p', String(pid)])).get(pid) ?? null;
}

function runPs(args: readonly string[]): string {
  const { stdout, stderr, status, error } = spawnSync('ps', args, PS_OPTIONS);
  if (error !== undefined) throw error;
  // Status 1 without a word is how `ps` says that there is no such process.
  const isNobody = status === 1 && stdout.trim() === '' && stderr.trim() === '';
  if (status === 0 || isNobody) return stdout;
  throw new Error(`ps ${args.join(' ')} ended with ${status}: ${stderr.trim()}`);
}

/** Parses `pid pgid state lstart` lines, the start time being UTC. */
export function parsePsTable(text: string): Map<number, PsStat> {
  const rows = new Map<number, PsStat>();
  for (const line of text.split('\n')) {
    const [, pid, pgid, state = '', start = ''] =
      /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+)$/.exec(line) ?? [];
    const started = new Date(`${start.trim()} UTC`);
    if (pid === undefined || Number.isNaN(started.getTime())) continue;
    rows.set(Number(pid), {
      startTime: toSeconds(started),
      pgid: Number(pgid),
      isDead: state.startsWith('Z'),
    });
  }
  return rows;
}

/**
 * `ps` joins the arguments with blanks, so `codex 'exec the plan'`, a person's interactive session,
 * looks like `codex exec the plan`. Where a word that could be prose follows `exec`, the line stays
 * whole, and nobody recognises it.
 */
export function splitCommand(command: string): readonly string[] {
  const words = command.split(' ').filter((word) => word !== '');
  const isProse = words.some((word, at) => {
    const next = words[at + 1];
    return (word === 'exec' || word === 'e') && next !== undefined && !next.startsWith('-');
  });
  return isProse ? [command] : words;
}

/**
 * SIGKILL to a process and its descendants by tree-kill, for systems without /proc. Says nothing
 * about success: tree-kill reports it for a root that had already gone and kills only the root when
 * its lister fails, so look again afterwards. The caller has checked that the process is the one it
 * means.
 */
export async function killTreeByPid(pid: number): Promise<void> {
  // tree-kill takes 0 and -1 for pids, and dies of an unhandled error when its lister is missing.
  if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) return;
  const lister = process.platform === 'darwin' ? 'pgrep' : 'ps';
  const probe = spawnSync(lister, ['-P', '1'], { stdio: 'ignore', timeout: PS_TIMEOUT_MS });
  if (probe.error !== undefined) return;
  const { default: treeKill } = await import('tree-kill');
  const killed = new Promise<void>((resolve) => {
    treeKill(pid, 'SIGKILL', () => resolve());
  });
  await Promise.race([killed, delay(TREE_KILL_LIMIT_MS, undefined, { ref: false })]);
}

function toSeconds(date: Date): string {
  return String(Math.floor(date.getTime() / 1000));
}
