import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fillTemplate, templateProblem } from '../../src/hooks/template.ts';

const PAYLOAD = {
  action: 'opened',
  number: 7,
  draft: false,
  nothing: null,
  issue: { title: 'Fix it', labels: [{ name: 'bug' }, { name: 'looper' }], meta: { a: 1 } },
  commits: [{ id: 'abc' }, { id: 'def' }],
};

test.each([
  ['Issue {{number}}: {{issue.title}}', 'Issue 7: Fix it'],
  ['{{ issue.title }}', 'Fix it'],
  ['{{commits.1.id}} {{commits.id}}', 'def abc, def'],
  ['{{issue.labels.name}}', 'bug, looper'],
  ['{{draft}} {{issue.meta}}', 'false {"a":1}'],
  ['{a} {{number}}{{number}}', '{a} 77'],
  ['no placeholder, $& and $1', 'no placeholder, $& and $1'],
])('%s', (template, filled) => {
  expect(templateProblem(template)).toBeNull();
  expect(fillTemplate(template, PAYLOAD, 'prompt')).toEqual({ text: filled, missing: [] });
});

test('what leads to nothing becomes nothing and is named', () => {
  const template = '[{{nothing}}{{issue.body}}{{toString}}{{issue.constructor.name}}{{a.b.c}}]';
  expect(fillTemplate(template, PAYLOAD, 'prompt')).toEqual({
    text: '[]',
    missing: ['nothing', 'issue.body', 'toString', 'issue.constructor.name', 'a.b.c'],
  });
});

describe('values are data', () => {
  test('one that holds a placeholder stays as it is', () => {
    const payload = { title: '{{secret}} {{title}} {{{{a}}}}', secret: 'hidden' };
    const { text } = fillTemplate('{{title}}', payload, 'prompt');
    expect(text).toBe(payload.title);
  });

  test('two that stand side by side make no placeholder', () => {
    const payload = { a: '{{sec', b: 'ret}}', secret: 'hidden' };
    expect(fillTemplate('{{a}}{{b}}', payload, 'message').text).toBe('{{secret}}');
  });

  test('replacement patterns mean nothing', () => {
    expect(fillTemplate('<{{a}}>', { a: "$& $' $` $1 $$" }, 'prompt').text).toBe(
      "<$& $' $` $1 $$>",
    );
  });

  test('whatever the value is, the words around it stay', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (value) => {
        const { text } = fillTemplate('before {{v}} after', { v: value }, 'message');
        expect(text.startsWith('before ')).toBe(true);
        expect(text.endsWith(' after')).toBe(true);
        expect(text).not.toMatch(/(?![\n\t])\p{Cc}|[\u202A-\u202E\u2066-\u2069]/u);
      }),
    );
  });

  test('terminal escapes and bidi overrides do not pass', () => {
    const { text } = fillTemplate(
      '{{v}}',
      { v: '\u001B[31mred\u001B[0m \u202Eabc\u0007' },
      'prompt',
    );
    expect(text).toBe('red \uFFFDabc\uFFFD');
  });

  test('a long one is cut, in a message sooner than in a prompt', () => {
    const payload = { v: 'x'.repeat(2_000_000) };
    expect(fillTemplate('{{v}}', payload, 'message').text).toHaveLength(1_000);
    expect(fillTemplate('{{v}}', payload, 'prompt').text).toHaveLength(50_000);
    const many = fillTemplate('{{v}}'.repeat(50), payload, 'prompt').text;
    expect(many).toHaveLength(500_000);
  });

  test('none wakes a whole channel, neither alone nor together with the template', () => {
    const all = /@_?\*\*(?:all|everyone|channel|stream|topic)\*\*/iu;
    const fill = (template: string, v: string) => fillTemplate(template, { v }, 'message').text;
    expect(fill('{{v}}', '@**all** @_**Everyone**')).not.toMatch(all);
    expect(fill('@**{{v}}**', 'all')).not.toMatch(all);
    expect(fill('@{{v}}', '**channel**')).not.toMatch(all);
    // The operator may.
    expect(fill('@**all** {{v}}', '@**topic**')).toBe('@**all** @\u200B**topic**');
  });
});

test.each(['{{}}', '{{ }}', '{{a b}}', '{{a', 'a}}', '{{a}} {{'])(
  '%s is no template',
  (template) => {
    expect(templateProblem(template)).toMatch(/write \{\{issue\.title\}\}/);
  },
);
