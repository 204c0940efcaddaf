import { realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { quietEnvironment, withCommonDir } from './common-dir.ts';
import { discover, pointsBack, type Found } from './discover.ts';
import { GitError } from './git-error.ts';
import { readSmallFile, statsOf } from './marks.ts';
import {
  chooseSettings,
  parseConfigList,
  parseScopedConfigList,
  valueOf,
  type ConfigEntry,
  type Settings,
} from './settings.ts';
import { spawnGit, trustedSearchPath } from './spawn-git.ts';
import { takeMarks, type Marks } from './unchanged.ts';

/** Everything that a git call needs, decided before the first turn. Plain data: it goes to the runner. */
export interface Repository {
  readonly workTree: string;
  readonly gitDir: string;
  /** Another directory than `gitDir` in a linked worktree only. */
  readonly commonDir: string;
  /** The workspace's path within the work tree, `''` for its root, with `/` and none at the ends. */
  readonly prefix: string;
  readonly marks: Marks;
  readonly settings: Settings;
  readonly searchPath: string;
}

/** What was dirty at one moment; plain data. Paths are those of the work tree, marks their content. */
export interface DirtyPaths {
  /** Commit of HEAD, null before the first commit. */
  readonly head: string | null;
  readonly paths: readonly (readonly [path: string, mark: string])[];
}

export interface ResolveOptions {
  /** PATH, HOME and XDG_CONFIG_HOME are used. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A folder of Looper's own, where no agent can write; made when absent. */
  readonly scratch: string;
  /** Told in one sentence why a repository is not used; without a repository nobody is told. */
  readonly warn?: (sentence: string) => void;
  /** Defaults to this process's user. */
  readonly uid?: number;
  /** Deadline of each git command; 10 s. */
  readonly timeoutMs?: number;
}

/**
 * The repository of a workspace: its root, a folder below it, a linked worktree or a submodule.
 * Null when there is none, or when it is refused (`warn` says why): another user's, one that a
 * `.git` file or `commondir` leads to without its pointing back, a bare one. To be called once per
 * run, before the agent's first turn, and never again: what appears later is the agent's.
 */
export async function resolveRepository(
  workspace: string,
  options: ResolveOptions,
): Promise<Repository | null> {
  const refuse = (why: string): null => {
    options.warn?.(`No git for ${workspace}: ${why}. Nothing is committed there.`);
    return null;
  };
  try {
    const start = await realpath(workspace);
    const discovery = await discover(start);
    if (discovery.kind === 'none') return null;
    if (discovery.kind === 'refused') return refuse(discovery.why);
    const repository = await examine(start, discovery.found, options);
    return typeof repository === 'string' ? refuse(repository) : repository;
  } catch (error) {
    if (error instanceof GitError) return refuse(error.message);
    throw error;
  }
}

/** The directories that an agent which commits by itself must be able to write: one, or two. */
export function gitDirectoriesToOpen(repository: Repository): string[] {
  return [...new Set([repository.commonDir, repository.gitDir])];
}

async function examine(
  workspace: string,
  found: Found,
  options: ResolveOptions,
): Promise<Repository | string> {
  const searchPath = await trustedSearchPath(options.env['PATH'] ?? '', found.workTree);
  const home = options.env['HOME'] ?? '/';
  const configHome = options.env['XDG_CONFIG_HOME'] || undefined;
  const call = (args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> =>
    readConfig(args, {
      timeoutMs: options.timeoutMs ?? 10_000,
      env: {
        ...quietEnvironment(searchPath, home),
        ...(configHome === undefined ? {} : { XDG_CONFIG_HOME: configHome }),
        ...env,
      },
    });

  const stranger = await foreignPart(found, options.uid ?? process.getuid?.() ?? 0);
  if (stranger !== null) {
    const listed = await call(['--list', '--show-scope'], { GIT_DIR: '/dev/null' });
    if (!isDeclaredSafe(parseScopedConfigList(listed), found.workTree)) {
      return (
        `${stranger} belongs to another user. If you trust it: ` +
        `git config --global --add safe.directory ${found.workTree}`
      );
    }
  }

  const fromRepository: ConfigEntry[] = [];
  const files = [join(found.commonDir, 'config'), join(found.gitDir, 'config.worktree')];
  for (const file of files) {
    // The second file counts only where the first one says so.
    if (file === files[1] && !isTrue(valueOf(fromRepository, 'extensions.worktreeconfig'))) break;
    if ((await readSmallFile(file)) === null) continue;
    // Outside any repository and without includes: a parser at work, nothing else.
    const text = await call(['--file', file, '--no-includes', '--list'], { GIT_DIR: '/dev/null' });
    fromRepository.push(...parseConfigList(text));
  }
  const coreWorktree = valueOf(fromRepository, 'core.worktree');
  if (found.gitDir === found.commonDir && isTrue(valueOf(fromRepository, 'core.bare'))) {
    return `${found.gitDir} is a bare repository`;
  }
  if (!(await pointsBack(found, coreWorktree))) {
    return (
      `${found.gitDir} does not point back to ${found.workTree}. If it belongs there: ` +
      `git --git-dir=${found.gitDir} config core.worktree ${found.workTree}`
    );
  }

  // The person's own configuration may depend on where the repository lies (includeIf).
  const formatOnly = chooseSettings({ person: [], repository: fromRepository, home, configHome });
  if (typeof formatOnly === 'string') return formatOnly;
  const person = await withCommonDir(
    { commonDir: found.commonDir, settings: formatOnly },
    options.scratch,
    (commonDir) =>
      call(['--list', '--show-scope', '--includes'], {
        GIT_DIR: found.gitDir,
        GIT_COMMON_DIR: commonDir,
        GIT_WORK_TREE: found.workTree,
      }),
  );
  const settings = chooseSettings({
    person: parseScopedConfigList(person).filter(isPersons),
    repository: fromRepository,
    home,
    configHome,
  });
  if (typeof settings === 'string') return settings;
  return {
    workTree: found.workTree,
    gitDir: found.gitDir,
    commonDir: found.commonDir,
    prefix: relative(found.workTree, workspace).split(sep).join('/'),
    marks: await takeMarks(found, workspace),
    settings,
    searchPath,
  };
}

/** `git config` with these arguments, started outside any repository. */
async function readConfig(
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly env: Readonly<Record<string, string>> },
): Promise<string> {
  const answer = await spawnGit({ args: ['config', '-z', ...args], cwd: '/', ...options });
  if (answer.code !== 0) throw new GitError('failed', `git config failed: ${answer.stderr}`);
  return answer.stdout.toString('utf8');
}

/** git's own rule (safe.directory): the work tree and both git directories are ours, or root's. */
async function foreignPart(found: Found, uid: number): Promise<string | null> {
  for (const path of [found.workTree, found.gitDir, found.commonDir]) {
    const stats = await statsOf(path);
    if (stats === null || (Number(stats.uid) !== uid && stats.uid !== 0n)) return path;
  }
  return null;
}

function isDeclaredSafe(
  entries: readonly (ConfigEntry & { readonly scope: string })[],
  workTree: string,
): boolean {
  const declared = entries.filter((entry) => entry.key === 'safe.directory' && isPersons(entry));
  // An empty value forgets those before it.
  const since = declared.findLastIndex((entry) => entry.value === '') + 1;
  return declared.slice(since).some(({ value }) => value === '*' || value === workTree);
}

function isPersons(entry: { readonly scope: string }): boolean {
  return entry.scope === 'system' || entry.scope === 'global';
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && /^(true|yes|on|1)$/i.test(value);
}
