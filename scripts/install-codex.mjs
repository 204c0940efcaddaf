/**
 * Puts the codex binary that the end-to-end tests run against into `.cache/codex-<version>/`.
 * Nothing happens when it is there already; it appears whole (installed beside, then renamed).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '0.169.0';
const INSTALL_TIMEOUT_MS = 300_000;

const cache = fileURLToPath(new URL('../.cache/', import.meta.url));
const target = join(cache, `codex-${VERSION}`);
const binary = join(target, 'node_modules', '.bin', 'codex');

if (existsSync(binary)) {
  console.log(`codex ${VERSION} is installed: ${binary}`);
} else {
  const failure = install();
  if (failure === undefined) {
    console.log(`installed codex ${VERSION}: ${binary}`);
  } else {
    console.error(
      `codex ${VERSION} was not installed (${failure}); its end-to-end tests will be skipped`,
    );
    process.exitCode = 1;
  }
}

/** Returns what went wrong, or undefined. */
function install() {
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(join(cache, 'codex-install-'));
  try {
    // Without a package.json of its own, npm would install into Looper's.
    writeFileSync(join(fresh, 'package.json'), '{ "private": true }\n');
    const npm = spawnSync(
      'npm',
      ['install', '--no-audit', '--no-fund', '--no-save', `@openai/codex@${VERSION}`],
      { cwd: fresh, encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS },
    );
    if (npm.error) return npm.error.message;
    if (npm.status !== 0) return lastLine(npm.stderr) || `npm ended with ${npm.status}`;
    const check = spawnSync(join(fresh, 'node_modules', '.bin', 'codex'), ['--version'], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    if (check.status !== 0) return lastLine(check.stderr ?? '') || 'it does not run here';
    // What is in the way has no binary: the remains of an attempt that was cut short.
    rmSync(target, { recursive: true, force: true });
    renameSync(fresh, target);
    return undefined;
  } catch (error) {
    // Somebody else's installation arrived between the two lines above.
    return existsSync(binary) ? undefined : error.message;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function lastLine(text) {
  return text.trim().split('\n').at(-1) ?? '';
}
