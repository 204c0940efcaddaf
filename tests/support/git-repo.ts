import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createGit, type Git } from '../../src/git/safe-git.ts';
import { resolveRepository, type Repository } from '../../src/git/repository.ts';
import { tempDir } from './temp-dir.ts';

/** A place with a home, a scratch folder and room for repositories; nothing of this machine's git. */
export interface Place {
  readonly root: string;
  readonly home: string;
  readonly scratch: string;
  readonly env: Record<string, string>;
}

export function place(): Place {
  const root = tempDir('looper-git-');
  const home = join(root, 'home');
  mkdirSync(home);
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
  };
  const here = { root, home, scratch: join(root, 'scratch'), env };
  write(join(home, '.gitconfig'), '[user]\n\tname = Ada\n\temail = ada@example.org\n');
  return here;
}

/** The person's own git, as they would run it. */
export function person(here: Place, folder: string, ...args: string[]): string {
  return execFileSync('git', args, {
    cwd: folder,
    env: here.env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

/** A repository with one commit of `files`. */
export function newRepository(
  here: Place,
  files: Readonly<Record<string, string>> = { 'a.txt': 'a\n' },
  name = 'work',
): string {
  const folder = join(here.root, name);
  mkdirSync(folder);
  person(here, folder, 'init', '--quiet', '--initial-branch=main');
  for (const [path, text] of Object.entries(files)) write(join(folder, path), text);
  person(here, folder, 'add', '--all');
  person(here, folder, 'commit', '--quiet', '--allow-empty', '--message=start');
  return folder;
}

export function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

export async function resolved(here: Place, workspace: string): Promise<Repository> {
  const warnings: string[] = [];
  const repository = await resolveRepository(workspace, {
    env: here.env,
    scratch: here.scratch,
    warn: (sentence) => warnings.push(sentence),
  });
  if (repository === null) throw new Error(`no repository: ${warnings.join(' ')}`);
  // Always through JSON, for that is how it reaches the runner.
  return JSON.parse(JSON.stringify(repository)) as Repository;
}

export async function gitFor(here: Place, workspace: string): Promise<Git> {
  const repository = await resolved(here, workspace);
  return createGit(repository, { timeoutMs: 20_000, scratch: here.scratch });
}
