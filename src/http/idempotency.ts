import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LooperError, systemErrorCode } from '../errors.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';

const KEPT_MS = 24 * 3_600_000;
const MAX_KEY_CHARS = 255;

const storedSchema = z.object({
  body_sha256: z.string(),
  status: z.number(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
});

export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Answers by `Idempotency-Key`, on disk for 24 h: a repeated request gets the first one's answer. */
export interface IdempotencyStore {
  /**
   * The stored answer for this key and body, else what `respond` answers, stored unless it throws.
   * Throws `RUN_IN_PROGRESS` while the first request is under way, `IDEMPOTENCY_MISMATCH` when the
   * same key comes with another body.
   */
  once(
    key: string,
    body: string,
    respond: () => Promise<StoredAnswer>,
  ): Promise<StoredAnswer & { readonly isReplay: boolean }>;
}

export function createIdempotencyStore(logDirectory: string): IdempotencyStore {
  const directory = join(logDirectory, 'idempotency');
  const underWay = new Set<string>();

  const read = (path: string): z.output<typeof storedSchema> | null => {
    try {
      const isOld = Date.now() - statSync(path).mtimeMs > KEPT_MS;
      return isOld ? null : storedSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    } catch (error) {
      // A garbled answer cannot be replayed; asking again is the lesser evil.
      if (systemErrorCode(error) === undefined || systemErrorCode(error) === 'ENOENT') return null;
      throw error;
    }
  };

  return {
    once: async (key, body, respond) => {
      if (key.length > MAX_KEY_CHARS) {
        throw new LooperError(
          'REQUEST_INVALID',
          `'Idempotency-Key' has ${key.length} characters; send at most ${MAX_KEY_CHARS}`,
        );
      }
      const path = join(directory, `${sha256(key)}.json`);
      const bodyHash = sha256(body);
      const stored = read(path);
      if (stored !== null) {
        if (stored.body_sha256 !== bodyHash) throw mismatch(key);
        return { ...stored, isReplay: true };
      }
      if (underWay.has(path)) {
        throw new LooperError(
          'RUN_IN_PROGRESS',
          `busy: a request with the Idempotency-Key ${JSON.stringify(key)} is still in progress`,
          { retryAfterSeconds: 2 },
        );
      }
      underWay.add(path);
      try {
        const answer = await respond();
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        removeOld(directory);
        writeFileAtomic(path, `${JSON.stringify({ ...answer, body_sha256: bodyHash })}\n`);
        return { ...answer, isReplay: false };
      } finally {
        underWay.delete(path);
      }
    },
  };
}

function removeOld(directory: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && Date.now() - stat.mtimeMs > KEPT_MS) rmSync(path, { force: true });
  }
}

function mismatch(key: string): LooperError {
  return new LooperError(
    'IDEMPOTENCY_MISMATCH',
    `the Idempotency-Key ${JSON.stringify(key)} was used with another body; use a new key for a new request`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
