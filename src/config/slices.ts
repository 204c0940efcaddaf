import { isAbsolute, join } from 'node:path';
import type { Findings } from './findings.ts';
import type { Settings } from './schema.ts';
import type { ConfigSources } from './sources.ts';
import { isWildcardAddress, urlHost } from '../host-name.ts';
import { xdgDirectory } from './env-file.ts';
import { parts } from './fields.ts';
import { absolutePath } from './sources.ts';

/** The settings, sorted by who uses them. Paths are absolute, durations are milliseconds. */
export function toSlices(
  settings: Settings,
  envFile: string | undefined,
  sources: ConfigSources,
  findings: Findings,
) {
  const path = (given: string | undefined) =>
    given === undefined ? undefined : absolutePath(given, sources);
  const logDirectory = path(settings.LOOPER_LOG_DIR) ?? defaultLogDirectory(sources);

  return {
    http: {
      host: settings.LOOPER_HOST,
      /** 0: any free port. */
      port: settings.LOOPER_PORT,
      token: settings.LOOPER_API_TOKEN,
      allowedHosts: settings.LOOPER_ALLOWED_HOSTS,
      insecure: settings.LOOPER_INSECURE,
    },
    client: {
      /** Where the command line finds the daemon, without `/run` and without a slash at the end. */
      baseUrl: settings.LOOPER_URL ?? ownUrl(settings),
      token: settings.LOOPER_API_TOKEN,
    },
    workspace: {
      directory: path(settings.LOOPER_WORKSPACE),
      /** Undefined: unrestricted. */
      roots: workspaceRoots(settings.LOOPER_WORKSPACE_ROOTS, sources, findings),
    },
    prompt: {
      text: settings.LOOPER_PROMPT,
      file: path(settings.LOOPER_PROMPT_FILE),
    },
    tickets: {
      /** As given; a relative one starts at the workspace of the run. */
      directory: ticketsDirectory(settings.LOOPER_TICKETS_DIR, sources),
    },
    logs: {
      directory: logDirectory,
      level: settings.LOOPER_LOG_LEVEL,
      serverLogDirectory: join(logDirectory, 'server'),
      /** A link to the daemon's current log. */
      serverLogPath:
        path(settings.LOOPER_SERVER_LOG_PATH) ?? join(logDirectory, 'looper-server.log'),
      keepRuns: settings.LOOPER_KEEP_RUNS,
      keepDays: settings.LOOPER_KEEP_DAYS,
      mirrorOutput: settings.LOOPER_MIRROR_OUTPUT,
    },
    codex: {
      /** A path, or a bare name to be looked up on `PATH`. */
      binary: settings.CODEX_EXEC_BINARY?.includes('/')
        ? path(settings.CODEX_EXEC_BINARY)
        : settings.CODEX_EXEC_BINARY,
      allowRequestBinary: settings.LOOPER_ALLOW_REQUEST_BINARY,
      sandbox: settings.LOOPER_CODEX_SANDBOX,
      network: settings.LOOPER_CODEX_NETWORK,
      model: settings.LOOPER_CODEX_MODEL,
      args: settings.LOOPER_CODEX_ARGS,
      commit: settings.LOOPER_COMMIT,
    },
    runs: {
      delayMs: settings.CODEX_EXEC_DELAY_SECONDS,
      startupCheckMs: settings.CODEX_EXEC_STARTUP_CHECK_SECONDS,
      onBusy: settings.LOOPER_ON_BUSY,
      onShutdown: settings.LOOPER_ON_SHUTDOWN,
      standbyRunner: settings.LOOPER_STANDBY_RUNNER,
    },
    kill: {
      scope: settings.LOOPER_KILL_SCOPE,
      graceMs: settings.LOOPER_KILL_GRACE_SECONDS,
    },
    limits: {
      maxTurns: settings.LOOPER_MAX_TURNS,
      maxTurnsPerTicket: settings.LOOPER_MAX_TURNS_PER_TICKET,
      turnTimeoutMs: settings.LOOPER_TURN_TIMEOUT_SECONDS,
      stallMs: settings.LOOPER_STALL_SECONDS,
      /** Undefined: no limit. */
      runTimeoutMs: settings.LOOPER_RUN_TIMEOUT_SECONDS,
      maxLogBytes: settings.LOOPER_MAX_LOG_BYTES,
    },
    autopoll: {
      enabled: settings.LOOPER_AUTO_START_WHEN_IDLE,
      intervalMs: settings.LOOPER_IDLE_POLL_SECONDS,
      /** Replaces the interval. */
      cron: settings.LOOPER_AUTOPOLL_CRON,
      /** A run log written within this time counts as activity. */
      logStaleMs: settings.LOOPER_IDLE_LOG_STALE_SECONDS,
      maxRunsPerDay: settings.LOOPER_MAX_AUTO_RUNS_PER_DAY,
    },
    notify: {
      required: settings.LOOPER_NOTIFY_REQUIRED,
      timeoutMs: settings.LOOPER_NOTIFY_TIMEOUT_SECONDS,
      healthcheckUrl: settings.LOOPER_HEALTHCHECK_URL,
      zulip: {
        /** Undefined: `.zuliprc` in the home, which may be absent. */
        rcPath: path(settings.ZULIPRC_PATH),
        home: sources.homeDirectory,
        profile: settings.ZULIP_PROFILE,
        /** Without a slash at the end. */
        site: settings.ZULIP_SITE?.replace(/\/+$/, ''),
        botEmail: settings.ZULIP_BOT_EMAIL,
        botApiKey: settings.ZULIP_BOT_API_KEY,
        messageType: settings.ZULIP_MESSAGE_TYPE,
        stream: settings.ZULIP_STREAM,
        topic: settings.ZULIP_TOPIC,
        to: settings.ZULIP_TO,
      },
    },
    configFile: path(settings.LOOPER_CONFIG_FILE),
    envFile,
  };
}

export type Slices = ReturnType<typeof toSlices>;

function ownUrl(settings: Settings): string {
  const { LOOPER_HOST: host, LOOPER_PORT: port } = settings;
  // Who listens on every address is reached on loopback from here.
  const reached = isWildcardAddress(host) ? (host === '::' ? '::1' : '127.0.0.1') : host;
  return `http://${urlHost(reached)}:${port}`;
}

function defaultLogDirectory(sources: ConfigSources): string {
  if (sources.isClone) return join(sources.looperDirectory, 'logs');
  return join(xdgDirectory(sources, 'XDG_STATE_HOME', '.local/state'), 'looper', 'logs');
}

function workspaceRoots(
  given: string | undefined,
  sources: ConfigSources,
  findings: Findings,
): string[] | undefined {
  if (given === undefined) return undefined;
  const roots = parts(given, ':');
  if (roots.length === 0 || roots.some((root) => !isAbsolute(root) && !root.startsWith('~/'))) {
    findings.problem(
      'LOOPER_WORKSPACE_ROOTS',
      given,
      'must be absolute directories separated by colons',
    );
  }
  return roots.map((root) => absolutePath(root, sources));
}

function ticketsDirectory(given: string | undefined, sources: ConfigSources): string | undefined {
  return given?.startsWith('~/') ? absolutePath(given, sources) : given;
}
