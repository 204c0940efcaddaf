import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';

const campaign = fileURLToPath(new URL('../chaos/campaign.mjs', import.meta.url));

// `npm run test:chaos -- --kills 500 --seed 7` runs a longer one; what it checks stands at its top.
describe.runIf(process.platform === 'linux')('a crash campaign', () => {
  it('keeps every promise over 60 kills (row 38)', async () => {
    const child = spawn(process.execPath, [campaign, '--kills', '60', '--seed', '1'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => {
      child.kill('SIGTERM');
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await once(child, 'close');
    expect(output).toMatch(/^[1-9]\d* passed, 0 failed$/m);
    expect(child.exitCode).toBe(0);
  }, 180_000);
});
