/** Builds `dist/` and `build/` from scratch, so that nothing of a removed source stays behind. */
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from './setup.mjs';

for (const folder of ['dist', 'build']) {
  rmSync(fileURLToPath(new URL(`../${folder}`, import.meta.url)), { recursive: true, force: true });
}
build();
