import { describe, expect, it } from 'vitest';
import { isClosedMessage, parseMessage } from '../../src/tickets/message.ts';

describe('parseMessage', () => {
  it.each([
    ['---\nmode: pause\ntitle: Which one?\n---\nA or B?\n', 'pause', 'Which one?', 'A or B?'],
    ['---\nmode: notify\n---\n\nDone half.\n', 'notify', null, 'Done half.'],
    ['---\ntitle: 42\n---\nx', 'notify', '42', 'x'],
    ['\ufeff---\r\nmode: " Pause "\r\n...\r\nx\r\n', 'pause', null, 'x'],
    ['---\nmode:\nother: 1\n---\n', 'notify', null, ''],
  ])('reads %j', (text, mode, title, body) => {
    expect(parseMessage(text)).toEqual({ mode, title, body, warnings: [] });
  });

  it.each([
    ['plain text', 'notify', 'no front matter'],
    ['---\nmode: question\n---\nx', 'pause', 'is "question", not notify or pause'],
    ['---\nmode: [pause]\n---\nx', 'pause', 'not notify or pause'],
    ['---\nmode: pause\nno end', 'pause', 'never closed'],
    ['---\nmode: {\n---\nx', 'pause', 'cannot be read'],
  ])('rejects nothing: %j', (text, mode, warning) => {
    const message = parseMessage(text);
    expect(message.mode).toBe(mode);
    expect(message.warnings.join()).toContain(warning);
    expect(message.body).not.toBe('');
  });

  it('makes the title one printable line', () => {
    expect(parseMessage('---\ntitle: "a\\n# b\\e[1m"\n---\n').title).toBe('a # b [1m');
  });
});

describe('isClosedMessage', () => {
  it.each([
    ['---\nmode: pause\n---\nx', true],
    ['plain', true],
    ['---\nmode: pause\n', false],
    ['', false],
    [' \n', false],
  ])('%j: %s', (text, isClosed) => expect(isClosedMessage(text)).toBe(isClosed));
});
