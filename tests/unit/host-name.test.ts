import { expect, test } from 'vitest';
import { hostName, isLoopbackName, urlHost } from '../../src/host-name.ts';

test.each([
  ['localhost', 'localhost'],
  ['LOCALHOST.:3456', 'localhost'],
  ['my_service:80', 'my_service'],
  ['a.b:', 'a.b'],
  ['[::1]:80', '::1'],
  ['[0:0::1]', '::1'],
  ['[FE80::A]', 'fe80::a'],
  ['::1', undefined],
  ['[localhost]', undefined],
  ['[::1', undefined],
  ['[1:2]', undefined],
  ['a b', undefined],
  ['a/b', undefined],
  ['u@a', undefined],
  ['a:80:90', undefined],
  ['a:123456', undefined],
  ['.', undefined],
  ['-a', undefined],
  ['', undefined],
])('the name in %j is %j', (authority, name) => {
  expect(hostName(authority)).toBe(name);
});

test('loopback names are those that no resolver can point elsewhere', () => {
  const loopback = ['localhost', '127.0.0.1', '127.255.0.9', '::1'];
  const others = ['127.evil.example', '127.1', '128.0.0.1', '::', 'localhost.evil'];
  expect([...loopback, ...others].filter(isLoopbackName)).toEqual(loopback);
});

test('a URL writes IPv6 addresses in brackets', () => {
  expect([urlHost('::1'), urlHost('a.b')]).toEqual(['[::1]', 'a.b']);
});
