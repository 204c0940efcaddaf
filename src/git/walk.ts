import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';

/** Made by tools in great numbers, and nobody's work. */
const SKIPPED = new Set(['.git', '.hg', '.svn', 'node_modules', '.venv', '__pycache__']);

export interface WalkLimits {
  /** Files and links in all. */
  readonly maxFiles: number;
  readonly timeoutMs: number;
}

export const WALK_LIMITS: WalkLimits = { maxFiles: 50_000, timeoutMs: 10_000 };

/**
 * One line (path, size, time in ns) per file below `folder`, in a stable order; links are not
 * followed and `exclude` (paths relative to `folder`) is not entered. Null over a limit: unknown.
 */
export async function walk(
  folder: string,
  exclude: readonly string[],
  limits: WalkLimits = WALK_LIMITS,
): Promise<string[] | null> {
  const deadline = performance.now() + limits.timeoutMs;
  const lines: string[] = [];
  const waiting = [''];
  for (let within = waiting.pop(); within !== undefined; within = waiting.pop()) {
    if (performance.now() > deadline) return null;
    const entries = await readdir(join(folder, within), { withFileTypes: true }).catch(noneIfGone);
    const files: string[] = [];
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = within === '' ? entry.name : `${within}/${entry.name}`;
      if (exclude.includes(path)) continue;
      if (!entry.isDirectory()) files.push(path);
      else if (!SKIPPED.has(entry.name)) waiting.push(path);
    }
    if (lines.length + files.length > limits.maxFiles) return null;
    lines.push(...(await Promise.all(files.map((path) => lineFor(folder, path)))));
  }
  return lines;
}

async function lineFor(folder: string, path: string): Promise<string> {
  try {
    const stats = await lstat(join(folder, path), { bigint: true });
    return `${path}\0${stats.mode}\0${stats.size}\0${stats.mtimeNs}`;
  } catch (error) {
    noneIfGone(error);
    return `${path}\0gone`;
  }
}

function noneIfGone(error: unknown): [] {
  if (systemErrorCode(error) === undefined) throw error;
  return [];
}
