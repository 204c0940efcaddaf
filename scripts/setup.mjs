/**
 * Makes a bare clone ready to run: installs the locked packages and builds, each only when needed.
 * Uses Node's own modules, for nothing else is there yet.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lockFile = join(root, 'package-lock.json');
const installedLock = join(root, 'node_modules', '.looper-installed-lock.json');

export function setUp() {
  checkNode();
  installPackages();
  build();
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const isSupported = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24;
  if (isSupported) return;
  throw new Error(
    `Node ${process.versions.node} is not supported; install Node 20.19+, 22.12+ or 24.`,
  );
}

/** Compares the lock file itself: its time says nothing after a checkout. */
function installPackages() {
  const wanted = readFileSync(lockFile, 'utf8');
  if (existsSync(installedLock) && readFileSync(installedLock, 'utf8') === wanted) return;
  console.error('Installing packages…');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(installedLock, wanted);
}

export function build() {
  const built = join(root, 'dist', 'cli.js');
  if (existsSync(built) && statSync(built).mtimeMs > newestSource()) return;
  console.error('Building…');
  // `build/` holds each module by itself, for the processes that tests start. What a browser loads
  // has the browser's names, not Node's, and so a configuration of its own.
  for (const project of ['tsconfig.build.json', 'src/dashboard-client']) {
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project]);
  }
  run(process.execPath, [join(root, 'scripts/bundle.mjs')]);
}

function newestSource() {
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true });
  const files = sources.filter((entry) => entry.isFile());
  const times = files.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs);
  // The bundle holds the packages, too.
  const others = ['tsconfig.build.json', 'scripts/bundle.mjs', 'package-lock.json'];
  return Math.max(...times, ...others.map((file) => statSync(join(root, file)).mtimeMs));
}

function run(command, args) {
  // stdout belongs to whoever called us; what we do is told on stderr.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw error ?? new Error(`${command} ${args[0]} failed with code ${status}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    setUp();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
