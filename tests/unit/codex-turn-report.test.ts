import { describe, expect, test } from 'vitest';

import { createLineSplitter } from '../../src/codex/lines.ts';
import { createTurnReader } from '../../src/codex/turn-report.ts';

function read(...lines: readonly (string | object)[]) {
  const reader = createTurnReader();
  for (const line of lines) reader.push(typeof line === 'string' ? line : JSON.stringify(line));
  return reader.report();
}
const completed = (item: object): object => ({ type: 'item.completed', item });
const command = (exit_code: number, aggregated_output: string): object =>
  completed({ type: 'command_execution', command: 'c', exit_code, aggregated_output });

function split(chunks: readonly Buffer[], max?: number): string[] {
  const lines: string[] = [];
  const splitter = createLineSplitter((line) => lines.push(line), max);
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

describe('createTurnReader', () => {
  test('an empty turn', () => {
    expect(read()).toEqual({
      threadId: null,
      turnStarted: false,
      terminal: null,
      errorMessage: null,
      usage: null,
      finalMessage: null,
      commands: { total: 0, failed: 0, sandboxFailed: 0 },
      fileChanges: 0,
      textTail: '',
    });
  });

  test('a turn that worked', () => {
    const report = read(
      'Reading additional input from stdin...',
      { type: 'thread.started', thread_id: 't-1' },
      { type: 'turn.started' },
      completed({ type: 'agent_message', text: 'first' }),
      command(0, 'bwrap: quoted from a manual\n'),
      command(3, 'assertion failed'),
      { type: 'item.started', item: { type: 'command_execution', command: 'still running' } },
      completed({ type: 'file_change', changes: [{}, {}], status: 'completed' }),
      completed({ type: 'file_change', changes: [{}], status: 'failed' }),
      completed({ type: 'agent_message', text: 'last' }),
      { type: 'turn.completed', usage: { input_tokens: 7 } },
    );
    expect(report).toMatchObject({
      threadId: 't-1',
      turnStarted: true,
      terminal: 'completed',
      finalMessage: 'last',
      usage: { input_tokens: 7 },
      commands: { total: 2, failed: 1, sandboxFailed: 0 },
      fileChanges: 2,
      textTail: 'Reading additional input from stdin...\n',
    });
  });

  test('the reason is that of turn.failed', () => {
    const report = read(
      { type: 'error', message: 'another' },
      { type: 'turn.failed', error: { message: 'the one' } },
    );
    expect(report).toMatchObject({ terminal: 'failed', errorMessage: 'the one' });
  });

  test('without turn.failed it is the last error that is not about reconnecting', () => {
    const report = read(
      { type: 'error', message: 'real' },
      { type: 'error', message: 'Reconnecting... 1/5 (busy)' },
      completed({ type: 'error', message: 'a warning' }),
    );
    expect(report).toMatchObject({ terminal: null, errorMessage: 'real' });
  });

  test("bubblewrap's own complaint marks a command as never run", () => {
    const report = read(command(1, 'bwrap: Creating new namespace failed: nesting depth'));
    expect(report.commands).toEqual({ total: 1, failed: 1, sandboxFailed: 1 });
  });

  test('only the end of plain text is kept', () => {
    const report = read('x'.repeat(10_000), 'the end');
    expect(report.textTail).toHaveLength(4096);
    expect(report.textTail.endsWith('x\nthe end\n')).toBe(true);
  });
});

describe('createLineSplitter', () => {
  test('lines do not depend on where the chunks end', () => {
    const bytes = Buffer.from('é one\n\ntwo\r\nthrée');
    const expected = ['é one', '', 'two\r', 'thrée'];
    for (let size = 1; size <= bytes.length; size += 1) {
      const chunks: Buffer[] = [];
      for (let i = 0; i < bytes.length; i += size) chunks.push(bytes.subarray(i, i + size));
      expect(split(chunks)).toEqual(expected);
    }
  });

  test('invalid UTF-8 is replaced, not refused', () => {
    expect(split([Buffer.from([0x61, 0xff, 0x62, 0x0a])])).toEqual(['a\ufffdb']);
  });

  test('of a line that is too long only the end is delivered', () => {
    const [first, second] = split([Buffer.alloc(300_000, 'x'), Buffer.from('end\nnext')], 100_000);
    expect(first).toHaveLength(64 * 1024);
    expect(first?.endsWith('xend')).toBe(true);
    expect(second).toBe('next');
  });
});
