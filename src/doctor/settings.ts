import type { Config } from '../config.ts';
import { NO_CONFIG_FILE, readConfigFile, type FileConfig } from '../config-file/read.ts';
import { startCronClock } from '../cron-clock.ts';
import { LooperError } from '../errors.ts';
import { failure, info, ok, warning, type Finding } from './finding.ts';

/** The variables and the env file. */
export function checkVariables(config: Config, problems: readonly string[]): Finding[] {
  const { envFile, warnings } = config;
  const where = envFile === undefined ? 'the environment' : `the environment or ${envFile}`;
  const read =
    envFile === undefined
      ? 'environment only; there is no env file (LOOPER_ENV_FILE)'
      : `environment, and ${envFile}`;
  return [
    problems.length === 0
      ? ok('settings.variables', read)
      : info('settings.variables', `${read}; what is wrong there counts as unset below`),
    ...problems.map((what) => failure('settings.variable', what, `Correct it in ${where}`)),
    ...warnings.map((what) => warning('settings.variable', what, `Change it in ${where}`)),
  ];
}

/** What LOOPER_CONFIG_FILE says; `file`: to go on with, empty where it cannot be used. */
export function checkConfigFile(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly file: FileConfig; readonly findings: readonly Finding[] } {
  const { configFile: path } = config;
  const id = 'settings.config_file';
  if (path === undefined) {
    const none = 'no LOOPER_CONFIG_FILE: no hooks, schedules or further channels';
    return { file: NO_CONFIG_FILE, findings: [info(id, none)] };
  }
  try {
    const variables = { ...config.agentEnvironment, ...environment };
    const file = readConfigFile({ path, variables, workspace: config.workspace.directory });
    return { file, findings: [...contents(path, file), ...remarks(file)] };
  } catch (error) {
    if (!(error instanceof LooperError)) throw error;
    const findings = problemsOf(error).map(({ line, sentence }) =>
      failure(
        id,
        `${path}, line ${line}: ${sentence}`,
        'Correct the file; until then serve refuses to start',
      ),
    );
    return { file: NO_CONFIG_FILE, findings };
  }
}

function problemsOf({ details }: LooperError): { line: number; sentence: string }[] {
  return details['problems'] as { line: number; sentence: string }[];
}

function remarks({ warnings }: FileConfig): Finding[] {
  return warnings.map((what) => warning('settings.secret', what, 'Do what it says'));
}

function contents(path: string, { hooks, schedules, channels }: FileConfig): Finding[] {
  const named = (what: string, list: readonly { readonly name: string }[]): string =>
    `${what} ${list.length === 0 ? 'none' : list.map(({ name }) => name).join(', ')}`;
  const parts = [named('hooks', hooks), named('schedules', schedules), named('channels', channels)];
  return [
    ok('settings.config_file', `${path}: ${parts.join('; ')}`),
    ...schedules.map(({ name, cron, timezone }) => {
      const zone = timezone ?? 'the time zone of the service';
      const next = nextTime(cron, timezone).toISOString();
      return ok('settings.schedule', `${name} is due next at ${next} (${cron}, ${zone})`);
    }),
  ];
}

function nextTime(expression: string, timezone: string | null): Date {
  const never = (): void => undefined;
  const clock = startCronClock({ expression, timezone, onTime: never, onMissed: never });
  clock.stop();
  return clock.next();
}
