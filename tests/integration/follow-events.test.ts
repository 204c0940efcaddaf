import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { appendEvent, type RunEvent } from '../../src/runs/events-file.ts';
import { followEvents } from '../../src/runs/follow-events.ts';
import { tempDir } from '../support/temp-dir.ts';

function event(type: RunEvent['type'], more: object = {}): RunEvent {
  return { type, at: '2026-01-01T00:00:00.000Z', run_id: '0a1b2c3d', ...more };
}

function follow(path: string, from: number) {
  const seen: string[] = [];
  const next = followEvents(path, from, ({ type }) => seen.push(type));
  return { next, seen };
}

test('hands over each event once, whenever it comes', () => {
  const path = join(tempDir(), 'events.jsonl');
  expect(follow(path, 0)).toEqual({ next: 0, seen: [] });
  appendEvent(path, event('created'));
  appendEvent(path, event('started'));
  const first = follow(path, 0);
  expect(first.seen).toEqual(['created', 'started']);
  expect(follow(path, first.next)).toEqual({ next: first.next, seen: [] });
  appendEvent(path, event('message', { text: 'grüß 👍' }));
  expect(follow(path, first.next).seen).toEqual(['message']);
});

test('waits for the end of a line, and passes over what is no event', () => {
  const path = join(tempDir(), 'events.jsonl');
  const line = JSON.stringify(event('message', { text: 'ä' }));
  writeFileSync(path, `torn{"type"\n[]\n${line.slice(0, 40)}`);
  const first = follow(path, 0);
  expect(first.seen).toEqual([]);
  appendFileSync(path, `${line.slice(40)}\n`);
  expect(follow(path, first.next).seen).toEqual(['message']);
});

test('reads a long file in pieces and gets past a line without end', () => {
  const path = join(tempDir(), 'events.jsonl');
  const bulk = JSON.stringify(event('warning', { text: 'x'.repeat(1000) }));
  writeFileSync(path, `${`${bulk}\n`.repeat(2000)}${'y'.repeat(3 * 1024 ** 2)}\n`);
  appendEvent(path, event('end'));
  const seen: string[] = [];
  let [from, next] = [-1, 0];
  while (next > from) {
    from = next;
    next = followEvents(path, from, ({ type }) => seen.push(type));
  }
  expect(seen.filter((type) => type === 'warning')).toHaveLength(2000);
  expect(seen.at(-1)).toBe('end');
});
