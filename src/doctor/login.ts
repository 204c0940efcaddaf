import { join } from 'node:path';
import { z } from 'zod';
import { readSmallFile } from '../config/small-file.ts';
import { statIfThere } from '../read-if-there.ts';
import { failure, info, ok, warning, type Finding } from './finding.ts';

const ID = 'agent.login';
const LOG_IN = 'Log in with `codex login`, or set CODEX_API_KEY';

/** Where the agent's credentials would come from. */
export interface LoginSources {
  /** What the agent gets to see. */
  readonly environment: Readonly<Record<string, string>>;
  readonly homeDirectory: string;
  /** LOOPER_CODEX_ARGS */
  readonly extraArgs: readonly string[];
}

/**
 * Whether codex is logged in, as far as its files and variables tell: only a turn shows whether the
 * provider agrees. Codex's own `login status` is not asked: it writes into its folder and does not
 * count CODEX_API_KEY (measured with 0.169).
 */
export function checkLogin({ environment, homeDirectory, extraArgs }: LoginSources): Finding {
  const given = environment['CODEX_HOME'] ?? '';
  const home = given === '' ? join(homeDirectory, '.codex') : given;
  if (given !== '' && statIfThere(home)?.isDirectory() !== true) {
    const what = `CODEX_HOME=${home} is not a directory, and codex does not start without it`;
    return failure(ID, what, 'Create it, or unset the variable');
  }
  const file = readSmallFile(join(home, 'config.toml'));
  const toml = file.kind === 'read' ? file.text : '';
  return (
    byProvider(toml, extraArgs, environment) ??
    byVariable(environment) ??
    byAuthFile(join(home, 'auth.json')) ??
    withoutAny(toml, environment, home)
  );
}

/** A provider of the user's own has its own way to its credentials. */
export function byProvider(
  toml: string,
  extraArgs: readonly string[],
  environment: Readonly<Record<string, string>>,
): Finding | null {
  if (extraArgs.some((arg) => /^(?:model_provider\b|--profile|-p$|--oss)/.test(arg))) {
    return info(ID, 'LOOPER_CODEX_ARGS chooses the provider: whether it is logged in is not known');
  }
  // Only what stands above the first table is codex's own setting.
  const [top = ''] = toml.split(/^\s*\[/m, 1);
  const name = /^\s*model_provider\s*=\s*["']([^"']+)["']/m.exec(top)?.[1];
  if (name === undefined || name === 'openai') return null;
  const table = toml.split(/^\s*\[/m).find((part) => tableName(part) === `model_providers.${name}`);
  const variable = /^\s*env_key\s*=\s*["']([^"']+)["']/m.exec(table ?? '')?.[1];
  const shown = `config.toml of codex chooses the provider ${JSON.stringify(name)}`;
  if (variable === undefined) return info(ID, `${shown}; whether it accepts us a turn will tell`);
  if ((environment[variable] ?? '') !== '') return ok(ID, `${shown}, and ${variable} is set`);
  return failure(ID, `${shown}, which needs ${variable}`, `Set ${variable} in the env file`);
}

function tableName(part: string): string {
  return part.slice(0, part.indexOf(']')).replaceAll(/["'\s]/g, '');
}

function byVariable(environment: Readonly<Record<string, string>>): Finding | null {
  if ((environment['CODEX_API_KEY'] ?? '') === '') return null;
  return ok(ID, 'CODEX_API_KEY is set; whether it is accepted a turn will tell');
}

const authSchema = z.looseObject({
  auth_mode: z.string().nullish(),
  OPENAI_API_KEY: z.string().nullish(),
  tokens: z.looseObject({}).nullish(),
});

function byAuthFile(path: string): Finding | null {
  const file = readSmallFile(path);
  if (file.kind === 'missing') return null;
  if (file.kind === 'unusable') return failure(ID, `${path} ${file.why}`, LOG_IN);
  const auth = authSchema.safeParse(parseJson(file.text));
  if (!auth.success) return failure(ID, `${path} is not what codex writes`, LOG_IN);
  if (file.readableByOthers) {
    const what = `${path} holds credentials and is readable by others`;
    return warning(ID, what, `chmod 600 ${path}`);
  }
  const { tokens, OPENAI_API_KEY: key } = auth.data;
  const how = tokens != null ? 'an account' : (key ?? '') === '' ? null : 'an API key';
  // Later versions may write what this one does not know.
  if (how === null) return info(ID, `${path} is there; what it holds is not known here`);
  return ok(ID, `logged in with ${how} (${path}); whether it is still accepted a turn will tell`);
}

function withoutAny(
  toml: string,
  environment: Readonly<Record<string, string>>,
  home: string,
): Finding {
  if (/^\s*cli_auth_credentials_store\s*=\s*["'](?:keyring|auto)/m.test(toml)) {
    return info(ID, 'codex keeps its log-in in the keyring, where the doctor does not look');
  }
  const isOtherKey = (environment['OPENAI_API_KEY'] ?? '') !== '';
  // Measured with 0.169: the request of `codex exec` goes without it.
  const hint = isOtherKey ? ' (OPENAI_API_KEY is set, which codex exec does not use)' : '';
  return failure(
    ID,
    `codex is not logged in: no auth.json in ${home}, no CODEX_API_KEY${hint}`,
    LOG_IN,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
