import { devNull } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { parseEnv } from 'node:util';
import type { ConfigSources, Given } from './sources.ts';
import type { Findings } from './findings.ts';
import { SECRETS, isLooperVariable } from './schema.ts';
import { readSmallFile } from './small-file.ts';
import { absolutePath, givenVariables } from './sources.ts';

export interface EnvFile {
  /** Undefined when there is none. */
  readonly path: string | undefined;
  /** As written: the agent gets its variables with their blanks. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/**
 * `LOOPER_ENV_FILE`, else `.env` in Looper's own directory, else `$XDG_CONFIG_HOME/looper/env`;
 * the first one that exists. It is parsed only: nothing of it enters this process's environment,
 * which a process of the same user can read.
 */
export function readEnvFile(sources: ConfigSources, findings: Findings): EnvFile {
  const named = givenVariables(sources.env)['LOOPER_ENV_FILE'];
  if (named !== undefined) {
    const path = absolutePath(named, sources);
    // How one says "no file at all" to a setting that has defaults.
    if (path === devNull) return { path: undefined, variables: {} };
    return read(path, findings) ?? missing(path, findings);
  }
  const defaults = [
    join(sources.looperDirectory, '.env'),
    join(xdgDirectory(sources, 'XDG_CONFIG_HOME', '.config'), 'looper', 'env'),
  ];
  for (const path of defaults) {
    const found = read(path, findings);
    if (found) return found;
  }
  return { path: undefined, variables: {} };
}

/** A base directory of the XDG specification, which says to ignore relative values. */
export function xdgDirectory(
  sources: Pick<ConfigSources, 'env' | 'homeDirectory'>,
  variable: string,
  fallback: string,
): string {
  const given = sources.env[variable];
  return given !== undefined && isAbsolute(given) ? given : join(sources.homeDirectory, fallback);
}

function read(path: string, findings: Findings): EnvFile | undefined {
  const file = readSmallFile(path);
  if (file.kind === 'missing') return undefined;
  if (file.kind === 'unusable') {
    findings.problem('LOOPER_ENV_FILE', path, file.why);
    return { path, variables: {} };
  }
  const variables = parseEnv(file.text);
  const given = givenVariables(variables);
  if (file.readableByOthers) warnOfReaders(path, given, findings);
  return { path, variables };
}

/** Also of what is no setting of Looper's: an agent's key, a secret that the config file names. */
function warnOfReaders(path: string, given: Given, findings: Findings): void {
  const other = Object.keys(given).find((name) => !isLooperVariable(name));
  const what = SECRETS.some((name) => given[name] !== undefined)
    ? 'holds a secret'
    : other === undefined
      ? null
      : `holds ${other}, which may be a secret,`;
  if (what === null) return;
  findings.warn('LOOPER_ENV_FILE', path, `${what} and is readable by others: chmod 600 it`);
}

function missing(path: string, findings: Findings): EnvFile {
  findings.problem('LOOPER_ENV_FILE', path, 'must be an existing file');
  return { path: undefined, variables: {} };
}
