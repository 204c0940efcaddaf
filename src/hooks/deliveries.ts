import { createHash } from 'node:crypto';
import { closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LooperError, messageOf, systemErrorCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { appendLine } from '../runs/append-line.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';

const HOUR_MS = 3_600_000;
/** How long an accepted delivery is refused when it comes again. */
const KEPT_MS = 24 * HOUR_MS;

/** `keys` are hashes: ids come from outside, and the file is nobody's source of names. */
const lineSchema = z.object({ at: z.number(), hook: z.string(), keys: z.array(z.string()) });
type Line = z.output<typeof lineSchema>;

/** The deliveries that were accepted lately, on disk, so that none is accepted twice. */
export interface Deliveries {
  /**
   * Notes a delivery under all of its ids; false when one of them was noted before, and nothing is
   * noted then. It is on disk when this returns. Throws `LOG_DIR_UNUSABLE` when it cannot be.
   */
  claim(hook: string, ids: readonly string[]): boolean;
}

/** Keeps them in `<logDirectory>/hooks/deliveries.jsonl`. `now` is in milliseconds since the epoch. */
export function createDeliveries(
  logDirectory: string,
  log: Logger,
  now: () => number = Date.now,
): Deliveries {
  const directory = join(logDirectory, 'hooks');
  const path = join(directory, 'deliveries.jsonl');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let lines = readLines(path, log);
  let known = new Set(lines.flatMap(({ keys }) => keys));
  let prunedAt = -Infinity;

  const prune = (): void => {
    if (Math.abs(now() - prunedAt) < HOUR_MS) return;
    prunedAt = now();
    const young = lines.filter(({ at }) => now() - at < KEPT_MS);
    if (young.length === lines.length) return;
    lines = young;
    known = new Set(lines.flatMap(({ keys }) => keys));
    writeFileAtomic(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  };

  return {
    claim: (hook, ids) => {
      const keys = ids.map((id) => keyOf(hook, id));
      try {
        prune();
        if (keys.some((key) => known.has(key))) return false;
        if (keys.length === 0) return true;
        const line = { at: now(), hook, keys };
        append(path, line);
        lines.push(line);
        for (const key of keys) known.add(key);
        return true;
      } catch (error) {
        if (systemErrorCode(error) === undefined) throw error;
        throw new LooperError(
          'LOG_DIR_UNUSABLE',
          `The delivery could not be noted in ${path} (${messageOf(error)}), so it was not accepted. Make room there and send it again.`,
          { cause: error },
        );
      }
    },
  };
}

function keyOf(hook: string, id: string): string {
  return createHash('sha256').update(`${hook}\n${id}`).digest('base64url').slice(0, 32);
}

function append(path: string, line: Line): void {
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const fd = openSync(path, flags, 0o600);
  try {
    appendLine(fd, JSON.stringify(line));
  } finally {
    closeSync(fd);
  }
}

function readLines(path: string, log: Logger): Line[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
  const lines = text.split('\n').filter((line) => line !== '');
  const parsed = lines.flatMap((line) => parseLine(line) ?? []);
  // A torn line is what a full disk leaves; that delivery was not accepted.
  const unreadable = lines.length - parsed.length;
  if (unreadable > 0) log.warn({ path, unreadable }, 'hook.deliveries_unreadable');
  return parsed;
}

function parseLine(line: string): Line | null {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
