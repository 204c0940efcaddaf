type Environment = Readonly<Record<string, string | undefined>>;

export interface AgentEnvironmentOptions {
  /** The environment that the daemon was started with. */
  readonly daemonEnv: Environment;
  /** Variables of the env file that are not Looper's; the daemon's own win over them. */
  readonly envFileRest: Environment;
  /** Variables that the configuration names as holding a secret (`secret_env`, `url_env`, …). */
  readonly secretNames: Iterable<string>;
  readonly runId: string;
  /** Where the agent can trigger Looper (`LOOPER_URL`). */
  readonly url: string;
  /** The ticket of this turn, relative to the workspace. */
  readonly ticket: string | null;
}

const OWN_PREFIXES = ['LOOPER_', 'ZULIP', 'CODEX_EXEC_'];

/**
 * What the agent and its commands get to see. Codex hands its environment on whole to every command
 * it runs, so Looper's settings and secrets are taken out before.
 */
export function buildAgentEnvironment(options: AgentEnvironmentOptions): Record<string, string> {
  const secrets = new Set(options.secretNames);
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...options.envFileRest, ...options.daemonEnv })) {
    if (value === undefined || secrets.has(name)) continue;
    if (OWN_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    environment[name] = value;
  }
  environment['LOOPER_RUN_ID'] = options.runId;
  environment['LOOPER_URL'] = options.url;
  if (options.ticket !== null) environment['LOOPER_TICKET'] = options.ticket;
  return environment;
}
