import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createPaint } from '../../src/cli/format.ts';
import { renderFindings } from '../../src/cli/doctor.ts';
import { judgeVersion, TESTED_CODEX } from '../../src/doctor/agent.ts';
import { firstWords } from '../../src/doctor/ask.ts';
import { guarded, info, ok, warning } from '../../src/doctor/finding.ts';
import { foretellPlan, tellPlan, type PlanSubject } from '../../src/doctor/idle-start.ts';
import { formatBytes } from '../../src/doctor/log-directory.ts';
import { byProvider, checkLogin } from '../../src/doctor/login.ts';
import { checkMachine, checkNode } from '../../src/doctor/machine.ts';
import { checkReach, otherAccounts } from '../../src/doctor/reach.ts';
import { judgeMode, judgeProbe } from '../../src/doctor/sandbox.ts';
import {
  differingSettings,
  holderPid,
  judgeInit,
  judgeService,
  type ServiceSubject,
} from '../../src/doctor/service.ts';
import { judgeKillMode, parseUnit } from '../../src/doctor/systemd.ts';
import { LooperError } from '../../src/errors.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('the machine', () => {
  it('has a Node that is tested, one that is not, or one that is too old', () => {
    const levelOf = (version: string) => checkNode(version)[0]?.level;
    for (const version of ['20.19.0', '22.12.0', '24.0.0', '25.1.0']) {
      expect(levelOf(version)).toBe('ok');
    }
    for (const version of ['21.7.0', '23.0.0']) expect(levelOf(version)).toBe('warning');
    for (const version of ['18.20.0', '20.18.3', '22.11.0']) {
      expect(levelOf(version)).toBe('error');
    }
  });

  it('is Linux with /proc; macOS is unverified, and an unknown time zone would pass for UTC', () => {
    const machine = { nodeVersion: '24.0.0', timeZone: undefined, hasProc: true };
    const levels = (more: object) =>
      checkMachine({ ...machine, platform: 'linux', ...more }).map(
        ({ id, level }) => `${id} ${level}`,
      );
    expect(levels({})).toEqual(['machine.node ok', 'machine.system ok']);
    expect(levels({ hasProc: false })).toContain('machine.system error');
    expect(levels({ platform: 'darwin', hasProc: false })).toContain('machine.system info');
    expect(levels({ platform: 'win32' })).toContain('machine.system error');
    expect(levels({ timeZone: 'Europe/Berlin' })).not.toContain('machine.time_zone warning');
    expect(levels({ timeZone: 'Europe/Berlln' })).toContain('machine.time_zone warning');
  });
});

describe("codex's version", () => {
  it('is the tested one, an older, a newer, or none at all', () => {
    expect(judgeVersion(`codex-cli ${TESTED_CODEX}\n`).level).toBe('ok');
    const older = judgeVersion('codex-cli 0.99.7\n');
    expect(older).toMatchObject({ level: 'warning' });
    expect(older.what).toBe(
      `codex 0.99.7 is older than ${TESTED_CODEX}, with which Looper is tested`,
    );
    expect(judgeVersion('codex-cli 0.170.0-alpha.2').what).toContain('0.170.0-alpha.2 is newer');
    expect(judgeVersion('codex-cli 1.0.0').what).toContain('is newer than');
    expect(judgeVersion('hello').what).toContain('"hello"');
  });
});

