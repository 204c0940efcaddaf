import { expect, it } from 'vitest';
import { lazily } from '../../src/http/lazily.ts';

it('loads once for all who ask, at the first call', async () => {
  let loads = 0;
  const get = lazily(() => Promise.resolve((loads += 1)));
  expect(loads).toBe(0);
  expect(await Promise.all([get(), get()])).toEqual([1, 1]);
  expect(await get()).toBe(1);
});

it('tries again after a failure, as after an upgrade that took the files away for a moment', async () => {
  let isThere = false;
  const get = lazily(() =>
    isThere ? Promise.resolve('loaded') : Promise.reject(new Error('no such file')),
  );
  await expect(get()).rejects.toThrow('no such file');
  isThere = true;
  expect(await get()).toBe('loaded');
});
