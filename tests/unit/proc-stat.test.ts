import { describe, expect, it } from 'vitest';
import { newestFirst, parseStat } from '../../src/processes/proc.ts';
import { parsePsTable } from '../../src/processes/ps.ts';

/** A line of proc(5) with the fields that matter. */
function line(name: string, state: string, threads: number, flags = 4194560): string {
  return `77 (${name}) ${state} 7 70 700 0 -1 ${flags} 1 2 3 4 5 6 7 8 20 0 ${threads} 0 4242 123\n`;
}

describe('parseStat', () => {
  it('reads behind the last bracket of the name', () => {
    expect(parseStat(line('a) R 1 (b', 'S', 1), 'boot')).toEqual({
      startTime: 'boot:4242',
      ppid: 7,
      pgid: 70,
      sid: 700,
      isDead: false,
      isKernelThread: false,
    });
  });

  it('knows kernel threads', () => {
    expect(parseStat(line('kworker/0:0', 'I', 1, 69238880), 'boot')?.isKernelThread).toBe(true);
  });

  it('takes a zombie for dead, unless only its main thread has ended', () => {
    expect(parseStat(line('x', 'Z', 1), 'boot')?.isDead).toBe(true);
    expect(parseStat(line('x', 'Z', 2), 'boot')?.isDead).toBe(false);
  });

  it('gives up on half a line', () => {
    expect(parseStat('77 (x) S 7 70', 'boot')).toBeNull();
    expect(parseStat('', 'boot')).toBeNull();
  });
});

describe('newestFirst', () => {
  it('starts with the last pid given, although numbers start over', () => {
    expect(newestFirst([1, 2, 300, 301, 900], 301)).toEqual([301, 300, 2, 1, 900]);
    expect(newestFirst([1, 2, 900], 0)).toEqual([900, 2, 1]);
  });
});

describe('parsePsTable', () => {
  it('reads start times as UTC, and skips what is no process', () => {
    const text =
      '    1     1 Ss   Thu Jan  1 00:00:09 1970\n 20 10 Z Thu Jan  1 00:01:00 1970\nodd\n';
    expect([...parsePsTable(text)]).toEqual([
      [1, { startTime: '9', pgid: 1, isDead: false }],
      [20, { startTime: '60', pgid: 10, isDead: true }],
    ]);
  });
});