describe('the log-in', () => {
  const login = (
    home: string,
    environment: Record<string, string> = {},
    extraArgs: string[] = [],
  ) => checkLogin({ environment, homeDirectory: home, extraArgs });
  const homeWith = (files: Record<string, string>, mode = 0o600): string => {
    const home = tempDir();
    mkdirSync(join(home, '.codex'));
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(home, '.codex', name), text);
      chmodSync(join(home, '.codex', name), mode);
    }
    return home;
  };

  it('is a file of codex, or a variable', () => {
    const account = homeWith({ 'auth.json': '{"tokens":{"access_token":"s3cret"}}' });
    expect(login(account)).toMatchObject({ level: 'ok' });
    expect(login(account).what).toContain('an account');
    expect(login(account).what).not.toContain('s3cret');
    expect(login(homeWith({ 'auth.json': '{"OPENAI_API_KEY":"sk-1"}' })).what).toContain(
      'an API key',
    );
    expect(login(tempDir(), { CODEX_API_KEY: 'sk-1' })).toMatchObject({ level: 'ok' });
    const elsewhere = join(account, '.codex');
    expect(login(tempDir(), { CODEX_HOME: elsewhere })).toMatchObject({ level: 'ok' });
  });

  it('is missing, torn, open to others, or in a folder that is not there', () => {
    expect(login(tempDir())).toMatchObject({ level: 'error' });
    expect(login(homeWith({ 'auth.json': '{"tokens":' })).what).toContain('not what codex writes');
    const open = homeWith({ 'auth.json': '{"tokens":{}}' }, 0o644);
    expect(login(open)).toMatchObject({
      level: 'warning',
      todo: expect.stringMatching(/^chmod 600 /),
    });
    expect(login(tempDir(), { CODEX_HOME: '/nowhere' }).what).toContain('CODEX_HOME=/nowhere');
  });

  it('says that codex exec does not use OPENAI_API_KEY', () => {
    const finding = login(tempDir(), { OPENAI_API_KEY: 'sk-1' });
    expect(finding.level).toBe('error');
    expect(finding.what).toContain('OPENAI_API_KEY is set, which codex exec does not use');
  });

  it('leaves a provider of their own to people', () => {
    const toml = 'model_provider = "mine"\n[model_providers.mine]\nenv_key = "MY_KEY"\n';
    expect(byProvider(toml, [], {})).toMatchObject({
      level: 'error',
      what: expect.stringMatching(/needs MY_KEY$/),
    });
    expect(byProvider(toml, [], { MY_KEY: 'x' })).toMatchObject({ level: 'ok' });
    expect(byProvider('model_provider = "mine"', [], {})).toMatchObject({ level: 'info' });
    expect(byProvider('model_provider = "openai"', [], {})).toBeNull();
    expect(byProvider('[profiles.a]\nmodel_provider = "mine"', [], {})).toBeNull();
    expect(byProvider('', ['-c', 'model_provider=mine'], {})).toMatchObject({ level: 'info' });
  });

  it('may be in a keyring', () => {
    const home = homeWith({ 'config.toml': 'cli_auth_credentials_store = "keyring"\n' });
    expect(login(home)).toMatchObject({ level: 'info' });
  });
});

describe('the sandbox', () => {
  const ended = (code: number, stderr: string) => ({
    kind: 'ended' as const,
    code,
    stdout: '',
    stderr,
  });

  it('works, fails for want of namespaces, or takes too long', () => {
    expect(judgeProbe(ended(0, ''))).toMatchObject({ level: 'ok' });
    const off = judgeProbe(
      ended(1, 'WARNING: proceeding\nbwrap: Creating new namespace failed: … (ENOSPC)\n'),
    );
    expect(off).toMatchObject({ level: 'error', todo: expect.stringMatching(/user namespaces/) });
    expect(off.what).toContain('bwrap: Creating new namespace failed');
    expect(judgeProbe({ kind: 'late' })).toMatchObject({ level: 'warning' });
  });

  it('is nobody to ask where there is to be none', () => {
    expect(judgeMode('danger-full-access')).toMatchObject({ level: 'info' });
    expect(judgeMode('workspace-write')).toBeNull();
  });

  it('quotes the first line that says something', () => {
    expect(firstWords('WARNING: proceeding, even though\n\n  Error: no\nStack')).toBe('Error: no');
    expect(firstWords('')).toBe('it said nothing');
  });
});

describe('who reaches the service', () => {
  const http = {
    host: '127.0.0.1',
    port: 3456,
    token: undefined,
    allowedHosts: [],
    insecure: false,
  };
  const client = { baseUrl: 'http://127.0.0.1:3456', token: undefined };
  const levels = (over: object, others: string[] = [], url = client.baseUrl) =>
    checkReach({ http: { ...http, ...over }, client: { ...client, baseUrl: url } }, others).map(
      ({ id, level }) => `${id} ${level}`,
    );

  it('is this machine alone, other accounts of it, or everybody', () => {
    expect(levels({})).toEqual(['service.address ok', 'service.token ok']);
    expect(levels({}, ['ada'])).toEqual(['service.address ok', 'service.token info']);
    // The settings warn of it.
    expect(levels({ token: 'short' }, ['ada'])).toEqual(['service.address ok']);
    expect(levels({ token: 'x'.repeat(32) }, ['ada'])).toContain('service.token ok');
    expect(levels({ host: '0.0.0.0', insecure: true })).toContain('service.address warning');
    const guardedByToken = { host: '0.0.0.0', token: 'x'.repeat(32) };
    expect(levels(guardedByToken)).toEqual(['service.address ok', 'service.token ok']);
  });

  it('never shows the token', () => {
    const findings = checkReach({ http: { ...http, token: 'hunter2' }, client }, []);
    expect(JSON.stringify(findings)).not.toContain('hunter2');
  });

  it('says when LOOPER_URL leads elsewhere', () => {
    expect(levels({}, [], 'http://127.0.0.1:4000')).toContain('service.url warning');
    expect(levels({ port: 0 }, [], 'http://127.0.0.1:4000')).not.toContain('service.url warning');
    expect(levels({}, [], 'https://looper.example')).toContain('service.url info');
    const token = { token: 'x'.repeat(32) };
    expect(levels(token, [], 'http://looper.example')).toContain('service.url warning');
  });

  it('counts accounts by which a person may log in', () => {
    const passwd = [
      'root:x:0:0:root:/root:/bin/bash',
      'me:x:1000:1000::/home/me:/bin/bash',
      'ada:x:1001:1001::/home/ada:/bin/zsh',
      'backup:x:1002:1002::/:/usr/sbin/nologin',
      'nobody:x:65534:65534::/:/bin/sh',
      '',
    ].join('\n');
    expect(otherAccounts(passwd, 1000)).toEqual(['ada']);
    expect(otherAccounts(passwd, undefined)).toEqual(['me', 'ada']);
  });
});

