import { lstatSync, realpathSync, statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { LooperError, systemErrorCode } from '../errors.ts';

export const LOOPER_TICKETS = join('.looper', 'tickets');
export const CAR_TICKETS = join('.codex-autorunner', 'tickets');

export type TicketsDirectory =
  | {
      readonly kind: 'found';
      /** Absolute, symlinks resolved. */
      readonly directory: string;
      /** `car`: its `contextspace/` counts as context. `named`: by LOOPER_TICKETS_DIR. */
      readonly source: 'looper' | 'car' | 'named';
    }
  /** The workspace has no tickets; `expected` is where they would go. */
  | { readonly kind: 'none'; readonly expected: string };

/**
 * Where a workspace keeps its tickets: `override` (LOOPER_TICKETS_DIR; relative to the workspace),
 * else `.looper/tickets`, else CAR's `.codex-autorunner/tickets`. What the workspace chooses must
 * resolve to a place inside it; what the operator names may lie anywhere. Throws
 * `TICKETS_UNREADABLE` for a file, a path that leads outside, or a named folder that is missing.
 */
export function resolveTicketsDirectory(
  workspace: string,
  override: string | undefined,
): TicketsDirectory {
  if (override !== undefined) {
    const named = resolve(workspace, override);
    const directory = realDirectory(named);
    if (directory === null) {
      throw unreadable(`LOOPER_TICKETS_DIR names ${named}, which does not exist. Create it`);
    }
    return { kind: 'found', directory, source: 'named' };
  }
  const root = realpathSync(workspace);
  for (const [source, relative] of [
    ['looper', LOOPER_TICKETS],
    ['car', CAR_TICKETS],
  ] as const) {
    const path = join(root, relative);
    const directory = realDirectory(path);
    if (directory === null) continue;
    if (!directory.startsWith(root.endsWith(sep) ? root : root + sep)) {
      throw unreadable(
        `${path} leads out of the workspace, to ${directory}. Make it a folder, or name that place in LOOPER_TICKETS_DIR`,
      );
    }
    return { kind: 'found', directory, source };
  }
  return { kind: 'none', expected: join(root, LOOPER_TICKETS) };
}

/** The resolved path; null when nothing is there. A dangling link is something: it throws. */
function realDirectory(path: string): string | null {
  try {
    lstatSync(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return null;
    throw unreadable(`${path} cannot be looked at. Check its permissions`, error);
  }
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    throw unreadable(`${path} cannot be resolved. Remove the broken link`, error);
  }
  throw unreadable(`${path} is not a directory. Move it away`);
}

function unreadable(what: string, cause?: unknown): LooperError {
  const code = systemErrorCode(cause);
  const suffix = code === undefined ? '' : ` (${code})`;
  return new LooperError('TICKETS_UNREADABLE', `Tickets: ${what}${suffix}.`, { cause });
}
