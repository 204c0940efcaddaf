/**
 * A witness of its own, apart from the code under test: who is there, by what /proc tells. Every
 * process of a campaign carries the campaign's folder in its environment, and nothing without it is
 * ever touched.
 *
 * @typedef {object} Seen
 * @property {number} pid
 * @property {string} start clock ticks since boot
 * @property {number} ppid
 * @property {boolean} isStopped
 * @property {'daemon' | 'runner' | 'agent' | 'other'} role
 * @property {string | null} runId
 * @property {string} command
 */
import { readdirSync, readFileSync } from 'node:fs';

/** How long after it was first seen a stranger may still turn into one of ours by `exec`. */
const MAY_TURN_MS = 300;

/**
 * @param {string} campaign the value of CHAOS_DIR in the environment of the campaign's processes
 * @returns {() => Seen[]} the campaign's living processes, zombies left out
 */
export function createWitness(campaign) {
  const mark = `CHAOS_DIR=${campaign}\0`;
  /** When each stranger was first seen; forgotten as soon as its pid is free. */
  let strangers = new Map();
  return () => {
    const now = performance.now();
    const still = new Map();
    const seen = [];
    for (const name of readdirSync('/proc')) {
      const first = name.charCodeAt(0);
      if (first < 48 || first > 57) continue;
      const since = strangers.get(name) ?? now;
      if (now - since < MAY_TURN_MS) {
        const process = look(name, mark);
        if (process !== null) {
          seen.push(process);
          continue;
        }
      }
      still.set(name, since);
    }
    strangers = still;
    return seen;
  };
}

/** Whether this very process is there and no zombie. */
export function isThere({ pid, start }) {
  const stat = readStat(pid);
  return stat !== null && stat.start === start && !stat.isDead;
}

/** Signals a process of the campaign, known by pid and start; false when it is gone. */
export function signal(seen, name) {
  if (!isThere(seen)) return false;
  try {
    process.kill(seen.pid, name);
    return true;
  } catch {
    return false;
  }
}

function look(pid, mark) {
  const environment = read(`/proc/${pid}/environ`);
  if (environment === null || !environment.includes(mark)) return null;
  const stat = readStat(pid);
  if (stat === null || stat.isDead) return null;
  const argv = (read(`/proc/${pid}/cmdline`) ?? '').split('\0');
  const runId = /(?:^|\0)LOOPER_RUN_ID=([^\0]*)/.exec(environment)?.[1] ?? null;
  return {
    pid: Number(pid),
    start: stat.start,
    ppid: stat.ppid,
    isStopped: stat.isStopped,
    role: roleOf(argv, runId),
    runId,
    command: argv.join(' ').slice(0, 200),
  };
}

function roleOf(argv, runId) {
  const script = argv[1] ?? '';
  if (runId !== null) return script.endsWith('fake-codex.mjs') ? 'agent' : 'other';
  if (script.endsWith('/dist/runner.js')) return 'runner';
  return script.endsWith('/dist/cli.js') ? 'daemon' : 'other';
}

function readStat(pid) {
  const text = read(`/proc/${pid}/stat`);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', 20);
  return {
    isDead: fields[0] === 'Z' || fields[0] === 'X',
    isStopped: fields[0] === 'T',
    ppid: Number(fields[1]),
    start: fields[19],
  };
}

function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
