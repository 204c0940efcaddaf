/** Builds `dist/` from scratch, so that nothing of a removed source stays behind. */
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from './setup.mjs';

rmSync(fileURLToPath(new URL('../dist', import.meta.url)), { recursive: true, force: true });
build();