describe('the service', () => {
  const subject: ServiceSubject = {
    url: 'http://127.0.0.1:3456',
    isLocal: true,
    health: { kind: 'answers', version: '1.0.0' },
    holder: 'pid 12 at http://127.0.0.1:3456',
    logDirectory: '/var/lib/looper',
    version: '1.0.0',
  };
  const judge = (over: Partial<ServiceSubject>) =>
    judgeService({ ...subject, ...over }).map(({ id, level }) => `${id} ${level}`);

  it('runs, is of another version, keeps other files, hangs, or is none', () => {
    expect(judge({})).toEqual(['service.running ok']);
    expect(judge({ version: '1.1.0' })).toContain('service.version warning');
    expect(judge({ holder: null })).toContain('service.log_directory warning');
    expect(judge({ holder: null, isLocal: false })).toEqual(['service.running ok']);
    expect(judge({ health: { kind: 'absent' } })).toEqual(['service.running warning']);
    expect(judge({ health: { kind: 'absent' }, holder: null })).toEqual(['service.running info']);
    const strange = { kind: 'strange', why: 'it answered 404' } as const;
    expect(judge({ health: strange, holder: null })).toEqual(['service.running warning']);
  });

  it('is a process, and should not be the first of a container', () => {
    expect(holderPid(subject.holder)).toBe(12);
    expect(holderPid(null)).toBeNull();
    expect(holderPid('somebody')).toBeNull();
    expect(judgeInit(1)).toMatchObject([
      { level: 'warning', todo: expect.stringMatching(/--init/) },
    ]);
    expect(judgeInit(12)).toEqual([]);
  });

  it('was started with other settings, which are named without their values', () => {
    const shell = {
      LOOPER_PORT: '3456',
      LOOPER_WORKSPACE: '',
      PATH: '/bin',
      ZULIP_BOT_API_KEY: 'a',
    };
    const service = { LOOPER_PORT: '3456 ', PATH: '/usr/bin', ZULIP_BOT_API_KEY: 'b', TZ: 'UTC' };
    expect(differingSettings(service, shell)).toEqual(['TZ', 'ZULIP_BOT_API_KEY']);
    expect(differingSettings({ LOOPER_URL: 'http://x' }, { LOOPER_RUN_ID: 'a' })).toEqual([]);
  });
});

describe('systemd', () => {
  it('is found by the cgroup of the process', () => {
    expect(parseUnit('0::/system.slice/looper.service\n')).toEqual({
      name: 'looper.service',
      isUser: false,
    });
    expect(
      parseUnit('0::/user.slice/user-1000.slice/user@1000.service/app.slice/looper.service\n'),
    ).toEqual({ name: 'looper.service', isUser: true });
    expect(parseUnit('4:memory:/x\n1:name=systemd:/system.slice/looper.service\n')?.name).toBe(
      'looper.service',
    );
    expect(parseUnit('0::/user.slice/user-1000.slice/session-3.scope\n')).toBeNull();
    expect(parseUnit('0::/user.slice/user@1000.service/app.slice/terminal-1.scope\n')).toBeNull();
    expect(parseUnit('0::/user.slice/user-1000.slice/user@1000.service/init.slice\n')).toBeNull();
    expect(parseUnit('0::/\n')).toBeNull();
  });

  it('kills the run with the service unless it is told not to', () => {
    expect(judgeKillMode('l.service', 'control-group', 'detach')).toMatchObject({
      level: 'warning',
      what: expect.stringMatching(/a restart of the service ends the run/),
    });
    expect(judgeKillMode('l.service', 'process', 'detach').level).toBe('ok');
    expect(judgeKillMode('l.service', 'process', 'stop').level).toBe('info');
    expect(judgeKillMode('l.service', '', 'detach').level).toBe('info');
  });
});

