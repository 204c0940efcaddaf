import { expect, it } from 'vitest';
import { parseByteRange } from '../../src/http/byte-range.ts';

const ALL = { kind: 'all' };
const NONE = { kind: 'unsatisfiable' };
const part = (start: number, end: number) => ({ kind: 'part', start, end });

it.each([
  [undefined, 10, ALL],
  ['bytes=0-3', 10, part(0, 4)],
  ['bytes=4-', 10, part(4, 10)],
  ['bytes=-3', 10, part(7, 10)],
  ['bytes=-30', 10, part(0, 10)],
  ['bytes=8-99', 10, part(8, 10)],
  ['Bytes= 0-0', 10, part(0, 1)],
  ['bytes=10-', 10, NONE],
  ['bytes=-0', 10, NONE],
  ['bytes=0-', 0, NONE],
  ['bytes=-5', 0, NONE],
  // What is malformed, or more than is supported, is ignored.
  ['bytes=5-3', 10, ALL],
  ['bytes=-', 10, ALL],
  ['bytes=0-1,4-5', 10, ALL],
  ['lines=0-1', 10, ALL],
  ['bytes=1e3-', 10, ALL],
  ['bytes=99999999999999999999-', 10, ALL],
])('%j of %i bytes', (header, size, expected) => {
  expect(parseByteRange(header, size)).toEqual(expected);
});
