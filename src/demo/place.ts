import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LooperError, systemErrorCode } from '../errors.ts';
import type { DemoPlace } from './environment.ts';
import { FILES, TICKETS } from './story.ts';

const GIT_MS = 10_000;
/** Whoever commits before Looper does. */
const IDENTITY = ['-c', 'user.name=Demo', '-c', 'user.email=demo@localhost'];

const exec = promisify(execFile);

/** Makes the demo's folder in `temporaryDirectory`; whoever calls removes it. */
export function createPlace(temporaryDirectory: string): DemoPlace {
  const folder = createFolder(temporaryDirectory);
  const place = {
    folder,
    repository: join(folder, 'slug'),
    home: join(folder, 'home'),
    logs: join(folder, 'logs'),
  };
  for (const path of [place.repository, place.home, place.logs]) mkdirSync(path, { mode: 0o700 });
  return place;
}

function createFolder(parent: string): string {
  try {
    // The real path: one through a link would be another name for what the log tells of.
    return realpathSync(mkdtempSync(join(parent, 'looper-demo-')));
  } catch (error) {
    throw new LooperError(
      'WORKSPACE_INVALID',
      `The demo cannot make a folder in ${parent} (${systemErrorCode(error)}). Name another directory in TMPDIR.`,
      { cause: error },
    );
  }
}

export function removePlace({ folder }: DemoPlace): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A repository with one commit and three open tickets. */
export async function fillRepository(place: DemoPlace, env: Environment): Promise<void> {
  const { repository } = place;
  await git(place, env, ['-c', 'init.defaultBranch=main', 'init', '--quiet']);
  for (const [path, text] of Object.entries(FILES)) writeFileSync(join(repository, path), text);
  await git(place, env, ['add', '--all']);
  await git(place, env, [...IDENTITY, 'commit', '--quiet', '--message=Start']);
  const tickets = join(repository, '.looper', 'tickets');
  mkdirSync(tickets, { recursive: true });
  for (const { file, text } of TICKETS) writeFileSync(join(tickets, file), text);
}

/** What the run committed, oldest first, as `git log` tells it. */
export function listCommits(
  place: DemoPlace,
  env: Environment,
  options: { readonly colours: boolean },
): Promise<string> {
  const colour = `--color=${options.colours ? 'always' : 'never'}`;
  const log = ['log', '--reverse', '--oneline', '--no-decorate', '--stat', colour];
  // All but the first.
  return git(place, env, [...log, '--min-parents=1']);
}

async function git(place: DemoPlace, env: Environment, args: readonly string[]): Promise<string> {
  try {
    const options = { cwd: place.repository, env, timeout: GIT_MS };
    return (await exec('git', ['--no-pager', ...args], options)).stdout;
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    throw new LooperError(
      'WORKSPACE_INVALID',
      'The demo makes a repository, and there is no git on PATH. Install it, and try again.',
      { cause: error },
    );
  }
}
