import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STYLE } from './style.ts';

/** The built modules that a browser loads, below `dist/`; they import nothing else. */
const MODULES: readonly string[] = [
  'dashboard-client/main.js',
  'dashboard-client/actions.js',
  'dashboard-client/log.js',
  'dashboard-client/log-item.js',
  'dashboard-client/refresh.js',
  'dashboard-client/stream.js',
  'render/run-log.js',
  'render/inert.js',
  'render/cut-object.js',
  'codex/events.js',
];

/** Where the page finds them. */
export const MODULE_PATHS: readonly string[] = MODULES.map((path) => `/assets/${path}`);

export interface Asset {
  readonly body: string;
  readonly contentType: string;
  readonly etag: string;
}

/** Reads an asset by its path below `/assets/`; null for any other name. `directory`: `dist/`. */
export function createAssets(directory: string): (path: string) => Promise<Asset | null> {
  const known = new Map<string, Asset>([
    ['dashboard/style.css', assetOf(STYLE, 'text/css; charset=utf-8')],
  ]);
  return async (path) => {
    const asset = known.get(path);
    if (asset !== undefined || !MODULES.includes(path)) return asset ?? null;
    const text = await readFile(join(directory, path), 'utf8');
    const read = assetOf(text, 'text/javascript; charset=utf-8');
    known.set(path, read);
    return read;
  };
}

function assetOf(body: string, contentType: string): Asset {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { body, contentType, etag };
}
