/**
 * The browser for the dashboard's tests: one that is installed, else Debian's package where this
 * user may install it, else the download of Playwright. Run directly it installs; it exits 1 when
 * there is none in the end.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const INSTALL_MS = 300_000;

/** The path of a Chromium or Chrome: CHROME, else on PATH, else Playwright's; null: none. */
export function findBrowser(env = process.env) {
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean);
  const candidates = [
    ...(env.CHROME ? [env.CHROME] : []),
    ...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))),
    chromium.executablePath(),
  ];
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function install() {
  const isDebianRoot = process.getuid?.() === 0 && isExecutable('/usr/bin/apt-get');
  if (
    isDebianRoot &&
    run('apt-get', ['update', '-q']) &&
    run('apt-get', ['install', '-qy', 'chromium'])
  ) {
    return;
  }
  run('npx', ['--no-install', 'playwright-core', 'install', 'chromium']);
}

function run(command, args) {
  const { status } = spawnSync(command, args, {
    cwd: dirname(dirname(fileURLToPath(import.meta.url))),
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    // stdout belongs to whoever called us.
    stdio: ['ignore', 2, 2],
    timeout: INSTALL_MS,
  });
  return status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (findBrowser() === null) install();
  const browser = findBrowser();
  console.log(browser ?? 'no browser: install Chromium, or name one in CHROME');
  process.exitCode = browser === null ? 1 : 0;
}
