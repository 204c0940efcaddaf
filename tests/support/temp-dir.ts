import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/**
 * A fresh folder for the running test. It is removed when the test passed and kept, with its path
 * on stderr, when it failed.
 */
export function tempDir(prefix = 'looper-test-'): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), prefix)));
  onTestFinished(({ task }) => {
    if (task.result?.state === 'fail') {
      process.stderr.write(`kept for you to look at: ${path}\n`);
      return;
    }
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  });
  return path;
}
