import { access, constants, realpath, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, isAbsolute, join, resolve, sep } from 'node:path';

import { LooperError, systemErrorCode } from '../errors.ts';

export interface BinaryOptions {
  /** From a request that may name one. */
  readonly requested: string | null;
  /** `CODEX_EXEC_BINARY`: a path, or a name to look up on PATH. */
  readonly configured: string | null;
  /** Where Looper itself lies: a codex built in `codex/` there comes before PATH. */
  readonly looperDirectory: string;
  /** The daemon's PATH. */
  readonly path: string;
  /** An existing directory that the agent can write; null where none is known yet. */
  readonly workspace: string | null;
}

export interface ResolvedBinary {
  readonly path: string;
  readonly source: 'request' | 'env' | 'local' | 'path';
}

const LOCAL_BUILDS = [
  'codex/codex',
  'codex/codex-rs/target/release/codex',
  'codex/codex-rs/target/debug/codex',
];
const ADVICE = 'Install it with `npm install -g @openai/codex`, or name one in CODEX_EXEC_BINARY.';

/**
 * Finds the agent: the request's, else the configured one, else a local build, else `codex` on PATH.
 * One inside the workspace is never taken, for the agent could have put it there. Rejects with
 * `CODEX_NOT_FOUND`, which says what was wrong and what to do.
 */
export async function resolveBinary(options: BinaryOptions): Promise<ResolvedBinary> {
  const workspace = options.workspace === null ? null : await realpath(options.workspace);
  const search = { path: options.path, workspace };
  if (options.requested !== null) {
    const path = await findNamed(options.requested, 'codex_exec_binary', search);
    return { path, source: 'request' };
  }
  if (options.configured !== null) {
    return {
      path: await findNamed(options.configured, 'CODEX_EXEC_BINARY', search),
      source: 'env',
    };
  }
  for (const build of LOCAL_BUILDS) {
    const path = join(options.looperDirectory, build);
    if ((await objection(path, workspace)) === null) return { path, source: 'local' };
  }
  return { path: await findOnPath('codex', search), source: 'path' };
}

interface Search {
  readonly path: string;
  readonly workspace: string | null;
}

async function findNamed(name: string, origin: string, search: Search): Promise<string> {
  if (!name.includes('/')) return findOnPath(name, search);
  const path = resolve(name);
  const reason = await objection(path, search.workspace);
  if (reason === null) return path;
  throw new LooperError('CODEX_NOT_FOUND', `${origin}: ${path} ${reason}. ${ADVICE}`);
}

async function findOnPath(name: string, { path, workspace }: Search): Promise<string> {
  const refused: string[] = [];
  for (const directory of path.split(delimiter)) {
    // A relative entry means another file in every directory.
    if (!isAbsolute(directory)) continue;
    const candidate = join(directory, name);
    const reason = await objection(candidate, workspace);
    if (reason === null) return candidate;
    if (reason !== MISSING) refused.push(`${candidate} ${reason}`);
  }
  const seen = refused.length === 0 ? '' : ` (${refused.join('; ')})`;
  throw new LooperError('CODEX_NOT_FOUND', `No usable ${name} on PATH${seen}. ${ADVICE}`);
}

const MISSING = 'does not exist';

/** Why `path` cannot be the agent, or null when it can. */
async function objection(path: string, workspace: string | null): Promise<string | null> {
  try {
    const target = await realpath(path);
    if (workspace !== null) {
      // Neither the file nor the link to it may be the agent's to change.
      const link = join(await realpath(dirname(path)), basename(path));
      if (isInside(target, workspace) || isInside(link, workspace)) {
        return `lies inside the workspace ${workspace}, where the agent could replace it`;
      }
    }
    if (!(await stat(target)).isFile()) return 'is not a regular file';
    await access(target, constants.X_OK);
    return null;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return MISSING;
    if (code === 'EACCES') return 'is not executable for this user';
    if (code === undefined) throw error;
    return `cannot be used (${code})`;
  }
}

function isInside(path: string, directory: string): boolean {
  return path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}
