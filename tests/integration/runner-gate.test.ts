import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { spawnRunner, type GatedRunner } from '../../src/runner/spawn.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Far more than a test waits for. */
const LONG_MS = 60_000;

/** A runner that does what this says, with descriptor 3 for its gate. */
function gated(script: string): GatedRunner {
  const directory = tempDir();
  const entry = join(directory, 'runner.mjs');
  writeFileSync(entry, script);
  const stderrPath = join(directory, 'stderr.log');
  return spawnRunner({ entry, environment: () => ({}), stderrPath });
}

/** As between fork and exec of its agent, but for longer: the gate is open in its child, too. */
const LEAVES_A_CHILD = `
  import { spawn } from 'node:child_process';
  import { writeSync } from 'node:fs';
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 3],
  });
  writeSync(3, JSON.stringify({ kind: 'started', pid: child.pid }) + '\\n');
  process.kill(process.pid, 'SIGKILL');`;

test('a runner that died is waited for no longer, whoever has its gate; what it said has come', async () => {
  const runner = gated(LEAVES_A_CHILD);
  const said = await runner.nextReply(LONG_MS);
  if (said?.kind !== 'started') throw new Error(`it said ${JSON.stringify(said)}`);
  onTestFinished(() => {
    process.kill(said.pid, 'SIGKILL');
  });
  expect(await runner.nextReply(LONG_MS)).toBeNull();
  expect(runner.isWaiting()).toBe(false);
  runner.closeGate();
});

test('a runner that says nothing is waited for as long as was asked', async () => {
  const runner = gated('setInterval(() => {}, 1_000);');
  expect(await runner.nextReply(50)).toBeNull();
  expect(runner.isWaiting()).toBe(true);
  process.kill(runner.identity.pid, 'SIGKILL');
  runner.closeGate();
});

test('a runner whose file cannot be looked at ends by itself, and its daemon lives', async () => {
  const directory = tempDir();
  const entry = join(directory, 'runner.mjs');
  symlinkSync(entry, entry);
  const stderrPath = join(directory, 'stderr.log');
  const runner = spawnRunner({ entry, environment: () => ({}), stderrPath });
  expect(await runner.nextReply(LONG_MS)).toBeNull();
  runner.closeGate();
});
