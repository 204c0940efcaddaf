import fc from 'fast-check';
import { appendFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { appendEvent, type RunEvent } from '../../src/runs/events-file.ts';
import { createRunBase, runFiles, type RunFiles } from '../../src/runs/files.ts';
import {
  createFollowers,
  RUN_START,
  type FollowedItem,
  type Followers,
  type Position,
} from '../../src/runs/follow.ts';
import { MAX_LINE_BYTES, readLines } from '../../src/runs/line-reader.ts';
import type { RunRecord } from '../../src/runs/record.ts';
import { tempDir } from '../support/temp-dir.ts';

const RUN_ID = '0a1b2c3d';

function newRun(): RunFiles {
  return runFiles(tempDir(), createRunBase(RUN_ID, new Date(0)));
}

function event(type: RunEvent['type'], more: object = {}): RunEvent {
  return { type, at: '2026-01-01T00:00:00.000Z', run_id: RUN_ID, ...more };
}

/** Of a run that goes on, unless `status` says otherwise. */
function followersOf(files: RunFiles, status = (): string => 'running'): Followers {
  return createFollowers(() => ({
    files,
    record: { status: status(), run_id: RUN_ID, outcome: 'lost' } as unknown as RunRecord,
  }));
}

/** Everything from a position to the end of the run, or until nothing comes for a moment. */
async function readOn(
  followers: Followers,
  files: RunFiles,
  from: Position = RUN_START,
  idleMs = 300,
): Promise<{ items: FollowedItem[]; isOver: boolean }> {
  const follower = followers.open(files);
  const items: FollowedItem[] = [];
  let position = from;
  let idleSince = performance.now();
  try {
    for (;;) {
      const batch = follower.next(position);
      if (batch === null) {
        if (performance.now() - idleSince > idleMs) return { items, isOver: false };
        await follower.wait(50).done;
        continue;
      }
      items.push(...batch.items);
      position = batch.after;
      idleSince = performance.now();
      if (batch.isLast) return { items, isOver: true };
    }
  } finally {
    follower.close();
  }
}

const textOf = (items: readonly FollowedItem[]): string[] =>
  items.flatMap((item) => (item.kind === 'log' ? [item.text] : []));
const typesOf = (items: readonly FollowedItem[]): string[] =>
  items.flatMap((item) => (item.kind === 'event' ? [item.event.type] : []));
const idOf = ({ after }: FollowedItem): string => `${after.log}-${after.events}`;

describe('reading finished lines', () => {
  const lines = (files: RunFiles, from = 0, options = {}) => readLines(files.log, from, options);

  it('leaves an unfinished line for later, and gives it once it is known to be the last', () => {
    const files = newRun();
    writeFileSync(files.log, 'one\ntw');
    expect(lines(files).lines.map(({ text, offset, end }) => [text, offset, end])).toEqual([
      ['one', 0, 4],
    ]);
    expect(lines(files, 4).lines).toEqual([]);
    expect(lines(files, 4, { takeRest: true }).lines).toMatchObject([{ text: 'tw', end: 6 }]);
  });

  it.each([
    ['as long as is kept', 'x'.repeat(MAX_LINE_BYTES), MAX_LINE_BYTES, false],
    ['one byte longer', 'x'.repeat(MAX_LINE_BYTES + 1), MAX_LINE_BYTES, true],
    ['far longer', 'x'.repeat(MAX_LINE_BYTES * 5), MAX_LINE_BYTES, true],
    ['cut inside a character', `${'x'.repeat(MAX_LINE_BYTES - 1)}ü`, MAX_LINE_BYTES - 1, true],
  ])('cuts a line that is %s', (_name, text, kept, truncated) => {
    const files = newRun();
    writeFileSync(files.log, `${text}\nnext\n`);
    const [first] = lines(files).lines;
    expect(first).toMatchObject({ truncated, text: text.slice(0, kept) });
    expect(lines(files, first?.end).lines).toMatchObject([{ text: 'next' }]);
  });

  it('replaces what is no UTF-8, and still keeps within the limit', () => {
    const files = newRun();
    writeFileSync(
      files.log,
      Buffer.concat([Buffer.alloc(MAX_LINE_BYTES, 0xff), Buffer.from('\n')]),
    );
    const [line] = lines(files).lines;
    expect(line?.truncated).toBe(true);
    expect(line?.text.startsWith('\ufffd')).toBe(true);
    expect(Buffer.byteLength(line?.text ?? '')).toBeLessThanOrEqual(MAX_LINE_BYTES);
  });

  it('searches a very long unfinished line in slices, and each slice once', () => {
    const files = newRun();
    writeFileSync(files.log, Buffer.alloc(9 * 1024 * 1024, 0x61));
    const first = lines(files);
    expect(first.lines).toEqual([]);
    expect(first.searchedTo).toBeLessThan(first.size);
    const second = lines(files, 0, { searchedTo: first.searchedTo });
    expect(second.searchedTo).toBeGreaterThan(first.searchedTo);
    appendFileSync(files.log, '\n');
    const third = lines(files, 0, { searchedTo: second.searchedTo });
    expect(third.lines).toMatchObject([{ offset: 0, end: 9 * 1024 * 1024 + 1, truncated: true }]);
  });
});

describe('following a run', () => {
  it('tells what was there, what comes, and the end last', async () => {
    const files = newRun();
    const followers = followersOf(files);
    appendEvent(files.events, event('created'));
    const reading = readOn(followers, files, RUN_START, 5_000);
    await delay(150);
    writeFileSync(files.log, 'first\nsecond');
    appendEvent(files.events, event('started'));
    await delay(150);
    appendFileSync(files.log, ' half\n');
    appendEvent(files.events, event('end', { outcome: 'succeeded' }));
    const { items, isOver } = await reading;
    expect(isOver).toBe(true);
    expect(textOf(items)).toEqual(['first', 'second half']);
    expect(typesOf(items)).toEqual(['created', 'started', 'end']);
    expect(items.at(-1)).toMatchObject({ kind: 'event', event: { type: 'end' } });
  });

  it('loses and repeats nothing when it is cut anywhere and resumed', async () => {
    const written = fc.array(
      fc.oneof(
        fc.record({ log: fc.string({ unit: 'binary' }) }),
        fc.record({
          log: fc.constantFrom('', 'no newline', 'x'.repeat(70_000), '\r', 'ü'.repeat(99)),
        }),
        fc.record({ event: fc.constantFrom('started', 'message', 'warning', 'turn_ended') }),
        fc.record({ torn: fc.constant('{"type":"mess') }),
      ),
      { maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(written, fc.array(fc.nat(60), { maxLength: 5 }), async (parts, cuts) => {
        const files = newRun();
        const followers = followersOf(files, () => 'finished');
        for (const part of parts) {
          if ('log' in part) appendFileSync(files.log, `${part.log}\n`);
          else if ('event' in part) {
            appendEvent(files.events, event(part.event));
          } else appendFileSync(files.events, part.torn);
        }
        appendFileSync(files.log, '# the last line has no newline');
        appendEvent(files.events, event('end'));
        const { items: whole, isOver } = await readOn(followers, files);
        expect(isOver).toBe(true);

        // A reader that goes away after some events each time, and comes back with its last id.
        const seen: FollowedItem[] = [];
        let lastId: string | null = null;
        for (const count of [...cuts, Number.POSITIVE_INFINITY]) {
          const from: Position | null =
            lastId === null ? RUN_START : followers.resume(files, lastId);
          expect(from).not.toBeNull();
          if (from === null || followers.isOver(files, from)) break;
          const { items } = await readOn(followers, files, from);
          seen.push(...items.slice(0, count));
          const last = seen.at(-1);
          if (last !== undefined) lastId = idOf(last);
        }
        expect(seen).toEqual(whole);
        expect(followers.isOver(files, seen.at(-1)?.after ?? RUN_START)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each(['', 'junk', '5', '-1-2', '5-', '999-0', '0-999', '3-0', '0-3', '1e1-0'])(
    'takes %j for no place in the run',
    (id) => {
      const files = newRun();
      writeFileSync(files.log, 'abcdef\nghi\n');
      appendEvent(files.events, event('created'));
      expect(followersOf(files).resume(files, id)).toBeNull();
    },
  );

  it('gives readers at the same place the same batch', () => {
    const files = newRun();
    writeFileSync(files.log, 'line\n');
    const followers = followersOf(files);
    const [one, other] = [followers.open(files), followers.open(files)];
    expect(one.next(RUN_START)).not.toBeNull();
    expect(other.next(RUN_START)).toBe(one.next(RUN_START));
    one.close();
    other.close();
  });

  it('does not take a run for over whose end file is written and whose final event is not', () => {
    const files = newRun();
    appendEvent(files.events, event('created'));
    const followers = followersOf(files, () => 'finished');
    const from = { log: 0, events: readLines(files.events, 0).size };
    expect(followers.isOver(files, from)).toBe(false);
  });

  it('makes up the end of a run that could not write it, once', async () => {
    const files = newRun();
    writeFileSync(files.log, 'all that was left');
    appendEvent(files.events, event('created'));
    const followers = followersOf(files, () => 'finished');
    const { items, isOver } = await readOn(followers, files, RUN_START, 10_000);
    expect(isOver).toBe(true);
    expect(items.at(-1)).toMatchObject({ kind: 'event', event: { type: 'end', outcome: 'lost' } });
    expect(textOf(items)).toEqual(['all that was left']);
    const from = followers.resume(files, idOf(items.at(-1)!));
    expect(from).not.toBeNull();
    expect(followers.isOver(files, from!)).toBe(true);
    // The disk has room again, and somebody completes the run.
    appendEvent(files.events, event('end'));
    expect(followers.isOver(files, from!)).toBe(true);
  });
});
