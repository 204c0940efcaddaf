/** What must hold for the files of every run once it has ended. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listBases, readEnd, readEvents, readRecord, readText } from './run-files.mjs';

const BOOT_ID = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
const TRAILER = /^# (?:codex_exec_return_code=(-?\d+)|looper_outcome=(\w+))$/;
const CGROUPS = '/sys/fs/cgroup';
/** Outcomes that a campaign can bring about; any other one is a fault. */
const EXPECTED = ['succeeded', 'failed', 'stopped', 'shutdown', 'replaced', 'lost'];
const REBOOTED = 'The machine was restarted while it ran.';
const KILLED_BY_DAEMON = 'Its runner did not stop and was killed.';

/**
 * @typedef {object} Kill a process that got SIGKILL from the campaign
 * @property {string} role
 * @property {number} pid
 * @property {string} start
 * @property {number} from it was alive at this time (milliseconds since the epoch)
 * @property {number} to and did nothing any more from this one on
 */

/**
 * @param {string} logs
 * @param {(sentence: string, base?: string) => void} violation
 */
export function createChecks(logs, violation) {
  const done = new Set();
  const outcomes = new Map();

  const checkRun = (base, kills) => {
    const say = (sentence) => violation(sentence, base);
    const record = readRecord(logs, base);
    if (record?.status !== 'finished') {
      return say(`the run has no final state: its record says ${record?.status ?? 'nothing'}`);
    }
    outcomes.set(record.outcome, (outcomes.get(record.outcome) ?? 0) + 1);
    const end = readEnd(logs, base);
    if (end?.outcome !== record.outcome) say(`.end says ${end?.outcome}, .json ${record.outcome}`);
    const ends = readEvents(logs, base, 'end').length;
    if (ends !== 1) say(`${ends} final events`);
    if (!EXPECTED.includes(record.outcome)) say(`outcome ${record.outcome}: ${record.reason}`);
    if (record.reason?.startsWith("Looper's runner failed")) say(record.reason);
    checkLost(record, kills, say);
    checkLog(record, say);
  };

  return {
    /** Looks at every run that it has not found in order before. */
    checkEnded: (kills) => {
      for (const base of listBases(logs)) {
        if (done.has(base)) continue;
        done.add(base);
        checkRun(base, kills);
      }
    },
    /** For the end of a campaign: whether anything came of an ended run later, or is left of it. */
    checkAll: () => {
      const cgroups = new Set(listCgroups(CGROUPS));
      for (const base of listBases(logs)) {
        if (cgroups.has(`looper-${base.split('-').at(-1)}`)) violation('its cgroup is left', base);
        const ends = readEvents(logs, base, 'end').length;
        if (ends !== 1) violation(`${ends} final events`, base);
      }
    },
    outcomes: () => outcomes,
    count: () => done.size,
  };
}

/**
 * `lost` says that nobody was left to write the end: the runner was killed before it stood, or the
 * run never came to have one, because daemon or runner were killed in between. The reverse too: a
 * killed runner means `lost`, unless its end stood already or the daemon had given it up.
 */
function checkLost(record, kills, say) {
  const { outcome, reason, runner, created_at, started_at, finished_at } = record;
  const createdAt = Date.parse(created_at);
  const finishedAt = Date.parse(finished_at);
  const isRunner = ({ role, pid, start }) =>
    role === 'runner' && pid === runner?.pid && start === runner.start_time.split(':').at(-1);
  const killed = kills.find(isRunner);
  if (outcome === 'lost') {
    const isDaemonsDeath = ({ role, to }) => role === 'daemon' && to >= createdAt;
    const neverStarted = started_at === null && kills.some(isDaemonsDeath);
    if (killed === undefined && !neverStarted) say(`lost, yet nobody killed its runner: ${reason}`);
    if (killed !== undefined && finishedAt < killed.from) say('lost before its runner was killed');
    const isOfAnotherBoot = runner !== null && !runner.start_time.startsWith(BOOT_ID);
    if (isOfAnotherBoot !== (reason === REBOOTED)) say(`of another boot or not? ${reason}`);
  } else if (killed !== undefined && finishedAt > killed.to && reason !== KILLED_BY_DAEMON) {
    say(`${outcome} at ${finished_at}, yet its runner was killed before that`);
  }
}

function checkLog(record, say) {
  const bytes = Buffer.from(readText(record.log_path));
  if (bytes.length === 0) {
    if (record.turns.length > 0) say('a turn is on record, but there is no log');
    return;
  }
  const text = bytes.toString();
  const lines = text.split('\n');
  const trailers = lines.filter((line) => TRAILER.test(line));
  if (lines.pop() !== '' || trailers.length !== 1 || !TRAILER.test(lines.at(-1))) {
    say(`the log ends in ${JSON.stringify(text.slice(-160))}, with ${trailers.length} trailers`);
  }
  for (const { log_start, log_end } of record.turns) {
    checkNumbers(bytes.subarray(log_start, log_end ?? bytes.length).toString(), say);
  }
}

/** The names of all cgroups of the machine that can be seen. */
function listCgroups(directory) {
  if (!existsSync(directory)) return [];
  const folders = readdirSync(directory, { withFileTypes: true }).filter((one) =>
    one.isDirectory(),
  );
  return folders.flatMap(({ name }) => [name, ...listCgroups(join(directory, name))]);
}

/** `line 1`, `line 2`, … without a gap, and as many as the agent says when it got to say so. */
function checkNumbers(text, say) {
  const numbers = [...text.matchAll(/"text":"line (\d+)"/g)].map((match) => Number(match[1]));
  const gap = numbers.findIndex((number, index) => number !== index + 1);
  if (gap >= 0) say(`line ${numbers[gap]} stands where line ${gap + 1} belongs`);
  const said = /"text":"printed (\d+)"/.exec(text);
  if (said !== null && Number(said[1]) !== numbers.length) {
    say(`the agent printed ${said[1]} lines, the log holds ${numbers.length}`);
  }
}
