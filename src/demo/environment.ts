import { delimiter, dirname } from 'node:path';
import { isLooperVariable } from '../config/schema.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface DemoPlace {
  /** Holds all the others. */
  readonly folder: string;
  readonly repository: string;
  readonly home: string;
  readonly logs: string;
}

/**
 * What the demo's service and agent are told: the person's environment without their Looper, their
 * chat and their git settings, so that nobody hears of it and it is the same everywhere. A real
 * agent keeps their home, where its account is.
 */
export function demoEnvironment(options: {
  readonly given: Environment;
  readonly place: DemoPlace;
  readonly agent: string;
  readonly isReal: boolean;
  /** The Node that runs us, for the scripted agent's first line and for its commands. */
  readonly node: string;
}): Record<string, string> {
  const { given, place, agent, isReal, node } = options;
  const kept = Object.entries(given).flatMap(([name, value]) =>
    value === undefined || isLooperVariable(name) || name.startsWith('GIT_')
      ? []
      : [[name, value] as const],
  );
  return {
    ...Object.fromEntries(kept),
    ...(isReal
      ? {}
      : { HOME: place.home, PATH: [dirname(node), given['PATH'] ?? ''].join(delimiter) }),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    LOOPER_ENV_FILE: '/dev/null',
    LOOPER_PORT: '0',
    LOOPER_LOG_DIR: place.logs,
    LOOPER_WORKSPACE: place.repository,
    LOOPER_KILL_SCOPE: 'owned',
    LOOPER_AUTO_START_WHEN_IDLE: '0',
    LOOPER_STANDBY_RUNNER: '0',
    LOOPER_RUN_TIMEOUT_SECONDS: isReal ? '1800' : '25',
    CODEX_EXEC_BINARY: agent,
  };
}
