import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const DEADLINE_MS = 60_000;

/** `npm pack` of what is built; returns the tarball's path. */
export function pack(folder: string): string {
  // Its own build would take dist away from the tests that run beside this one.
  npm(['pack', '--ignore-scripts', '--pack-destination', folder], root);
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (name === undefined) throw new Error(`npm pack left nothing in ${folder}`);
  return join(folder, name);
}

/** Paths in the tarball, without its first folder. */
export function listTarball(tarball: string): string[] {
  const { stdout, status, stderr } = spawnSync('tar', ['-tzf', tarball], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
  const paths = stdout.trim().split('\n');
  return paths.map((path) => path.replace(/^package\//, ''));
}

/** Installs the tarball into an empty folder, without a network; returns the path of the command. */
export function install(tarball: string, folder: string): string {
  npm(['install', '--offline', '--no-audit', '--no-fund', '--prefix', folder, tarball], folder);
  return join(folder, 'node_modules', '.bin', 'looper');
}

function npm(args: readonly string[], cwd: string): void {
  const result = spawnSync('npm', args, { cwd, encoding: 'utf8', timeout: DEADLINE_MS });
  if (result.status === 0) return;
  throw result.error ?? new Error(`npm ${args[0]}: ${result.stderr.trim().slice(-500)}`);
}
