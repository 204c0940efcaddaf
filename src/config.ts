import type { Slices } from './config/slices.ts';
import type { ConfigSources, Given } from './config/sources.ts';
import { checkTogether } from './config/checks.ts';
import { readEnvFile } from './config/env-file.ts';
import { Findings, throwProblems } from './config/findings.ts';
import { ALIASES, SECRETS, type Settings, isLooperVariable, schema } from './config/schema.ts';
import { resolveFileSecrets } from './config/secrets.ts';
import { toSlices } from './config/slices.ts';
import { givenVariables } from './config/sources.ts';
import { warnOfUnknownNames } from './config/unknown-names.ts';

export type { ConfigSources } from './config/sources.ts';

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** Everything Looper can be told. Functions take their slice: `Config['http']`. */
export type Config = DeepReadonly<
  Slices & {
    /** The env file's variables that are not Looper's: they are meant for the agent. */
    agentEnvironment: Record<string, string>;
    /** Variables that hold a secret; the agent's environment goes without them. */
    secretNames: string[];
    /** What must never be written anywhere; see `createRedactor`. */
    secretValues: string[];
    /** Sentences for the log and for `looper doctor`. */
    warnings: string[];
  }
>;

/** A configuration and what is wrong with it; what has no value that can be used counts as unset. */
export interface InspectedConfig {
  readonly config: Config;
  /** Sentences: variable, value and what is allowed. */
  readonly problems: readonly string[];
}

/**
 * Reads the configuration from the environment and the env file and checks all of it.
 *
 * Throws one `CONFIG_INVALID` that lists every problem: variable, value and what is allowed.
 * Reads files, writes nothing, and leaves the process's environment as it is.
 */
export function loadConfig(sources: ConfigSources): Config {
  const { config, problems } = inspectConfig(sources);
  throwProblems(problems, config.envFile);
  return config;
}

/** The same for `looper doctor`, which goes on with what there is. */
export function inspectConfig(sources: ConfigSources): InspectedConfig {
  const findings = new Findings();
  const envFile = readEnvFile(sources, findings);
  const given = { ...givenVariables(envFile.variables), ...givenVariables(sources.env) };
  warnOfUnknownNames(given, findings);

  const named = resolveAliases(resolveFileSecrets(given, sources, findings), findings);
  const settings = parseSettings(named, findings);
  const slices = toSlices(settings, envFile.path, sources, findings);
  checkTogether(slices, given, sources, findings);
  const config = deepFreeze({
    ...slices,
    agentEnvironment: agentEnvironment(envFile.variables, sources.env),
    secretNames: [...SECRETS],
    secretValues: SECRETS.map((name) => settings[name]).filter((value) => value !== undefined),
    warnings: findings.warnings,
  });
  return { config, problems: findings.problems };
}

function resolveAliases(given: Given, findings: Findings): Given {
  const resolved: Record<string, string> = { ...given };
  for (const [name, alias] of Object.entries(ALIASES)) {
    const older = given[alias];
    if (older === undefined) continue;
    const newer = given[name];
    if (newer === undefined) resolved[name] = older;
    else if (newer !== older) findings.warn(alias, older, `is ignored, because ${name} is set too`);
  }
  return resolved;
}

/** Variables with a problem are reported and count as unset, so that the other checks still run. */
function parseSettings(given: Given, findings: Findings): Settings {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const rest: Record<string, string> = { ...given };
  for (const issue of parsed.error.issues) {
    const name = String(issue.path[0]);
    findings.problem(name, given[name] ?? '', issue.message);
    delete rest[name];
  }
  return schema.parse(rest);
}

/** The daemon's own environment wins; the agent inherits that anyway. */
function agentEnvironment(
  fromFile: ConfigSources['env'],
  ofDaemon: ConfigSources['env'],
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(fromFile)) {
    if (value === undefined || isLooperVariable(name) || ofDaemon[name] !== undefined) continue;
    environment[name] = value;
  }
  return environment;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
