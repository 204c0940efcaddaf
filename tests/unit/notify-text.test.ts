import { assert, constantFrom, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutToLimit, neutraliseControls } from '../../src/notify/text.ts';
import { inertWildcards, zulipContent, zulipTopic } from '../../src/notify/zulip-text.ts';

const asItIs = (text: string) => text;
const redact = (text: string) => text.replaceAll('SECRET', '[redacted]');
const ESC = '\u001B';

describe('neutraliseControls', () => {
  it.each([
    ['a colour', `${ESC}[1;31mred${ESC}[0m`, 'red'],
    ['a one-byte CSI', '\u009B31mred', 'red'],
    ['a link, as terminals write one', `${ESC}]8;;http://x\u0007text${ESC}]8;;${ESC}\\`, 'text'],
    ['a title that never ends', `${ESC}]0;title\nnext`, '0;title\nnext'],
    ['a short sequence', `${ESC}(Bplain`, 'plain'],
    ['a lone escape at the end', `end${ESC}`, 'end\uFFFD'],
    ['a NUL and a bell', 'a\0b\u0007', 'a\uFFFDb\uFFFD'],
    ['Windows line ends and a progress bar', 'a\r\nb\rc', 'a\nb\nc'],
    ['a bidi override', 'a\u202Eb', 'a\uFFFDb'],
    ['newline, tab, umlaut and emoji', 'a\n\tä👍', 'a\n\tä👍'],
  ])('row 17: %s', (_name, given, expected) => {
    expect(neutraliseControls(given)).toBe(expected);
  });

  it('row 17: leaves no control character but newline and tab, whatever comes', () => {
    const unit = constantFrom('\u001B', '[', ']', '\u0007', '\u009B', 'm', '\\', '\n', '\r', '\0');
    assert(
      property(string({ unit }), (given) => {
        expect(neutraliseControls(given)).not.toMatch(/(?![\n\t])\p{Cc}/u);
      }),
    );
  });
});

describe('cutToLimit', () => {
  it('row 17: leaves a text of exactly the limit as it is, counted in code points', () => {
    expect(cutToLimit('👍'.repeat(10), 10, '…')).toBe('👍'.repeat(10));
  });

  it('row 17: never splits a code point and counts its marker in', () => {
    expect(cutToLimit('👍'.repeat(11), 10, '...')).toBe(`${'👍'.repeat(7)}...`);
  });

  it('row 17: keeps to the limit for any text', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 60 }), (given) => {
        const cut = cutToLimit(given, 20, '…');
        const length = Array.from(given).length;
        expect(Array.from(cut)).toHaveLength(Math.min(length, 20));
        expect(cut === given).toBe(length <= 20);
        expect(Buffer.from(cut, 'utf8').toString('utf8')).toBe(cut);
      }),
    );
  });
});

describe('zulipContent', () => {
  it('row 17: sends 10,000 characters whole and cuts 10,001 with a marker', () => {
    expect(zulipContent({ kind: 'start', text: 'ä'.repeat(10_000) }, asItIs)).toBe(
      'ä'.repeat(10_000),
    );
    const cut = zulipContent({ kind: 'start', text: 'ä'.repeat(10_001) }, asItIs);
    expect(cut).toHaveLength(10_000);
    expect(cut.endsWith('ä\n[message truncated]')).toBe(true);
  });

  it('row 17: leaves no part of a secret that the cut would have split', () => {
    const text = `${'ä'.repeat(9976)}SECRET${'ä'.repeat(100)}`;
    expect(zulipContent({ kind: 'end', text }, redact)).not.toContain('SEC');
    expect(zulipTopic(`${'t'.repeat(54)}SECRET and more`, redact)).not.toContain('SEC');
  });

  it('row 17: lets the trigger wake everybody, and nobody else', () => {
    const text = 'look @**all**';
    expect(zulipContent({ kind: 'start', text }, asItIs)).toBe(text);
    expect(zulipContent({ kind: 'question', text }, asItIs)).toBe('look @\u200B**all**');
  });

  it('row 17: sees a mention that an escape sequence was to hide', () => {
    expect(zulipContent({ kind: 'end', text: `@${ESC}[0m**all**` }, asItIs)).toBe('@\u200B**all**');
  });
});

describe('inertWildcards', () => {
  it.each(['all', 'everyone', 'channel', 'stream', 'topic'])('row 17: knows %s', (word) => {
    expect(inertWildcards(`@**${word}** @_**${word}**`)).toBe(
      `@\u200B**${word}** @\u200B_**${word}**`,
    );
  });

  it('row 17: leaves a mention of one person alone', () => {
    expect(inertWildcards('@**Ada Lovelace** and **all**')).toBe('@**Ada Lovelace** and **all**');
  });
});

describe('zulipTopic', () => {
  it('row 17: cuts at 60 characters, marker included', () => {
    expect(zulipTopic('t'.repeat(60), asItIs)).toBe('t'.repeat(60));
    expect(zulipTopic('👍'.repeat(61), asItIs)).toBe(`${'👍'.repeat(57)}...`);
  });

  it('row 17: is one line without control characters, which the server would refuse', () => {
    expect(zulipTopic(` a\n\tb${ESC}[31mc `, asItIs)).toBe('a bc');
  });
});
