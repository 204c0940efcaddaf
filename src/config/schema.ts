import { z } from 'zod';
import {
  args,
  cron,
  flag,
  host,
  hostList,
  httpUrl,
  oneOf,
  plainName,
  seconds,
  text,
  token,
  triggerUrl,
  wholeNumber,
  word,
} from './fields.ts';

/** A shorter poll or deadline would be a hot loop or could never be met. */
const SHORTEST_SECONDS = 0.1;
const HOUR_SECONDS = 3600;

/** Every variable that Looper reads, and its default; durations are read as milliseconds. */
export const schema = z.object({
  LOOPER_HOST: host.default('127.0.0.1'),
  LOOPER_PORT: wholeNumber(0, 65_535).default(3456),
  LOOPER_API_TOKEN: token.optional(),
  LOOPER_ALLOWED_HOSTS: hostList.default([]),
  LOOPER_INSECURE: flag.default(false),
  LOOPER_URL: triggerUrl.optional(),

  LOOPER_WORKSPACE: text.optional(),
  LOOPER_WORKSPACE_ROOTS: text.optional(),
  LOOPER_PROMPT: text.optional(),
  LOOPER_PROMPT_FILE: text.optional(),
  LOOPER_TICKETS_DIR: text.optional(),

  LOOPER_LOG_LEVEL: word({
    trace: 'trace',
    debug: 'debug',
    info: 'info',
    warn: 'warn',
    error: 'error',
    fatal: 'fatal',
    silent: 'silent',
    // The original Looper names its levels as Python does.
    warning: 'warn',
    critical: 'fatal',
  }).default('info'),
  LOOPER_LOG_DIR: text.optional(),
  LOOPER_SERVER_LOG_PATH: text.optional(),
  LOOPER_KEEP_RUNS: wholeNumber(1, 1_000_000).default(500),
  LOOPER_KEEP_DAYS: wholeNumber(1, 36_500).default(90),
  LOOPER_MAX_LOG_BYTES: wholeNumber(1024, Number.MAX_SAFE_INTEGER).default(2 * 1024 ** 3),
  LOOPER_MIRROR_OUTPUT: flag.default(false),

  CODEX_EXEC_BINARY: text.optional(),
  CODEX_EXEC_DELAY_SECONDS: seconds(0, HOUR_SECONDS).default(0),
  CODEX_EXEC_STARTUP_CHECK_SECONDS: seconds(0, HOUR_SECONDS).default(1000),
  LOOPER_ALLOW_REQUEST_BINARY: flag.default(false),
  LOOPER_CODEX_SANDBOX: oneOf('read-only', 'workspace-write', 'danger-full-access').default(
    'workspace-write',
  ),
  LOOPER_CODEX_NETWORK: flag.default(false),
  LOOPER_CODEX_MODEL: plainName.optional(),
  LOOPER_CODEX_ARGS: args.default([]),
  LOOPER_COMMIT: oneOf('looper', 'agent', 'off').default('looper'),

  LOOPER_KILL_SCOPE: oneOf('all', 'workspace', 'owned').default('all'),
  LOOPER_KILL_GRACE_SECONDS: seconds(0, HOUR_SECONDS).default(5000),
  LOOPER_ON_BUSY: oneOf('replace', 'reject', 'queue').default('replace'),
  LOOPER_ON_SHUTDOWN: oneOf('stop', 'detach').default('stop'),
  LOOPER_STANDBY_RUNNER: flag.default(true),

  LOOPER_AUTO_START_WHEN_IDLE: flag.default(true),
  LOOPER_IDLE_POLL_SECONDS: seconds(SHORTEST_SECONDS).default(300_000),
  LOOPER_IDLE_LOG_STALE_SECONDS: seconds(0).default(600_000),
  LOOPER_AUTOPOLL_CRON: cron.optional(),
  LOOPER_MAX_AUTO_RUNS_PER_DAY: wholeNumber(0, 100_000).default(48),

  LOOPER_MAX_TURNS: wholeNumber(1, 100_000).default(50),
  LOOPER_MAX_TURNS_PER_TICKET: wholeNumber(1, 100_000).default(10),
  LOOPER_TURN_TIMEOUT_SECONDS: seconds(SHORTEST_SECONDS).default(7_200_000),
  LOOPER_STALL_SECONDS: seconds(SHORTEST_SECONDS).default(1_800_000),
  LOOPER_RUN_TIMEOUT_SECONDS: seconds(SHORTEST_SECONDS).optional(),

  LOOPER_NOTIFY_REQUIRED: flag.default(false),
  LOOPER_NOTIFY_TIMEOUT_SECONDS: seconds(SHORTEST_SECONDS, HOUR_SECONDS).default(10_000),
  LOOPER_HEALTHCHECK_URL: httpUrl.optional(),
  ZULIPRC_PATH: text.optional(),
  ZULIP_PROFILE: text.default('api'),
  ZULIP_SITE: httpUrl.optional(),
  ZULIP_BOT_EMAIL: text.optional(),
  ZULIP_BOT_API_KEY: text.optional(),
  ZULIP_MESSAGE_TYPE: word({
    stream: 'stream',
    private: 'private',
    channel: 'stream',
    direct: 'private',
  }).default('stream'),
  ZULIP_STREAM: text.optional(),
  ZULIP_TOPIC: text.optional(),
  ZULIP_TO: text.optional(),

  LOOPER_CONFIG_FILE: text.optional(),
  LOOPER_ENV_FILE: text.optional(),
});

export type Settings = z.output<typeof schema>;
export type VariableName = keyof Settings;

/** Older names; the first one counts when both are set. */
export const ALIASES = {
  LOOPER_LOG_DIR: 'CODEX_EXEC_LOG_DIR',
  ZULIP_STREAM: 'ZULIP_CHANNEL',
} as const satisfies Partial<Record<VariableName, string>>;

/** Secrets that may also be given as the path of a file, in `<NAME>_FILE`. */
export const FILE_SECRETS = [
  'LOOPER_API_TOKEN',
  'ZULIP_BOT_API_KEY',
] as const satisfies readonly VariableName[];

/** Variables whose value is never shown; the health-check address is one: who knows it can ping it. */
export const SECRETS = [
  ...FILE_SECRETS,
  'LOOPER_HEALTHCHECK_URL',
] as const satisfies readonly VariableName[];

/** Looper sets these for its agents, so a trigger from inside a run finds them. */
export const SET_FOR_AGENTS: readonly string[] = ['LOOPER_RUN_ID', 'LOOPER_TICKET'];

export const KNOWN_VARIABLES: readonly string[] = [
  ...Object.keys(schema.shape),
  ...Object.values(ALIASES),
  ...FILE_SECRETS.map((name) => `${name}_FILE`),
  ...SET_FOR_AGENTS,
];

/** Settings of Looper and of its channels, which the agent never sees. */
export function isLooperVariable(name: string): boolean {
  return /^(?:LOOPER_|ZULIP|CODEX_EXEC_)/.test(name);
}
