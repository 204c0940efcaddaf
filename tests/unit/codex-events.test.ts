import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { LogPiece } from '../../src/codex/events.ts';
import { parseLogLine } from '../../src/codex/events.ts';

const STARTED = '{"type":"turn.started"}';
const started: LogPiece = { kind: 'event', event: { type: 'turn.started' } };
const text = (value: string): LogPiece => ({ kind: 'text', text: value });

describe('parseLogLine', () => {
  test.each<[string, string, LogPiece[]]>([
    ['an event', STARTED, [started]],
    ['an event with blanks around', ` ${STARTED} \r`, [started]],
    ['stderr text before the newline', `${STARTED}WARN slow`, [started, text('WARN slow')]],
    ['stderr text before the event', `WARN slow${STARTED}`, [text('WARN slow'), started]],
    ['text on both sides', `a${STARTED}b`, [text('a'), started, text('b')]],
    ['two events on one line', `${STARTED}${STARTED}`, [started, started]],
    ['braces and quotes in text', `}{"a" ${STARTED}`, [text('}{"a" '), started]],
    ['a false start before an event', `{"type":"${STARTED}`, [text('{"type":"'), started]],
    ['half an event', '{"type":"turn.sta', [text('{"type":"turn.sta')]],
    ['plain text', 'Reading from stdin...', [text('Reading from stdin...')]],
    ['a JSON object without a type', '{"a":1}', [text('{"a":1}')]],
    ['JSON that is no object', '["type"]', [text('["type"]')]],
    ['nothing', '', []],
    ['blanks', ' \t\r', []],
  ])('%s', (_name, line, pieces) => {
    expect(parseLogLine(line)).toEqual(pieces);
  });

  test('braces and escaped quotes inside strings do not end an object', () => {
    const event = { type: 'error', message: 'a "}" and \\ and {"type":"x"}' };
    expect(parseLogLine(`${JSON.stringify(event)}tail`)).toEqual([
      { kind: 'event', event },
      text('tail'),
    ]);
  });

  test.each<[string, unknown]>([
    ['{"type":"thread.started","thread_id":"t"}', { type: 'thread.started', threadId: 't' }],
    ['{"type":"turn.failed","error":{"message":"m"}}', { type: 'turn.failed', message: 'm' }],
    ['{"type":"turn.failed"}', { type: 'turn.failed', message: '' }],
    [
      '{"type":"turn.completed","usage":{"input_tokens":3,"output_tokens":-1,"new":9}}',
      {
        type: 'turn.completed',
        usage: {
          input_tokens: 3,
          cached_input_tokens: 0,
          output_tokens: 0,
          reasoning_output_tokens: 0,
        },
      },
    ],
    ['{"type":"turn.completed"}', { type: 'turn.completed', usage: null }],
    [
      // Codex prints the key `id` twice for a web search.
      '{"type":"item.completed","item":{"id":"item_4","type":"web_search","id":"ws_1","query":"q"}}',
      { type: 'item.completed', item: { type: 'web_search', query: 'q' } },
    ],
    [
      '{"type":"item.completed","item":{"type":"command_execution","command":"c","aggregated_output":"o","exit_code":3,"status":"failed"}}',
      {
        type: 'item.completed',
        item: {
          type: 'command_execution',
          command: 'c',
          output: 'o',
          exitCode: 3,
          status: 'failed',
        },
      },
    ],
    [
      '{"type":"item.updated","item":{"type":"todo_list","items":[{"text":"a","completed":true},7]}}',
      {
        type: 'item.updated',
        item: { type: 'todo_list', items: [{ text: 'a', completed: true }] },
      },
    ],
    [
      '{"type":"item.completed","item":{"type":"hologram"}}',
      { type: 'item.completed', item: { type: 'unknown', name: 'hologram' } },
    ],
    [
      '{"type":"turn.paused","why":1}',
      { type: 'unknown', name: 'turn.paused', value: { type: 'turn.paused', why: 1 } },
    ],
    [
      '{"type":"error","error":{"message":"a provider\'s, not codex\'s"}}',
      { type: 'unknown', name: 'error', value: expect.anything() },
    ],
  ])('%s', (line, event) => {
    expect(parseLogLine(line)).toEqual([{ kind: 'event', event }]);
  });

  test('never throws, and a line without events is its own text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (line) => {
        const pieces = parseLogLine(line);
        if (pieces.some((piece) => piece.kind === 'event')) return;
        expect(pieces).toEqual(line.trim() === '' ? [] : [text(line)]);
      }),
    );
  });

  test('loses no text and no event, however they are torn', () => {
    const message = fc.string({ unit: 'grapheme' });
    const noise = fc.string().filter((value) => !value.includes('{'));
    fc.assert(
      fc.property(fc.array(fc.record({ before: noise, message })), noise, (parts, tail) => {
        const line = parts
          .map((part) => part.before + JSON.stringify({ type: 'error', message: part.message }))
          .join('')
          .concat(tail);
        const pieces = parseLogLine(line);
        const messages = pieces.flatMap((piece) =>
          piece.kind === 'event' && piece.event.type === 'error' ? [piece.event.message] : [],
        );
        const texts = pieces.flatMap((piece) => (piece.kind === 'text' ? [piece.text] : []));
        expect(messages).toEqual(parts.map((part) => part.message));
        expect(texts).toEqual(
          [...parts.map((part) => part.before), tail].filter((value) => value.trim() !== ''),
        );
      }),
    );
  });

  test('a line of false starts is read in bounded time', () => {
    const line = '{"type":"'.repeat(400_000);
    const begin = performance.now();
    expect(parseLogLine(line)).toEqual([text(line)]);
    // One scan per false start would take hours.
    expect(performance.now() - begin).toBeLessThan(5_000);
  });
});
