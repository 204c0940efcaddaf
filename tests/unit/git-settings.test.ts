import { describe, expect, it } from 'vitest';
import {
  chooseSettings,
  configText,
  parseConfigList,
  parseScopedConfigList,
} from '../../src/git/settings.ts';

const places = { home: '/home/ada', configHome: undefined };
const entries = (all: Record<string, string>) =>
  Object.entries(all).map(([key, value]) => ({ key, value }));

describe('chooseSettings', () => {
  it('takes nothing that names a program, from either side', () => {
    const executing = entries({
      'core.fsmonitor': 'x',
      'core.hookspath': 'x',
      'core.sshcommand': 'x',
      'core.gitproxy': 'x',
      'core.worktree': '/elsewhere',
      'filter.x.clean': 'x',
      'filter.x.process': 'x',
      'diff.external': 'x',
      'diff.x.textconv': 'x',
      'merge.x.driver': 'x',
      'gpg.program': 'x',
      'alias.status': '!x',
      'include.path': '/elsewhere',
      'includeif.gitdir:/.path': '/elsewhere',
      'remote.origin.promisor': 'true',
      'remote.origin.uploadpack': 'x',
    });
    expect(chooseSettings({ person: executing, repository: executing, ...places })).toEqual([
      ['core.excludesfile', '/home/ada/.config/git/ignore'],
      ['core.attributesfile', '/home/ada/.config/git/attributes'],
    ]);
  });

  it('lets the repository win, but takes files of patterns from the person only', () => {
    const chosen = chooseSettings({
      person: entries({ 'user.name': 'Ada', 'core.excludesfile': '~/my-ignore' }),
      repository: entries({
        'user.name': 'Ada at work',
        'core.excludesfile': '/planted',
        'extensions.objectformat': 'sha256',
      }),
      ...places,
    });
    expect(Object.fromEntries(chosen as [string, string][])).toMatchObject({
      'user.name': 'Ada at work',
      'core.excludesfile': '/home/ada/my-ignore',
      'extensions.objectformat': 'sha256',
    });
  });

  it('refuses an extension that it does not know', () => {
    const repository = entries({ 'extensions.futurething': 'true' });
    expect(chooseSettings({ person: [], repository, ...places })).toContain(
      'extensions.futurething',
    );
  });
});

describe('git config output', () => {
  it('is read with values of many lines, empty values, and keys alone', () => {
    expect(parseConfigList('a.b\none\ntwo\0c.d\n\0e.f\0')).toEqual([
      { key: 'a.b', value: 'one\ntwo' },
      { key: 'c.d', value: '' },
      { key: 'e.f', value: 'true' },
    ]);
    expect(parseScopedConfigList('system\0a.b\n1\0global\0c.d\0')).toEqual([
      { scope: 'system', key: 'a.b', value: '1' },
      { scope: 'global', key: 'c.d', value: 'true' },
    ]);
  });

  it('is written so that no value can become another setting', () => {
    expect(configText([['user.name', 'A "B" \\ C\n[core]\n\tfsmonitor = x # y']])).toBe(
      '[user]\n\tname = "A \\"B\\" \\\\ C\\n[core]\\n\\tfsmonitor = x # y"\n',
    );
  });
});
