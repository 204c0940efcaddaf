import { describe, expect, it } from 'vitest';
import { createZulip, type ZulipConfig } from '../../src/notify/zulip.ts';
import { parseRetryAfter } from '../../src/notify/try-twice.ts';
import { findMember, parseMembers, parseRecipient } from '../../src/notify/zulip-recipient.ts';

const CONFIG: ZulipConfig = {
  site: 'https://zulip.example.com',
  email: 'bot@example.com',
  apiKey: 'very-secret-key',
  source: 'env-only',
  type: 'stream',
  stream: 'coding',
  topic: 'loops',
  to: undefined,
};

function check(overrides: Partial<ZulipConfig>) {
  const log = { info: () => undefined, warn: () => undefined };
  return createZulip({ ...CONFIG, ...overrides }, { timeoutMs: 100, log }).check();
}

describe('check', () => {
  it("is the original's dry-run line", () => {
    expect(check({})).toEqual({
      ok: true,
      output:
        'DRY_RUN_OK source=env-only site=set email=set key=set type=stream stream=coding topic=loops',
    });
    expect(check({ type: 'private', to: 'Ada' }).output).toBe(
      'DRY_RUN_OK source=env-only site=set email=set key=set type=private to=Ada',
    );
  });

  it('says in words what is missing', () => {
    expect(check({ stream: undefined })).toEqual({
      ok: false,
      output: 'stream messages need a stream: set ZULIP_STREAM (or ZULIP_CHANNEL)',
    });
    expect(check({ type: 'private' }).output).toMatch(/set ZULIP_TO$/u);
  });

  it('needs no topic: each workspace has its own', () => {
    expect(check({ topic: undefined }).output).toMatch(/ stream=coding topic=<workspace>$/u);
  });

  it('does not show the key, wherever it was pasted', () => {
    expect(check({ topic: 'very-secret-key' }).output).not.toContain('very-secret-key');
  });
});

describe('parseRecipient', () => {
  it.each([
    ['ada@example.com', 'ada@example.com'],
    [' 42 ', 42],
    ['Ada Lovelace', null],
    ['@Ada', null],
  ])('reads "%s" as %s', (given, expected) => {
    expect(parseRecipient(given)).toBe(expected);
  });
});

describe('findMember', () => {
  const members = [
    { user_id: 1, full_name: 'Ada', is_active: true },
    { user_id: 2, full_name: 'Ada Lovelace', is_active: true },
    { user_id: 3, full_name: 'Grace Hopper', is_active: true },
    { user_id: 4, full_name: 'Old Grace', is_active: false },
  ];

  it.each([
    ['the exact name before a part of another', 'ada', 1],
    ['a part of a name', 'lovel', 2],
    ['an @ in front', '@Grace Hopper', 3],
    ['only those who are active', 'grace', 3],
  ])('takes %s', (_name, given, expected) => {
    expect(findMember(members, given)).toBe(expected);
  });

  it('names the candidates when there are several', () => {
    expect(() => findMember(members, 'e')).toThrow(
      'ZULIP_TO: "e" fits Ada Lovelace (2), Grace Hopper (3). Set ZULIP_TO to an e-mail address or a user id.',
    );
  });

  it('shows five candidates at most', () => {
    const many = Array.from({ length: 8 }, (_, index) => ({
      user_id: index,
      full_name: 'Twin',
      is_active: true,
    }));
    expect(() => findMember(many, 'twin')).toThrow(/Twin \(4\) and 3 more\./u);
  });

  it('says that there is nobody of that name', () => {
    expect(() => findMember(members, 'Linus')).toThrow(/nobody in Zulip is called "Linus"/u);
  });

  it('refuses a list that is not one', () => {
    expect(() => parseMembers({ result: 'success', members: [{ full_name: 'x' }] })).toThrow(
      /list of users is not as documented/u,
    );
  });
});

describe('parseRetryAfter', () => {
  it.each([
    ['2', 2000],
    ['0.25', 250],
    ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    [undefined, undefined],
  ])('reads %s as %s ms', (given, expected) => {
    expect(parseRetryAfter(given, 10_000)).toBe(expected);
  });
});
