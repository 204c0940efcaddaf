/** Who has no token, a wrong one or somebody else's cookie, by HTTP alone; see also the e2e tests. */
import { expect, test } from 'vitest';
import { startService } from '../support/service.ts';

const TOKEN = 'a-token-of-sixteen-letters';

async function start(env: Record<string, string> = {}) {
  const { looper } = await startService({ env: { LOOPER_API_TOKEN: TOKEN, ...env } });
  const ask = (path: string, headers: Record<string, string>) =>
    fetch(looper.url + path, { headers });
  const login = (token: string, headers: Record<string, string> = {}) =>
    fetch(`${looper.url}/login`, {
      method: 'POST',
      body: new URLSearchParams({ token }),
      headers,
      redirect: 'manual',
    });
  return { looper, ask, login };
}

test('every wrong token gets the same answer, however near it is (row 67)', async () => {
  const { ask } = await start();
  const near = [TOKEN.slice(0, -1), `${TOKEN}x`, `x${TOKEN.slice(1)}`, TOKEN.toUpperCase()];
  const wrong = ['', 'x', ...near, 'x'.repeat(8000)];
  const answers = await Promise.all(
    [
      {},
      ...wrong.map((token) => ({ Authorization: `Bearer ${token}` })),
      ...wrong.map((token) => ({ 'X-Looper-Token': token })),
      { Authorization: `Basic ${btoa(`looper:${TOKEN}`)}` },
      { Cookie: `token=${TOKEN}` },
    ].map(async (headers) => {
      const answer = await ask('/runs', headers);
      const shown = [...answer.headers].filter(([name]) => !/^(?:date|x-request-id)$/.test(name));
      return JSON.stringify([answer.status, shown, await answer.text()]);
    }),
  );
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).toMatch(/^\[401,.*www-authenticate/);
});

test('the cookie is for this site and for no script, and only a genuine one counts', async () => {
  const { ask, login } = await start({ LOOPER_ALLOWED_HOSTS: 'tail.net' });
  const cookieOf = async (headers: Record<string, string> = {}): Promise<string> => {
    const answer = await login(TOKEN, headers);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/']);
    return answer.headers.get('set-cookie') ?? '';
  };
  const cookie = await cookieOf();
  expect(cookie).toMatch(
    /^looper_[0-9a-f]{12}=\d+\.[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Strict$/,
  );
  expect(await cookieOf({ Origin: 'https://tail.net' })).toMatch(/; Secure$/);
  const [pair = ''] = cookie.split(';');
  const [name, value] = pair.split('=');
  const statusWith = async (Cookie: string): Promise<number> =>
    (await ask('/runs', { Cookie })).status;
  expect(await statusWith(pair)).toBe(200);
  expect(await statusWith(`a=b; ${pair}; c=d`)).toBe(200);
  const later = value?.replace(/^\d+/, (expiry) => String(Number(expiry) + 1));
  for (const forged of [`${name}=${later}`, `x${pair}`, `${name}=`, `${name}="${value}"`]) {
    expect(`${forged} ${await statusWith(forged)}`).toBe(`${forged} 401`);
  }
  // A page of another site cannot use it: it does not get this far.
  const foreign = { Cookie: pair, 'Sec-Fetch-Site': 'cross-site' };
  expect((await ask('/runs', foreign)).status).toBe(403);
});

test('guesses at the log-in and at the token are counted together (row 74)', async () => {
  const { looper, ask, login } = await start();
  const statuses: number[] = [];
  for (let guess = 0; guess < 20; guess += 1) {
    statuses.push((await login(`guess ${guess}`)).status);
    statuses.push((await ask('/runs', { 'X-Looper-Token': `guess ${guess}` })).status);
  }
  expect(statuses).toEqual([...Array<number>(30).fill(401), ...Array<number>(10).fill(429)]);
  const limited = await login('one more');
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(limited.headers.get('set-cookie')).toBeNull();
  expect((await looper.get('/health')).status).toBe(200);
  expect((await ask('/runs', { 'X-Looper-Token': TOKEN })).status).toBe(200);
  expect((await login(TOKEN)).status).toBe(303);
});
