import { expect, test } from 'vitest';
import { addUsage, NO_USAGE, subtractUsage } from '../../src/runner/usage.ts';

const usage = (input: number, output: number) => ({
  ...NO_USAGE,
  input_tokens: input,
  output_tokens: output,
});

test('a turn has used what its thread has used since the turn before', () => {
  expect(subtractUsage(usage(300, 30), usage(100, 20))).toEqual(usage(200, 10));
  expect(subtractUsage(usage(300, 30), null)).toEqual(usage(300, 30));
});

test('a thread that reports less than before was compacted: its figure stands', () => {
  expect(subtractUsage(usage(50, 5), usage(300, 30))).toEqual(usage(50, 5));
  expect(subtractUsage(usage(400, 5), usage(300, 30))).toEqual(usage(100, 0));
});

test('a turn without a figure adds nothing', () => {
  expect(addUsage(usage(1, 2), null)).toEqual(usage(1, 2));
  expect(addUsage(usage(1, 2), usage(3, 4))).toEqual(usage(4, 6));
});
