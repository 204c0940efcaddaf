import { quietEnvironment, withCommonDir, withFolder } from './common-dir.ts';
import { GitError } from './git-error.ts';
import type { Repository } from './repository.ts';
import { spawnGit } from './spawn-git.ts';
import { assertUnchanged } from './unchanged.ts';

export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  /** Absolute path of another index than the repository's. */
  readonly indexFile?: string;
  /** Exit codes besides 0 that are an answer, not a failure. */
  readonly accept?: readonly number[];
  /** `name <email>` for a commit where the person has configured none. */
  readonly identity?: { readonly name: string; readonly email: string };
}

export interface Git {
  readonly repository: Repository;
  /**
   * Runs one git command in the work tree's root and resolves to its stdout. Throws `GitError`:
   * `moved` before anything was executed when the repository is not the one that was resolved.
   */
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Buffer>;
  /** Runs `work` with a private folder that is gone afterwards. */
  readonly withTemporary: <T>(work: (folder: string) => Promise<T>) => Promise<T>;
}

export interface GitOptions {
  /** Deadline of each git command. */
  readonly timeoutMs: number;
  /** A folder of Looper's own, where no agent can write; made when absent. */
  readonly scratch: string;
}

/** A second line: none of this could be set, for git sees no configuration but Looper's. */
const NEUTRAL_ARGS = [
  '--no-pager',
  ...[
    'core.hooksPath=/dev/null',
    'core.fsmonitor=false',
    'core.sshCommand=false',
    'core.askPass=false',
    'core.editor=false',
    'core.alternateRefsCommand=false',
    'commit.gpgSign=false',
    'gc.auto=0',
    'maintenance.auto=false',
    'protocol.allow=never',
    'submodule.recurse=false',
  ].flatMap((setting) => ['-c', setting]),
];

/**
 * git that runs nothing which a repository names. Filters, fsmonitor, hooks, diff and merge
 * drivers, signing programs and aliases are all configuration, so each call gets a common
 * directory of its own making: links to the real objects and refs, and a `config` with the few
 * settings that were chosen when the repository was resolved (`settings.ts`). Nothing that the
 * agent writes into the real configuration is ever read.
 */
export function createGit(repository: Repository, options: GitOptions): Git {
  const withTemporary = <T>(work: (folder: string) => Promise<T>): Promise<T> =>
    withFolder(options.scratch, work);
  const run: Git['run'] = async (args, { stdin, indexFile, accept, identity } = {}) => {
    await assertUnchanged(repository);
    const answer = await withCommonDir(repository, options.scratch, (commonDir) =>
      spawnGit({
        args: [...NEUTRAL_ARGS, ...args],
        cwd: repository.workTree,
        timeoutMs: options.timeoutMs,
        env: {
          ...quietEnvironment(repository.searchPath, commonDir),
          GIT_CONFIG_NOSYSTEM: '1',
          GIT_CONFIG_GLOBAL: '/dev/null',
          GIT_DIR: repository.gitDir,
          GIT_COMMON_DIR: commonDir,
          GIT_WORK_TREE: repository.workTree,
          ...(indexFile === undefined ? {} : { GIT_INDEX_FILE: indexFile }),
          ...(identity === undefined ? {} : identityEnvironment(identity)),
        },
        ...(stdin === undefined ? {} : { stdin }),
      }),
    );
    if (answer.code === 0 || accept?.includes(answer.code) === true) return answer.stdout;
    const said = answer.stderr === '' ? `exit code ${answer.code}` : answer.stderr;
    throw new GitError('failed', `git ${args[0]} failed in ${repository.workTree}: ${said}`);
  };
  return { repository, run, withTemporary };
}

function identityEnvironment(identity: { readonly name: string; readonly email: string }) {
  return {
    GIT_AUTHOR_NAME: identity.name,
    GIT_AUTHOR_EMAIL: identity.email,
    GIT_COMMITTER_NAME: identity.name,
    GIT_COMMITTER_EMAIL: identity.email,
  };
}
