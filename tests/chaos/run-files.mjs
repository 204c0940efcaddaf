/** What a campaign reads of the runs, with readers of its own. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param {string} directory the log directory
 * @returns {string[]} the bases of all runs
 */
export function listBases(directory) {
  return readdirSync(directory)
    .filter((name) => /^codex-exec-.*\.json$/.test(name))
    .map((name) => name.slice(0, -'.json'.length));
}

/** The record as it lies there; null when it cannot be parsed. */
export function readRecord(directory, base) {
  try {
    return JSON.parse(readFileSync(join(directory, `${base}.json`), 'utf8'));
  } catch {
    return null;
  }
}

/** Null: no valid end. */
export function readEnd(directory, base) {
  const text = readText(join(directory, `${base}.end`));
  const body = text.slice(65).trimEnd();
  const isValid = createHash('sha256').update(body).digest('hex') === text.slice(0, 64);
  return isValid ? JSON.parse(body) : null;
}

/** The events of one type. */
export function readEvents(directory, base, type) {
  const lines = readText(join(directory, `${base}.events.jsonl`)).split('\n');
  return lines.filter((line) => line.includes(`"type":"${type}"`));
}

export function readText(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/**
 * Whether no run is without an end. It is asked often, and names of one second have no order: what
 * has once been seen to be over is not read again.
 *
 * @param {string} directory
 * @returns {() => boolean}
 */
export function createQuietness(directory) {
  const over = new Set();
  return () => {
    for (const base of listBases(directory)) {
      if (over.has(base)) continue;
      if (readRecord(directory, base)?.status !== 'finished') return false;
      over.add(base);
    }
    return true;
  };
}
