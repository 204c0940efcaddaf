import { failure, info, ok, warning, type Finding } from './finding.ts';
import { ask, firstWords, type AskOptions } from './ask.ts';

const GIT_MS = 5_000;

export interface Machine {
  readonly nodeVersion: string;
  readonly platform: NodeJS.Platform;
  /** `TZ`, where it is set. */
  readonly timeZone: string | undefined;
  /** Whether Linux shows its processes. */
  readonly hasProc: boolean;
}

/** What Looper runs on, as far as it has an opinion about it. */
export function checkMachine(machine: Machine): Finding[] {
  return [...checkNode(machine.nodeVersion), ...checkSystem(machine), ...checkZone(machine)];
}

/** 20.19+, 22.12+, 24 and later: what the tests run on. */
export function checkNode(version: string): Finding[] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const shown = `Node ${version}`;
  const isTested = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24;
  if (isTested) return [ok('machine.node', shown)];
  const todo = 'Install Node 20.19 or later, 22.12 or later, or 24';
  const isTooOld = major < 20 || (major === 20 && minor < 19) || (major === 22 && minor < 12);
  return isTooOld
    ? [failure('machine.node', `${shown} is too old`, todo)]
    : [warning('machine.node', `${shown} is not a version that Looper is tested with`, todo)];
}

function checkSystem({ platform, hasProc }: Machine): Finding[] {
  const id = 'machine.system';
  if (platform === 'darwin') {
    return [info(id, 'macOS: nobody has verified Looper there yet; please tell what you see')];
  }
  if (platform !== 'linux') {
    const why = 'processes are found and stopped as on Linux and macOS only';
    return [failure(id, `${platform} is not supported: ${why}`, 'Use Linux, a VM or WSL 2')];
  }
  if (hasProc) return [ok(id, 'Linux')];
  return [failure(id, '/proc is not mounted, so no process can be found', 'Mount it')];
}

/** Node takes an unknown zone for UTC without a word, and schedules with it. */
function checkZone({ timeZone }: Machine): Finding[] {
  if (timeZone === undefined || timeZone === '') return [];
  try {
    Intl.DateTimeFormat('en', { timeZone: timeZone.replace(/^:/, '') });
    return [];
  } catch {
    const what = `TZ=${timeZone} is not a zone that Node knows: times are taken as UTC`;
    return [warning('machine.time_zone', what, 'Write it like TZ=Europe/Berlin, or unset it')];
  }
}

/** `isNeeded`: whether Looper is to commit. */
export async function checkGit(
  options: Omit<AskOptions, 'deadlineMs'>,
  isNeeded: boolean,
): Promise<Finding[]> {
  const answer = await ask(['git', '--version'], { ...options, deadlineMs: GIT_MS });
  if (answer.kind === 'ended' && answer.code === 0) {
    return [ok('machine.git', firstWords(answer.stdout).replace(/^git version /, 'git '))];
  }
  const why = {
    ended: () => `git --version failed`,
    absent: () => `git ${answer.kind === 'absent' ? answer.why : ''}`,
    late: () => `git --version did not answer within ${GIT_MS / 1000} s`,
  }[answer.kind]();
  const todo = 'Install git, or set LOOPER_COMMIT=off';
  return isNeeded
    ? [failure('machine.git', `${why}: nothing can be committed`, todo)]
    : [info('machine.git', `${why}; LOOPER_COMMIT=off needs none`)];
}
