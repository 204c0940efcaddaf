import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `package.json` in Looper's own directory says. */
export function readVersion(looperDirectory: string): string {
  const text = readFileSync(join(looperDirectory, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
