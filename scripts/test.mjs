/**
 * The whole test command: set-up, format, lint, types, build, all tests with the real codex
 * binary. Ends with one line `N passed, N failed, N skipped`; a failed check counts as one failure.
 */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const CHECKS = [
  ['format', 'prettier', '--check', '--log-level=warn', '.'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings'],
  ['types', 'tsc', '-p', '.'],
  ['types of the dashboard', 'tsc', '-p', 'src/dashboard-client', '--noEmit'],
];

try {
  setUp();
} catch (error) {
  stop('set-up', error instanceof Error ? error.message : String(error));
}
for (const [name, command, ...args] of CHECKS) {
  console.log(`\n> ${name}`);
  if (!succeeds('npx', ['--no-install', command, ...args])) stop(name, 'see above');
}
console.log('\n> real codex binary');
if (!succeeds(process.execPath, ['scripts/install-codex.mjs'])) {
  console.log('SKIPPING the end-to-end tests: the codex binary could not be installed.');
}
console.log('\n> browser');
if (!succeeds(process.execPath, ['scripts/find-browser.mjs'])) {
  console.log('SKIPPING the tests of the dashboard: no browser was found or could be installed.');
}
console.log('\n> tests');
process.exit(succeeds('npx', ['--no-install', 'vitest', 'run', ...process.argv.slice(2)]) ? 0 : 1);

function succeeds(command, args) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0;
}

function stop(name, why) {
  console.error(`${name} failed: ${why}`);
  console.log('0 passed, 1 failed, 0 skipped');
  process.exit(1);
}
