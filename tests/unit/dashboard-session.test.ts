import { expect, test } from 'vitest';
import { createSessions } from '../../src/dashboard/session.ts';

const TOKEN = 'a-token-of-more-than-16-letters';
const DAY_MS = 86_400_000;

const cookieOf = (setCookie: string): string => setCookie.split(';')[0] ?? '';

test('a session outlives a restart and ends with its time', () => {
  let now = Date.parse('2026-03-01T10:00:00Z');
  const cookie = cookieOf(createSessions(TOKEN, () => now).begin(false));
  const restarted = createSessions(TOKEN, () => now);
  expect(restarted.isValid(`other=1; ${cookie}; more=2`)).toBe(true);
  now += 29 * DAY_MS;
  expect(restarted.isValid(cookie)).toBe(true);
  now += 1 * DAY_MS;
  expect(restarted.isValid(cookie)).toBe(false);
});

test('nothing but the cookie of this token counts', () => {
  const sessions = createSessions(TOKEN);
  const cookie = cookieOf(sessions.begin(false));
  const [name = '', value = ''] = cookie.split('=');
  const [expiry = '', mac = ''] = value.split('.');
  expect(sessions.isValid(undefined)).toBe(false);
  expect(sessions.isValid('')).toBe(false);
  expect(sessions.isValid(`${name}=${Number(expiry) + 1}.${mac}`)).toBe(false);
  expect(sessions.isValid(`${name}=${expiry}.${mac.slice(1)}A`)).toBe(false);
  expect(sessions.isValid(`${name}=${expiry}.`)).toBe(false);
  expect(sessions.isValid(`${name}=${TOKEN}`)).toBe(false);
  expect(createSessions(`${TOKEN}2`).isValid(cookie)).toBe(false);
});

test('scripts and other sites do not get the cookie', () => {
  const sessions = createSessions(TOKEN);
  expect(sessions.begin(false)).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
  expect(sessions.begin(true)).toMatch(/; Path=\/; HttpOnly; SameSite=Strict; Secure$/);
  expect(sessions.begin(false)).not.toContain(TOKEN);
  expect(sessions.end()).toContain('Max-Age=0');
  expect(sessions.isValid(cookieOf(sessions.end()))).toBe(false);
});
