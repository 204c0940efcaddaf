import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseFrontMatter,
  setFrontMatterKey,
  splitFrontMatter,
} from '../../src/tickets/front-matter.ts';
import type { FrontMatter } from '../../src/tickets/front-matter.ts';
import { MAX_YAML_CHARS, parseMapping } from '../../src/tickets/mapping.ts';

const BOM = '\ufeff';
const SIGNS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  '|',
  '>',
  '%',
  '#',
  '"',
  "'",
  '\t',
  '\0',
  '\n',
  '  ',
].concat([': ', '? ', '- ', '&a ', '*a', '!t ', 'a', 'done', '<<', '---', 'ü']);

describe('splitFrontMatter', () => {
  it.each([
    ['LF', '---\ndone: false\n---\nbody\n', 'done: false\n', 'body\n'],
    ['CRLF', '---\r\ndone: false\r\n---\r\nbody', 'done: false\r\n', 'body'],
    ['dots', '---\ndone: false\n...\nbody', 'done: false\n', 'body'],
    ['a BOM', `${BOM}---\ndone: false\n---\nbody`, 'done: false\n', 'body'],
    ['blanks behind the delimiters', '--- \t\na: 1\n---  \nb', 'a: 1\n', 'b'],
    ['no body', '---\na: 1\n---', 'a: 1\n', ''],
    ['nothing between', '---\n---\nb', '', 'b'],
    ['a rule in the body', '---\na: 1\n---\nb\n---\nc', 'a: 1\n', 'b\n---\nc'],
  ])('finds it with %s', (_, text, source, body) => {
    const found = splitFrontMatter(text);
    expect(found).toMatchObject({ kind: 'found', source });
    expect(parseBody(found, text)).toBe(body);
  });

  it.each(['', 'text', '\n---\na: 1\n---', ' ---\na: 1\n---', '----\na\n----', '# ---'])(
    'finds none in %j',
    (text) => expect(splitFrontMatter(text).kind).toBe('missing'),
  );

  it.each(['---', '---\n', '---\na: 1\n', '---\na: 1\n --- \n', '---\na: 1\n----\n'])(
    'calls %j unclosed',
    (text) => expect(splitFrontMatter(text).kind).toBe('unclosed'),
  );

  it('loses no character of any text', () => {
    const piece = fc.constantFrom(
      '---',
      '...',
      '\n',
      '\r\n',
      '\r',
      ' ',
      'a: 1',
      '#',
      BOM,
      'ü',
      '\u2028',
    );
    fc.assert(
      fc.property(
        fc.constantFrom('', BOM),
        fc.constantFrom('\n', '\r\n'),
        fc.array(piece, { maxLength: 30 }),
        fc.array(piece, { maxLength: 30 }),
        (bom, eol, before, after) => {
          const text = `${bom}---${eol}${before.join('')}\n---${eol}${after.join('')}`;
          const found = splitFrontMatter(text);
          fc.pre(found.kind === 'found');
          expect(text.slice(0, found.start) + found.source + text.slice(found.end)).toBe(text);
          expect(text.slice(found.end, found.bodyStart)).toMatch(/^(---|\.\.\.)[ \t]*\r?\n?$/);
          expect(found.source).not.toMatch(/(^|\n)(---|\.\.\.)[ \t]*\r?\n/);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('setFrontMatterKey', () => {
  it.each([
    [
      'a plain value',
      '---\nagent: codex\ndone: false\n---\nb',
      '---\nagent: codex\ndone: true\n---\nb',
    ],
    ['a comment', '---\ndone: false # not yet\n---\n', '---\ndone: true # not yet\n---\n'],
    ['odd blanks', '---\ndone :   false  \n---\n', '---\ndone :   true  \n---\n'],
    ['quotes', `---\ndone: "no"\n---\n`, '---\ndone: true\n---\n'],
    ['no value', '---\ndone:\nagent: codex\n---\n', '---\ndone: true\nagent: codex\n---\n'],
    ['CRLF', '---\r\ndone: false\r\n---\r\nb\r\n', '---\r\ndone: true\r\n---\r\nb\r\n'],
    [
      'no such key',
      '---\r\nagent: codex\r\n...\r\n',
      '---\r\nagent: codex\r\ndone: true\r\n...\r\n',
    ],
    [
      'a flow mapping',
      '---\n{agent: codex, done: false}\n---\n',
      '---\n{agent: codex, done: true}\n---\n',
    ],
    [
      'a key of a nested mapping',
      '---\na:\n  done: false\ndone: false\n---\n',
      '---\na:\n  done: false\ndone: true\n---\n',
    ],
    [
      'the word in a block text',
      '---\ngoal: |\n  done: false\ndone: false\n---\n',
      '---\ngoal: |\n  done: false\ndone: true\n---\n',
    ],
    ['the same value', '---\ndone: True # x\n---\n', '---\ndone: True # x\n---\n'],
  ])('changes only the value with %s', (_, before, after) => {
    expect(setFrontMatterKey(before, 'done', true)).toBe(after);
  });

  it('writes a flow mapping anew when the key is missing', () => {
    const after = setFrontMatterKey('---\n{agent: codex}\n---\nbody', 'done', true);
    expect(parseFrontMatter(after)).toMatchObject({
      ok: true,
      body: 'body',
      mapping: { values: { agent: 'codex', done: true } },
    });
  });

  it('quotes a text that YAML would read as something else', () => {
    const after = setFrontMatterKey('---\ntitle: x\n---\n', 'title', 'yes: "no" # 1');
    expect(parseFrontMatter(after)).toMatchObject({
      mapping: { values: { title: 'yes: "no" # 1' } },
    });
  });

  it.each([
    ['none', 'text'],
    ['unclosed', '---\ndone: false\n'],
    ['broken', '---\ndone: [\n---\n'],
    ['an anchor that others use', '---\ndone: &d false\nother: *d\n---\n'],
  ])('refuses front matter that is %s', (_, text) => {
    expect(() => setFrontMatterKey(text, 'done', true)).toThrow(
      expect.objectContaining({ code: 'TICKETS_UNREADABLE' }),
    );
  });

  it('keeps every other key and the body, whatever they are', () => {
    const key = fc.stringMatching(/^[a-z_]{1,8}$/).filter((name) => name !== 'done');
    const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
    fc.assert(
      fc.property(
        fc.dictionary(key, scalar, { maxKeys: 5 }),
        fc.boolean(),
        fc.string(),
        fc.constantFrom('\n', '\r\n'),
        fc.constantFrom('', BOM),
        (others, done, body, eol, bom) => {
          const lines = [...Object.entries(others), ['done', done] as const].map(
            ([name, value]) => `${name}: ${JSON.stringify(value)}  # note`,
          );
          const head = `${bom}---${eol}`;
          const text = `${head}${lines.join(eol)}${eol}---${eol}${body}`;
          const changed = setFrontMatterKey(text, 'done', !done);
          expect(changed).toBe(
            text.replace(`done: ${done}  # note${eol}---`, `done: ${!done}  # note${eol}---`),
          );
          expect(setFrontMatterKey(changed, 'done', done)).toBe(text);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('parseMapping', () => {
  it('gives problems the line of the file', () => {
    expect(parseFrontMatter('---\nagent: codex\ndone: [\n---\n')).toMatchObject({
      ok: false,
      problems: [{ line: expect.toSatisfy((line: number) => line >= 3 && line <= 4) as number }],
    });
    expect(parseFrontMatter('---\na: 1\na: 2\n---\n')).toMatchObject({
      ok: false,
      problems: [{ line: 3 }],
    });
  });

  it.each([
    ['a list', '- a\n'],
    ['a word', 'word\n'],
    ['nothing', '\n'],
    ['a comment', '# only\n'],
    ['a billion laughs', laughs()],
    ['an alias without its anchor', 'a: *b\n'],
    ['too many characters', `a: ${'x'.repeat(MAX_YAML_CHARS)}\n`],
  ])('refuses %s', (_, source) => {
    expect(parseMapping(source)).toMatchObject({ ok: false });
  });

  it('takes values for values, not for JavaScript', () => {
    const parsed = parseMapping('__proto__: {polluted: true}\nx: !!js/function "y"\n');
    expect(parsed).toMatchObject({ ok: true, mapping: { values: { x: 'y' } } });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  // 8,192 brackets killed the whole process with yaml 2.9; 65,536 took it 165 s.
  it.each(['{', '[', '{ ? ', '? ', '- ', 'a: ', '{a: ', '[{', '? {', '- [', '{?'])(
    'is not killed by a front matter of nothing but %j',
    (seed) => {
      const started = performance.now();
      expect(parseMapping(seed.repeat(MAX_YAML_CHARS / seed.length))).toMatchObject({ ok: false });
      expect(performance.now() - started).toBeLessThan(5000);
    },
  );

  it('ends soon on any mixture of YAML signs', () => {
    const sign = fc.constantFrom(...SIGNS);
    fc.assert(
      fc.property(
        fc.array(sign, { maxLength: 40 }),
        fc.integer({ min: 1, max: 100 }),
        (signs, n) => {
          const started = performance.now();
          parseMapping(signs.join('').repeat(n).slice(0, MAX_YAML_CHARS));
          expect(performance.now() - started).toBeLessThan(5000);
        },
      ),
      { numRuns: 300 },
    );
  });
});

function parseBody(found: FrontMatter, text: string): string | null {
  return found.kind === 'found' ? text.slice(found.bodyStart) : null;
}

function laughs(): string {
  const lines = ['a: &a [x,x,x,x,x,x,x,x,x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de'].map((pair) => [pair[0], pair[1]])) {
    lines.push(`${to}: &${to} [${Array.from({ length: 9 }, () => `*${from}`).join(',')}]`);
  }
  return `${lines.join('\n')}\n`;
}
