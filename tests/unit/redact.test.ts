import { assert, pre, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import { createRedactor } from '../../src/redact.ts';

test('replaces every occurrence, the longer of two secrets first', () => {
  const redactor = createRedactor(['abc', 'abcdef', '', ' ']);
  expect(redactor.text('abcdef abc  x')).toBe('[redacted] [redacted]  x');
});

test('a JSON line without a secret is passed on as it is', () => {
  const line = '{ "odd" : "spacing" }\n';
  expect(createRedactor(['abc']).jsonLine(line)).toBe(line);
});

test('whatever the secret, a line of JSON stays JSON and holds it in no string', () => {
  const secret = string({ minLength: 1 }).filter((text) => text.trim() !== '');
  assert(
    property(secret, string(), (value, around) => {
      // A secret that is a part of the replacement itself cannot be told from it.
      pre(!'[redacted]'.includes(value));
      const line = JSON.stringify({ [around + value]: [around + value + around, 1, null] });
      const redacted = JSON.parse(createRedactor([value]).jsonLine(`${line}\n`)) as object;
      for (const [key, list] of Object.entries(redacted)) {
        expect(key).toContain('[redacted]');
        expect((list as string[])[0]).toContain('[redacted]');
      }
    }),
  );
});

test('values that become known later count from then on', () => {
  const redactor = createRedactor();
  redactor.add('late');
  expect(redactor.jsonLine('{"a":"too late"}')).toBe('{"a":"too [redacted]"}');
});