describe('the idle start', () => {
  const status = {
    enabled: true,
    paused: false,
    interval_seconds: 300,
    cron: null,
    next_tick_at: '2026-03-01T10:00:00.000Z',
    waiting: null,
    failures: 0,
    runs_today: 0,
    max_runs_per_day: 48,
  };

  it('is told as the service tells it', () => {
    expect(tellPlan(status)).toMatchObject({
      level: 'ok',
      what: expect.stringMatching(/next at 2026-03-01/),
    });
    expect(tellPlan({ ...status, enabled: false }).level).toBe('info');
    expect(tellPlan({ ...status, paused: true })).toMatchObject({
      level: 'warning',
      todo: expect.stringMatching(/resume/),
    });
    const waiting = { reason: 'waiting_for_person', detail: 'Which one?' };
    expect(tellPlan({ ...status, waiting })).toMatchObject({
      level: 'info',
      what: 'it waits, and looks next at 2026-03-01T10:00:00.000Z: Which one?',
      todo: expect.stringMatching(/looper reply/),
    });
  });

  it('is foretold from the files as a service would decide', () => {
    const logs = tempDir();
    const runs = { latest: () => null, list: () => [], find: () => null };
    const config = {
      enabled: true,
      intervalMs: 300_000,
      cron: undefined,
      logStaleMs: 600_000,
      maxRunsPerDay: 48,
    };
    const subject = {
      config,
      workspace: '/srv/app',
      logDirectory: logs,
      runs,
      activeRunId: null,
      liveAgentPids: [],
      hasWork: true,
      now: Date.parse('2026-03-01T10:00:00.000Z'),
    };
    const foretell = (over: Partial<PlanSubject> = {}): string => {
      const { level, what } = foretellPlan({ ...subject, ...over });
      return `${level} ${what}`;
    };
    expect(foretell()).toContain('ok a service would start work by itself');
    expect(foretell()).toContain('every 300 s');
    expect(readdirSync(logs)).toEqual([]);
    expect(foretell({ config: { ...config, enabled: false } })).toContain('info off');
    expect(foretell({ workspace: null })).toContain('set LOOPER_WORKSPACE');
    expect(foretell({ liveAgentPids: [7] })).toContain('codex exec is alive (pids 7)');
    expect(foretell({ hasWork: false })).toContain('wait: there is no open ticket');
    const path = join(logs, 'autopoll.json');
    writeFileSync(path, '{"paused":true}');
    expect(foretell()).toContain('warning paused');
    const failed = { failures: 3, failed_at: '2026-03-01T09:59:00.000Z' };
    writeFileSync(path, JSON.stringify({ paused: false, ...failed }));
    expect(foretell()).toContain('3 failures in a row; starts nothing before 2026-03-01T10:39');
    writeFileSync(path, 'torn');
    expect(foretell()).toMatch(/^error .*autopoll\.json cannot be read/);
  });
});

describe('findings', () => {
  it('are made of a check that throws, too', async () => {
    const known = await guarded('a.b', () => {
      throw new LooperError('CODEX_NOT_FOUND', 'No codex. Install it.');
    });
    expect(known).toEqual([{ id: 'a.b', level: 'error', what: 'No codex. Install it.' }]);
    const unknown = await guarded('a.b', () => Promise.reject(new Error('EIO')));
    expect(unknown).toMatchObject([{ level: 'error', what: 'could not be looked at: EIO' }]);
  });

  it('are printed by area, aligned, with what to do below and a last line that counts', () => {
    const findings = [
      warning('agent.version', 'codex 0.1.0 is\u001b[31m old', 'Update it'),
      ok('machine.node', 'Node 24'),
      info('agent.login', 'unknown'),
    ];
    expect(renderFindings(findings, createPaint(false))).toEqual([
      'Machine',
      '  ✓ ok       Node 24',
      '',
      'Agent',
      '  ! warning  codex 0.1.0 is old',
      '             → Update it',
      '  · info     unknown',
      '',
      '1 ok, 1 warning, 0 errors',
    ]);
  });

  it('shows sizes as people read them', () => {
    expect(formatBytes(0)).toBe('0 B');
    expect(formatBytes(1536)).toBe('1.5 KiB');
    expect(formatBytes(2 * 1024 ** 3)).toBe('2.0 GiB');
    expect(formatBytes(300 * 1024 ** 2)).toBe('300 MiB');
  });
});
