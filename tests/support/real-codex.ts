import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The codex that `scripts/install-codex.mjs` put into `.cache`, as npm installs it. */
export const realCodexPath = fileURLToPath(
  new URL('../../.cache/codex-0.169.0/node_modules/.bin/codex', import.meta.url),
);

/** Whether it is there; says so aloud when it is not, since its tests are then skipped. */
export function hasRealCodex(): boolean {
  if (existsSync(realCodexPath)) return true;
  process.stderr.write(
    'SKIPPED: no codex 0.169.0 in .cache, so nothing runs against the real binary; ' +
      '`node scripts/install-codex.mjs` installs it\n',
  );
  return false;
}
