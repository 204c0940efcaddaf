import type { Slices } from './slices.ts';
import type { Findings } from './findings.ts';
import type { ConfigSources, Given } from './sources.ts';
import { isLoopbackName } from '../host-name.ts';
import { isInside } from '../paths.ts';
import { statIfThere } from '../read-if-there.ts';
import { FILE_SECRETS } from './schema.ts';
import { readSmallFile } from './small-file.ts';
import { absolutePath } from './sources.ts';

/** What cannot be guessed. */
export const MIN_TOKEN_LENGTH = 16;

/** What only several variables together, or the file system, can tell. */
export function checkTogether(
  config: Slices,
  given: Given,
  sources: ConfigSources,
  findings: Findings,
): void {
  checkExposure(config.http, given, findings);
  checkWorkspace(config.workspace, findings);
  checkFiles(config, findings);
  checkOutsideWorkspace(config, given, sources, findings);
  if (isInside(config.logs.directory, sources.temporaryDirectory)) {
    findings.warn(
      'LOOPER_LOG_DIR',
      config.logs.directory,
      'is below the temporary directory, which agents may write to: run records there can be forged',
    );
  }
}

/** Who reaches the port can start an agent with this user's rights. */
function checkExposure(http: Slices['http'], given: Given, findings: Findings): void {
  if (isLoopbackName(http.host) || http.insecure) {
    warnOfShortToken(http.token, findings);
    return;
  }
  // A token that could not be read is a problem already; a second sentence would mislead.
  const tokenFailed = http.token === undefined && namesSecret(given, 'LOOPER_API_TOKEN');
  if (tokenFailed || (http.token?.length ?? 0) >= MIN_TOKEN_LENGTH) return;
  findings.problem(
    'LOOPER_HOST',
    http.host,
    `is reachable from other machines and needs LOOPER_API_TOKEN with at least ${MIN_TOKEN_LENGTH} characters (or LOOPER_INSECURE=1)`,
  );
}

/** A right token is let in however many wrong ones came before, so only its length stops guesses. */
function warnOfShortToken(token: string | undefined, findings: Findings): void {
  if (token === undefined || token.length >= MIN_TOKEN_LENGTH) return;
  findings.warn(
    'LOOPER_API_TOKEN',
    token,
    `has fewer than ${MIN_TOKEN_LENGTH} characters, so it can be guessed: use a longer one (openssl rand -hex 32)`,
  );
}

function namesSecret(given: Given, name: (typeof FILE_SECRETS)[number]): boolean {
  return given[name] !== undefined || given[`${name}_FILE`] !== undefined;
}

function checkWorkspace(workspace: Slices['workspace'], findings: Findings): void {
  const { directory, roots } = workspace;
  if (directory === undefined) return;
  const stats = statIfThere(directory);
  if (stats === null) {
    findings.warn(
      'LOOPER_WORKSPACE',
      directory,
      'does not exist yet; runs are refused until it does',
    );
  } else if (!stats.isDirectory()) {
    findings.problem('LOOPER_WORKSPACE', directory, 'must be a directory');
  }
  if (roots !== undefined && !roots.some((root) => isInside(directory, root))) {
    findings.problem(
      'LOOPER_WORKSPACE',
      directory,
      `must lie in one of LOOPER_WORKSPACE_ROOTS (${roots.join(':')})`,
    );
  }
}

function checkFiles(config: Slices, findings: Findings): void {
  const { text, file } = config.prompt;
  if (text !== undefined && file !== undefined) {
    findings.problem(
      'LOOPER_PROMPT_FILE',
      file,
      'and LOOPER_PROMPT are both set: keep one of them',
    );
  }
  const files = { LOOPER_PROMPT_FILE: file, LOOPER_CONFIG_FILE: config.configFile };
  for (const [variable, path] of Object.entries(files)) {
    if (path === undefined) continue;
    const found = readSmallFile(path);
    if (found.kind === 'missing') findings.problem(variable, path, 'must be an existing file');
    if (found.kind === 'unusable') findings.problem(variable, path, found.why);
  }
}

/** What an agent can write, Looper does not believe: nothing of its own may lie in the workspace. */
function checkOutsideWorkspace(
  config: Slices,
  given: Given,
  sources: ConfigSources,
  findings: Findings,
): void {
  const workspace = config.workspace.directory;
  if (workspace === undefined) return;
  const paths: Record<string, string | undefined> = {
    LOOPER_LOG_DIR: config.logs.directory,
    LOOPER_CONFIG_FILE: config.configFile,
    LOOPER_ENV_FILE: config.envFile,
  };
  for (const name of FILE_SECRETS) paths[`${name}_FILE`] = given[`${name}_FILE`];
  for (const name of ['LOOPER_SERVER_LOG_PATH', 'ZULIPRC_PATH']) paths[name] = given[name];
  if (config.codex.binary?.includes('/')) paths['CODEX_EXEC_BINARY'] = config.codex.binary;
  for (const [variable, path] of Object.entries(paths)) {
    if (path === undefined || !isInside(absolutePath(path, sources), workspace)) continue;
    findings.problem(
      variable,
      path,
      `must lie outside LOOPER_WORKSPACE (${workspace}), where an agent could change it`,
    );
  }
}
