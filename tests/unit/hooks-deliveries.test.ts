import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDeliveries } from '../../src/hooks/deliveries.ts';
import type { Logger } from '../../src/logger.ts';
import { tempDir } from '../support/temp-dir.ts';

const HOUR_MS = 3_600_000;

function setting() {
  const directory = tempDir();
  const warnings: unknown[] = [];
  const log = { warn: (about: unknown) => warnings.push(about) } as unknown as Logger;
  const clock = { now: Date.parse('2026-11-01T12:00:00Z') };
  const open = () => createDeliveries(directory, log, () => clock.now);
  return { path: join(directory, 'hooks', 'deliveries.jsonl'), warnings, clock, open };
}

test('an accepted delivery is refused under each of its ids, also after a restart (row 73)', () => {
  const { open } = setting();
  const first = open();
  expect(first.claim('a', ['id 1', 'content x'])).toBe(true);
  for (const deliveries of [first, open()]) {
    expect(deliveries.claim('a', ['id 1', 'content y'])).toBe(false);
    expect(deliveries.claim('a', ['id 2', 'content x'])).toBe(false);
  }
  // What was refused has left nothing behind, and hooks have nothing to do with each other.
  expect(open().claim('a', ['id 2', 'content y'])).toBe(true);
  expect(open().claim('b', ['id 1', 'content x'])).toBe(true);
});

test('a delivery without an id may come again', () => {
  const { open } = setting();
  const deliveries = open();
  expect([deliveries.claim('a', []), deliveries.claim('a', [])]).toEqual([true, true]);
});

test('after 24 hours it is forgotten, in memory and on disk', () => {
  const { open, clock, path } = setting();
  const deliveries = open();
  deliveries.claim('a', ['1']);
  clock.now += 23 * HOUR_MS;
  expect(deliveries.claim('a', ['1'])).toBe(false);
  deliveries.claim('a', ['2']);
  clock.now += 2 * HOUR_MS;
  expect(deliveries.claim('a', ['1'])).toBe(true);
  expect(deliveries.claim('a', ['2'])).toBe(false);
  expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(2);
});

test('a clock that was set back forgets nothing', () => {
  const { open, clock } = setting();
  const deliveries = open();
  deliveries.claim('a', ['1']);
  clock.now -= 48 * HOUR_MS;
  expect(deliveries.claim('a', ['1'])).toBe(false);
  expect(open().claim('a', ['1'])).toBe(false);
});

test('ids are not written down as they are', () => {
  const { open, path } = setting();
  open().claim('a', ['key my-secret-id']);
  expect(readFileSync(path, 'utf8')).not.toContain('my-secret-id');
});

test('a torn line costs itself only', () => {
  const { open, path, warnings } = setting();
  open().claim('a', ['1']);
  appendFileSync(path, '{"at":17,"hook":"a","ke');
  const deliveries = open();
  expect(warnings).toEqual([{ path, unreadable: 1 }]);
  expect(deliveries.claim('a', ['1'])).toBe(false);
  expect(deliveries.claim('a', ['2'])).toBe(true);
  expect(open().claim('a', ['2'])).toBe(false);
});

test('what cannot be noted is not accepted', () => {
  const { open, path } = setting();
  const deliveries = open();
  rmSync(join(path, '..'), { recursive: true });
  writeFileSync(join(path, '..'), '');
  expect(() => deliveries.claim('a', ['1'])).toThrow(
    expect.objectContaining({ code: 'LOG_DIR_UNUSABLE' }),
  );
  rmSync(join(path, '..'));
});
