import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  parseSite,
  parseZuliprc,
  resolveZulipCredentials,
  type ZulipCredentialSettings,
} from '../../src/notify/zuliprc.ts';
import { tempDir } from '../support/temp-dir.ts';

const RC = `[api]
email=bot@example.com
key=0123456789abcdef
site=https://zulip.example.com
`;

const NOTHING = {
  rcPath: undefined,
  profile: 'api',
  site: undefined,
  email: undefined,
  apiKey: undefined,
};

function resolve(settings: Partial<ZulipCredentialSettings> & { home: string }) {
  const warnings: string[] = [];
  const credentials = resolveZulipCredentials({ ...NOTHING, ...settings }, (sentence) =>
    warnings.push(sentence),
  );
  return { credentials, warnings };
}

function homeWith(rc: string, mode = 0o600): string {
  const home = tempDir();
  writeFileSync(join(home, '.zuliprc'), rc);
  chmodSync(join(home, '.zuliprc'), mode);
  return home;
}

describe('parseZuliprc', () => {
  it('reads sections, comments, quotes, colons, odd blanks and a byte order mark', () => {
    const text = `\uFEFFstray=1\r\n# comment\r\n[api]\r\n  Email = "a@x" \r\n; more\r\nsite:https://x:8443/\r\n[ other ]\nkey=a=b;c#d\nno pair\nempty=\n`;
    const sections = parseZuliprc(text);
    expect(Object.fromEntries(sections.get('api') ?? [])).toEqual({
      email: 'a@x',
      site: 'https://x:8443/',
    });
    expect(Object.fromEntries(sections.get('other') ?? [])).toEqual({ key: 'a=b;c#d', empty: '' });
    expect(sections.size).toBe(2);
  });
});

describe('parseSite', () => {
  it.each([
    ['https://zulip.example.com/', 'https://zulip.example.com'],
    ['http://127.0.0.1:9991', 'http://127.0.0.1:9991'],
    ['https://example.com/chat//', 'https://example.com/chat'],
  ])('reads %s as %s', (given, expected) => {
    expect(parseSite(given)).toBe(expected);
  });

  it.each(['zulip.example.com', 'ftp://x', 'file:///etc/passwd', ''])('refuses "%s"', (given) => {
    expect(() => parseSite(given)).toThrow(/ZULIP_SITE: .* is not an http\(s\) address/u);
  });

  it('refuses credentials in the address without repeating them', () => {
    expect(() => parseSite('https://me:hunter2@example.com')).toThrow(
      /^(?!.*hunter2).*example\.com holds a user name/u,
    );
  });
});

describe('resolveZulipCredentials', () => {
  it('is null without file and without variables', () => {
    expect(resolve({ home: tempDir() })).toEqual({ credentials: null, warnings: [] });
  });

  it('reads the file of the home directory', () => {
    const home = homeWith(RC);
    expect(resolve({ home })).toEqual({
      credentials: {
        site: 'https://zulip.example.com',
        email: 'bot@example.com',
        apiKey: '0123456789abcdef',
        source: `zuliprc:${home}/.zuliprc [api]`,
      },
      warnings: [],
    });
  });

  it('prefers each variable to the value of the file', () => {
    const home = homeWith(RC);
    expect(resolve({ home, email: 'other@example.com' }).credentials).toMatchObject({
      email: 'other@example.com',
      apiKey: '0123456789abcdef',
    });
  });

  it('does not look at the file when the variables are complete', () => {
    const home = homeWith('nonsense', 0o644);
    const given = { site: 'https://x', email: 'a@x', apiKey: 'k'.repeat(32) };
    expect(resolve({ home, rcPath: '/nowhere', ...given })).toEqual({
      credentials: { ...given, source: 'env-only' },
      warnings: [],
    });
  });

  it('reads the named file with a leading ~ and the named profile', () => {
    const home = tempDir();
    const rc = RC.replace('[api]', '[work]');
    writeFileSync(join(home, 'rc'), rc, { mode: 0o600 });
    expect(resolve({ home, rcPath: '~/rc', profile: 'work' }).credentials?.source).toBe(
      `zuliprc:${home}/rc [work]`,
    );
  });

  it('names what is missing, and where to write it', () => {
    expect(() => resolve({ home: tempDir(), email: 'a@x' })).toThrow(
      /missing: ZULIP_SITE \(site\), ZULIP_BOT_API_KEY \(key\)\. Set them, or write them into .*\.zuliprc below \[api\]\./u,
    );
    expect(() => resolve({ home: homeWith('[api]\nkey=\nsite=https://x\nemail=a@x') })).toThrow(
      /missing: ZULIP_BOT_API_KEY \(key\)\. Set them, or add them to .* below \[api\]\./u,
    );
  });

  it('names the profiles that there are when the wanted one is not', () => {
    const home = homeWith(RC.replace('[api]', '[work]'));
    expect(() => resolve({ home })).toThrow(/has no \[api\] but \[work\] \(ZULIP_PROFILE/u);
  });

  it('says that a file named by hand does not exist', () => {
    expect(() => resolve({ home: tempDir(), rcPath: '/nowhere/rc' })).toThrow(
      /ZULIPRC_PATH: \/nowhere\/rc does not exist/u,
    );
  });

  it('warns when others may read the file', () => {
    const { warnings } = resolve({ home: homeWith(RC, 0o640) });
    expect(warnings).toEqual([
      expect.stringMatching(/\.zuliprc holds .* \(mode 0640\): chmod 600/u),
    ]);
  });

  it('warns of a key that would travel unencrypted, except on loopback', () => {
    const remote = homeWith(RC.replace('https:', 'http:'));
    expect(resolve({ home: remote }).warnings).toEqual([expect.stringMatching(/not encrypted/u)]);
    const local = homeWith(RC.replace('https://zulip.example.com', 'http://127.0.0.1:9991'));
    expect(resolve({ home: local }).warnings).toEqual([]);
  });

  it('refuses a directory, a FIFO and a file that is too large, without hanging', () => {
    const home = tempDir();
    mkdirSync(join(home, 'folder'));
    execFileSync('mkfifo', [join(home, 'fifo')]);
    writeFileSync(join(home, 'large'), '#'.repeat(64 * 1024 + 1), { mode: 0o600 });
    for (const name of ['folder', 'fifo', 'large']) {
      expect(() => resolve({ home, rcPath: join(home, name) })).toThrow(
        /is not a regular file of at most 65536 B/u,
      );
    }
  });
});
