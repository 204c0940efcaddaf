import { describe, expect, it } from 'vitest';
import { parseEnv } from 'node:util';
import { KNOWN_VARIABLES } from '../../src/config/schema.ts';
import { ENV_TEMPLATE } from '../../src/init/env-template.ts';
import { CONTEXT_PAGE, FIRST_TICKET } from '../../src/init/first-ticket.ts';
import { launchdAgent } from '../../src/init/launchd.ts';
import { placeThatMoves } from '../../src/init/moving.ts';
import { describeService, servicePath, type Service } from '../../src/init/service.ts';
import { systemdUnit } from '../../src/init/systemd.ts';
import { DOCUMENT_CHARS } from '../../src/tickets/context.ts';
import { parsePlist } from '../support/plist.ts';

const HOSTILE = `/srv/a b/50%/$HOME/"q"/it's/back\\slash/new\nline/tab\t/é`;

function service(fields: Partial<Service> = {}): Service {
  return {
    node: '/usr/bin/node',
    cli: '/opt/looper/dist/cli.js',
    homeDirectory: '/home/ann',
    environment: { PATH: '/usr/bin:/bin', LOOPER_ON_SHUTDOWN: 'detach' },
    ...fields,
  };
}

function lineOf(unit: string, start: string): string | undefined {
  return unit.split('\n').find((line) => line.startsWith(start));
}

describe('the systemd unit', () => {
  it('restarts the service and leaves the run alone', () => {
    const unit = systemdUnit(service());
    for (const line of [
      'ExecStart="/usr/bin/node" "/opt/looper/dist/cli.js" serve',
      'Environment="LOOPER_ON_SHUTDOWN=detach"',
      'KillMode=process',
      'Restart=on-failure',
      'RestartPreventExitStatus=2 3',
      'Delegate=yes',
      'WantedBy=default.target',
    ]) {
      expect(unit.split('\n')).toContain(line);
    }
    // Each of these breaks the agent's sandbox somewhere, and a secret has no business here.
    expect(unit).not.toMatch(/^(?:NoNewPrivileges|Protect|Private|Restrict[^P]|EnvironmentFile)/m);
  });

  it('says a hostile path so that systemd reads that path, on one line', () => {
    const unit = systemdUnit(service({ cli: HOSTILE, environment: { PATH: HOSTILE } }));
    const told = String.raw`/srv/a b/50%%/$HOME/\"q\"/it's/back\\slash/new\nline/tab\x09/é"`;
    // Variables are replaced in arguments, and nowhere else.
    expect(lineOf(unit, 'ExecStart=')).toBe(
      `ExecStart="/usr/bin/node" "${told.replace('$HOME', '$$$$HOME')} serve`,
    );
    expect(lineOf(unit, 'Environment=')).toBe(`Environment="PATH=${told}`);
  });

  it('keeps a dollar in the path of the program itself, and refuses what cannot be said there', () => {
    const unit = systemdUnit(service({ node: '/opt/my $node 100%/node' }));
    expect(lineOf(unit, 'ExecStart=')).toContain('ExecStart="/opt/my $node 100%%/node" ');
    for (const node of ['/a"b/node', "/a'b/node", '/a\\b/node', '/a\nb/node']) {
      expect(() => systemdUnit(service({ node }))).toThrow(/systemd starts no program/);
    }
  });
});

describe('the launch agent', () => {
  it('restarts the service after a failure only and leaves the run alone', () => {
    expect(parsePlist(launchdAgent(service()))).toEqual({
      Label: 'codex-looper.serve',
      ProgramArguments: ['/usr/bin/node', '/opt/looper/dist/cli.js', 'serve'],
      EnvironmentVariables: { PATH: '/usr/bin:/bin', LOOPER_ON_SHUTDOWN: 'detach' },
      WorkingDirectory: '/home/ann',
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: 10,
      ExitTimeOut: 60,
      AbandonProcessGroup: true,
      StandardOutPath: '/home/ann/Library/Logs/looper.log',
      StandardErrorPath: '/home/ann/Library/Logs/looper.log',
    });
  });

  it('says a hostile path so that it is read as it was', () => {
    const cli = `${HOSTILE}/<a>&amp;]]>\r`;
    const read = parsePlist(launchdAgent(service({ cli, environment: { PATH: cli } })));
    expect(read).toMatchObject({
      ProgramArguments: ['/usr/bin/node', cli, 'serve'],
      EnvironmentVariables: { PATH: cli },
    });
    expect(() => launchdAgent(service({ cli: '/a\u0001b' }))).toThrow(/control characters/);
  });
});

describe('the service', () => {
  const sources = { node: '/n/bin/node', cli: '/l/cli.js', homeDirectory: '/h', envFile: '/h/env' };

  it('carries over what is needed to find logs and login, and no setting or secret', () => {
    const env = {
      PATH: '/n/bin:/usr/bin',
      XDG_STATE_HOME: '/state',
      CODEX_HOME: 'relative',
      LOOPER_API_TOKEN: 'a-secret-of-the-shell',
      LOOPER_ON_SHUTDOWN: 'stop',
    };
    expect(describeService({ ...sources, env }).environment).toEqual({
      PATH: '/n/bin:/usr/bin:/usr/local/bin:/bin',
      LOOPER_ENV_FILE: '/h/env',
      LOOPER_ON_SHUTDOWN: 'detach',
      XDG_STATE_HOME: '/state',
    });
  });

  it('drops from PATH what is there for one shell or one command', () => {
    const given = [
      '/w/node_modules/.bin',
      '/run/user/1/fnm_multishells/12_3/bin',
      '.',
      '',
      '/with\nnewline',
      '/home/ann/.local/bin',
      '/usr/bin',
      '/usr/bin',
    ].join(':');
    expect(servicePath(given, '/opt/node/bin')).toBe(
      '/opt/node/bin:/home/ann/.local/bin:/usr/bin:/usr/local/bin:/bin',
    );
  });

  it.each([
    ['/home/ann/.nvm/versions/node/v22.12.0/bin/node', 'nvm'],
    ['/home/ann/.local/share/fnm/node-versions/v22/installation/bin/node', 'fnm'],
    ['/home/ann/.volta/tools/image/node/22.12.0/bin/node', 'Volta'],
    ['/opt/homebrew/Cellar/node/24.1.0/bin/node', 'Homebrew'],
    ['/home/ann/.npm/_npx/1f2e/node_modules/@codex-looper/looper/dist/cli.js', "npx's cache"],
    ['/usr/bin/node', undefined],
    ['/home/nvm/node', undefined],
  ])('knows whether %s moves', (path, owner) => {
    expect(placeThatMoves(path)?.owner).toBe(owner);
  });
});

describe('templates', () => {
  it('set nothing, and name no variable that Looper does not know', () => {
    expect(parseEnv(ENV_TEMPLATE)).toEqual({});
    const named = ENV_TEMPLATE.split('\n').flatMap((line) => /^#(\w+)=/.exec(line)?.[1] ?? []);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !KNOWN_VARIABLES.includes(name))).toEqual([]);
  });

  it('fit into a prompt', () => {
    expect(CONTEXT_PAGE.length).toBeLessThan(DOCUMENT_CHARS / 4);
    expect(FIRST_TICKET.body).toContain('4,000 characters');
  });
});
