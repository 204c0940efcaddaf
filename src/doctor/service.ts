import { isLooperVariable, SET_FOR_AGENTS } from '../config/schema.ts';
import { info, ok, warning, type Finding } from './finding.ts';

/** What `GET /health` of the configured address came to. */
export type Health =
  | { readonly kind: 'answers'; readonly version: string }
  | { readonly kind: 'absent' }
  /** Somebody answers, and not as a Looper of this version does. */
  | { readonly kind: 'strange'; readonly why: string };

export interface ServiceSubject {
  readonly url: string;
  readonly isLocal: boolean;
  readonly health: Health;
  /** What the holder of the daemon's lock says of itself; null: nobody holds it. */
  readonly holder: string | null;
  readonly logDirectory: string;
  readonly version: string;
}

/** Whether a service runs, and whether it is the one that these settings mean. */
export function judgeService(subject: ServiceSubject): Finding[] {
  const { url, health, holder, logDirectory, version } = subject;
  const id = 'service.running';
  const lock = holder === null ? '' : `, though one holds ${logDirectory} (${holder})`;
  if (health.kind === 'strange') {
    const todo = 'Stop what listens there, or choose another LOOPER_PORT (LOOPER_URL)';
    return [warning(id, `${url} is somebody else's: ${health.why}${lock}`, todo)];
  }
  if (health.kind === 'absent') {
    const what = `no service answers at ${url}${lock}`;
    if (holder !== null)
      return [warning(id, what, 'Look at its log, and whether LOOPER_URL is right')];
    return [info(id, what, '`looper serve` starts one; `looper init systemd` makes it permanent')];
  }
  const findings = [ok(id, `a service answers at ${url} (version ${health.version})`)];
  if (health.version !== version) {
    const what = `the service is version ${health.version}, this command ${version}`;
    findings.push(warning('service.version', what, 'Restart the service to bring it up to date'));
  }
  if (subject.isLocal && holder === null) {
    const what = `the service at ${url} keeps its runs elsewhere than in ${logDirectory}`;
    const todo =
      'Run the doctor with the settings of the service (LOOPER_LOG_DIR, LOOPER_ENV_FILE)';
    findings.push(warning('service.log_directory', what, todo));
  }
  return findings;
}

/** The pid in what `serve` says of itself when it takes the lock. */
export function holderPid(holder: string | null): number | null {
  const pid = /^pid (\d+)\b/.exec(holder ?? '')?.[1];
  return pid === undefined ? null : Number(pid);
}

/** Beside Looper's own: what decides with which credentials and times the agent works. */
const ALSO_COMPARED = ['CODEX_HOME', 'CODEX_API_KEY', 'TZ'];
/** Of the command line only. */
const NOT_COMPARED = [...SET_FOR_AGENTS, 'LOOPER_URL'];

type Variables = Readonly<Record<string, string | undefined>>;

/** Names of the settings that the service was started with otherwise; never their values. */
export function differingSettings(service: Variables, shell: Variables): string[] {
  const names = new Set([...Object.keys(service), ...Object.keys(shell)]);
  return [...names]
    .filter((name) => isLooperVariable(name) || ALSO_COMPARED.includes(name))
    .filter((name) => !NOT_COMPARED.includes(name))
    .filter((name) => (service[name]?.trim() ?? '') !== (shell[name]?.trim() ?? ''))
    .sort();
}

export function judgeSettings(differing: readonly string[]): Finding[] {
  if (differing.length === 0) return [];
  const what = `the service was started with other values of ${differing.join(', ')}; the doctor looked with those of this shell`;
  const todo = 'Keep settings in the env file, which both read (LOOPER_ENV_FILE)';
  return [warning('service.settings', what, todo)];
}

/** A service that is the first process of a container inherits every orphan of its agents. */
export function judgeInit(pid: number | null): Finding[] {
  if (pid !== 1) return [];
  const what = 'Looper is process 1 here, and Node does not reap orphans';
  return [warning('service.init', what, 'Run it under an init: `docker run --init`, or tini')];
}
