import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Config, inspectConfig, loadConfig } from '../../src/config.ts';
import { LooperError } from '../../src/errors.ts';
import { tempDir } from '../support/temp-dir.ts';

type Env = Record<string, string | undefined>;

const TOKEN = 'a-token-of-sixteen-letters';

function load(env: Env = {}, root = '/nowhere', isClone = true): Config {
  return loadConfig({
    env,
    looperDirectory: join(root, 'looper'),
    isClone,
    homeDirectory: join(root, 'home'),
    currentDirectory: join(root, 'current'),
    temporaryDirectory: '/tmp/of-another-test',
  });
}

/** The sentence of the one error that lists every problem. */
function problemsOf(env: Env, root?: string): string {
  try {
    load(env, root);
  } catch (error) {
    if (error instanceof LooperError && error.code === 'CONFIG_INVALID') return error.message;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(env)}`);
}

function workshop(): string {
  const root = tempDir();
  for (const name of ['looper', 'home', 'current', 'workspace']) mkdirSync(join(root, name));
  return root;
}

function write(path: string, text: string, mode = 0o600): string {
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test('defaults are those of the contract', () => {
  expect(load()).toEqual({
    http: { host: '127.0.0.1', port: 3456, token: undefined, allowedHosts: [], insecure: false },
    client: { baseUrl: 'http://127.0.0.1:3456', token: undefined },
    workspace: { directory: undefined, roots: undefined },
    prompt: { text: undefined, file: undefined },
    tickets: { directory: undefined },
    logs: {
      directory: '/nowhere/looper/logs',
      level: 'info',
      serverLogDirectory: '/nowhere/looper/logs/server',
      serverLogPath: '/nowhere/looper/logs/looper-server.log',
      keepRuns: 500,
      keepDays: 90,
      mirrorOutput: false,
    },
    codex: {
      binary: undefined,
      allowRequestBinary: false,
      sandbox: 'workspace-write',
      network: false,
      model: undefined,
      args: [],
      commit: 'looper',
    },
    runs: {
      delayMs: 0,
      startupCheckMs: 1000,
      onBusy: 'replace',
      onShutdown: 'stop',
      standbyRunner: true,
    },
    kill: { scope: 'all', graceMs: 5000 },
    limits: {
      maxTurns: 50,
      maxTurnsPerTicket: 10,
      turnTimeoutMs: 7_200_000,
      stallMs: 1_800_000,
      runTimeoutMs: undefined,
      maxLogBytes: 2 * 1024 ** 3,
    },
    autopoll: {
      enabled: true,
      intervalMs: 300_000,
      cron: undefined,
      logStaleMs: 600_000,
      maxRunsPerDay: 48,
    },
    notify: {
      required: false,
      timeoutMs: 10_000,
      healthcheckUrl: undefined,
      zulip: {
        rcPath: undefined,
        home: '/nowhere/home',
        profile: 'api',
        site: undefined,
        botEmail: undefined,
        botApiKey: undefined,
        messageType: 'stream',
        stream: undefined,
        topic: undefined,
        to: undefined,
      },
    },
    configFile: undefined,
    envFile: undefined,
    agentEnvironment: {},
    secretNames: ['LOOPER_API_TOKEN', 'ZULIP_BOT_API_KEY', 'LOOPER_HEALTHCHECK_URL'],
    secretValues: [],
    warnings: [],
  });
});

test('the result is frozen, slices too', () => {
  const config = load() as { http: { port: number } };
  expect(() => (config.http.port = 1)).toThrow(TypeError);
});

test('installed elsewhere than in a clone, logs go to the state directory', () => {
  const directories = [{}, { XDG_STATE_HOME: '/state' }, { XDG_STATE_HOME: 'relative' }].map(
    (env) => load(env, '/nowhere', false).logs.directory,
  );
  const own = '/nowhere/home/.local/state/looper/logs';
  expect(directories).toEqual([own, '/state/looper/logs', own]);
});

describe('values', () => {
  test('blank means unset', () => {
    const config = load({
      LOOPER_PORT: '',
      LOOPER_KILL_GRACE_SECONDS: '  ',
      LOOPER_API_TOKEN: ' ',
    });
    expect(config).toEqual(load());
  });

  test('every kind is read', () => {
    const config = load({
      LOOPER_HOST: '[::1]',
      LOOPER_PORT: ' 8080 ',
      LOOPER_ALLOWED_HOSTS: 'Box.Tail.net., 192.168.1.5,[::2],fe80::1',
      LOOPER_INSECURE: 'Yes',
      LOOPER_MIRROR_OUTPUT: '1',
      LOOPER_AUTO_START_WHEN_IDLE: 'false',
      LOOPER_LOG_LEVEL: 'WARNING',
      LOOPER_KILL_GRACE_SECONDS: '2.5',
      LOOPER_RUN_TIMEOUT_SECONDS: '60',
      LOOPER_CODEX_SANDBOX: 'read-only',
      LOOPER_AUTOPOLL_CRON: '*/10 * * * *',
      LOOPER_LOG_DIR: 'logs',
      LOOPER_PROMPT: 'Go on.',
      LOOPER_TICKETS_DIR: 'tickets',
      LOOPER_WORKSPACE_ROOTS: '/srv:~/work:',
      CODEX_EXEC_BINARY: '~/bin/codex',
      ZULIPRC_PATH: '~/rc',
      ZULIP_SITE: 'https://chat.example/',
      ZULIP_MESSAGE_TYPE: 'direct',
    });
    expect(config.http).toMatchObject({
      host: '::1',
      port: 8080,
      allowedHosts: ['box.tail.net', '192.168.1.5', '::2', 'fe80::1'],
      insecure: true,
    });
    expect(config.client.baseUrl).toBe('http://[::1]:8080');
    expect(config.logs).toMatchObject({ mirrorOutput: true, level: 'warn' });
    expect(config.logs.directory).toBe('/nowhere/current/logs');
    expect(config.kill.graceMs).toBe(2500);
    expect(config.limits.runTimeoutMs).toBe(60_000);
    expect(config.autopoll).toMatchObject({ enabled: false, cron: '*/10 * * * *' });
    expect(config.codex).toMatchObject({
      sandbox: 'read-only',
      binary: '/nowhere/home/bin/codex',
    });
    expect(config.prompt.text).toBe('Go on.');
    expect(config.tickets.directory).toBe('tickets');
    expect(config.workspace.roots).toEqual(['/srv', '/nowhere/home/work']);
    expect(config.notify.zulip).toMatchObject({
      rcPath: '/nowhere/home/rc',
      site: 'https://chat.example',
      messageType: 'private',
    });
  });

  test('a binary without a slash is a name for PATH', () => {
    expect(load({ CODEX_EXEC_BINARY: 'codex-next' }).codex.binary).toBe('codex-next');
  });

  test.each([
    ['http://127.0.0.1:3456/run', 'http://127.0.0.1:3456'],
    ['http://127.0.0.1:3456', 'http://127.0.0.1:3456'],
    ['https://box.example/looper/run/', 'https://box.example/looper'],
    ['https://box.example/looper/', 'https://box.example/looper'],
  ])('LOOPER_URL=%s is %s', (url, base) => {
    expect(load({ LOOPER_URL: url }).client.baseUrl).toBe(base);
  });

  test('without LOOPER_URL the address is the one that the daemon of the same environment has', () => {
    const env = { LOOPER_HOST: '0.0.0.0', LOOPER_PORT: '99', LOOPER_API_TOKEN: TOKEN };
    expect(load(env).client.baseUrl).toBe('http://127.0.0.1:99');
    expect(load({ ...env, LOOPER_HOST: '::' }).client.baseUrl).toBe('http://[::1]:99');
  });

  test.each([
    ['--a  -b c', ['--a', '-b', 'c']],
    ['["-c", "a = b"]', ['-c', 'a = b']],
    ['[]', []],
  ])('LOOPER_CODEX_ARGS=%s', (given, args) => {
    expect(load({ LOOPER_CODEX_ARGS: given }).codex.args).toEqual(args);
  });

  test('aliases count, the newer name wins with a warning', () => {
    const older = load({ CODEX_EXEC_LOG_DIR: '/var/a', ZULIP_CHANNEL: 'ops' });
    expect(older.logs.directory).toBe('/var/a');
    expect(older.notify.zulip.stream).toBe('ops');
    expect(older.warnings).toEqual([]);
    const both = load({ CODEX_EXEC_LOG_DIR: '/var/a', LOOPER_LOG_DIR: '/var/b' });
    expect(both.logs.directory).toBe('/var/b');
    expect(both.warnings).toEqual([
      'CODEX_EXEC_LOG_DIR="/var/a" is ignored, because LOOPER_LOG_DIR is set too',
    ]);
  });
});

describe('row 56: values that do not fit', () => {
  test.each([
    ['LOOPER_PORT', ['x', '-1', '65536', '0x50', '1e3', '80.5', '٣', 'NaN']],
    ['LOOPER_IDLE_POLL_SECONDS', ['0', '-1', 'NaN', 'Infinity', '1e12', '1e1', '2147484', '0x10']],
    ['LOOPER_TURN_TIMEOUT_SECONDS', ['0', '-0', '3 s', '1_000']],
    ['LOOPER_STALL_SECONDS', ['0', '0.00001']],
    ['LOOPER_RUN_TIMEOUT_SECONDS', ['0']],
    ['LOOPER_NOTIFY_TIMEOUT_SECONDS', ['0', '3601']],
    ['CODEX_EXEC_DELAY_SECONDS', ['3601', '-1']],
    ['CODEX_EXEC_STARTUP_CHECK_SECONDS', ['3600.5']],
    ['LOOPER_KEEP_RUNS', ['0', '1.5']],
    ['LOOPER_MAX_TURNS', ['0']],
    ['LOOPER_MAX_LOG_BYTES', ['0', '99999999999999999', '2g']],
    ['LOOPER_MIRROR_OUTPUT', ['2', 'constructor', 'toString']],
    ['LOOPER_LOG_LEVEL', ['loud', '__proto__']],
    ['LOOPER_KILL_SCOPE', ['everything']],
    ['LOOPER_ON_BUSY', ['wait']],
    ['LOOPER_ON_SHUTDOWN', ['kill']],
    ['LOOPER_COMMIT', ['1']],
    ['LOOPER_CODEX_SANDBOX', ['none']],
    ['ZULIP_MESSAGE_TYPE', ['email']],
    ['LOOPER_HOST', ['http://localhost', 'localhost:80', 'a b', '*', '999:1::1::2']],
    ['LOOPER_ALLOWED_HOSTS', ['*.ts.net', 'a,b:80', 'https://a', 'a/b']],
    ['LOOPER_URL', ['localhost:3456', 'ftp://a/run', 'http://u:p@a/run', 'http://a/run?x=1']],
    ['LOOPER_HEALTHCHECK_URL', ['hc.example/ping']],
    ['LOOPER_AUTOPOLL_CRON', ['hourly', '70 * * * *', '* * *', '*/0 * * * *']],
    ['LOOPER_CODEX_MODEL', ['--yolo', 'a b', '-m']],
    ['LOOPER_CODEX_ARGS', ['["a"', '[1]', '["a\\u0000b"]']],
    ['LOOPER_WORKSPACE_ROOTS', ['relative', '/a:b', ':']],
    ['LOOPER_API_TOKEN', ['with a blank', 'ünicode', 'line\nbreak']],
  ])('%s is refused', (name, values) => {
    for (const value of values) {
      expect(problemsOf({ [name]: value })).toMatch(new RegExp(`${name}[ =].* must be `, 's'));
    }
  });

  test('all problems are reported together, each with its value and what is allowed', () => {
    const message = problemsOf({
      LOOPER_PORT: 'abc',
      LOOPER_KILL_SCOPE: 'some',
      LOOPER_API_TOKEN: 'not a token',
      LOOPER_CONFIG_FILE: '/missing.yaml',
    });
    expect(message).toBe(
      [
        'The configuration has 4 problems:',
        'LOOPER_PORT="abc" must be a whole number from 0 to 65535',
        'LOOPER_API_TOKEN (its value is not shown) must be printable ASCII characters without blanks',
        'LOOPER_KILL_SCOPE="some" must be one of all, workspace, owned',
        'LOOPER_CONFIG_FILE="/missing.yaml" must be an existing file',
      ].join('\n  '),
    );
  });
});

describe('row 68: other addresses than loopback', () => {
  test.each(['0.0.0.0', '::', '192.168.1.5', 'box.tail.net', '[::2]'])('%s', (host) => {
    const sentence = /LOOPER_HOST=".*" is reachable from other machines and needs LOOPER_API_TOKEN/;
    expect(problemsOf({ LOOPER_HOST: host })).toMatch(sentence);
    const short = problemsOf({ LOOPER_HOST: host, LOOPER_API_TOKEN: 'fifteen-letters' });
    expect(short).toMatch(sentence);
    expect(short).not.toContain('fifteen-letters');
    expect(load({ LOOPER_HOST: host, LOOPER_API_TOKEN: TOKEN }).http.token).toBe(TOKEN);
    expect(load({ LOOPER_HOST: host, LOOPER_INSECURE: '1' }).http.token).toBeUndefined();
  });

  test.each(['127.0.0.1', '127.9.9.9', '::1', '[0:0:0:0:0:0:0:1]', 'LOCALHOST'])(
    '%s is loopback and needs no token',
    (host) => {
      expect(load({ LOOPER_HOST: host }).warnings).toEqual([]);
    },
  );
});

describe('the env file', () => {
  test('is found in the order of the contract, and only the first one counts', () => {
    const root = workshop();
    const xdg = join(root, 'home', '.config', 'looper');
    mkdirSync(xdg, { recursive: true });
    write(join(xdg, 'env'), 'LOOPER_PORT=1001\nLOOPER_MAX_TURNS=7\n');
    expect(load({}, root)).toMatchObject({
      http: { port: 1001 },
      limits: { maxTurns: 7 },
      envFile: join(xdg, 'env'),
    });
    write(join(root, 'looper', '.env'), 'LOOPER_PORT=1002\n');
    expect(load({}, root)).toMatchObject({ http: { port: 1002 }, limits: { maxTurns: 50 } });
    const named = write(join(root, 'named'), 'LOOPER_PORT=1003\n');
    expect(load({ LOOPER_ENV_FILE: named }, root).http.port).toBe(1003);
    write(join(root, 'current', '.env'), 'LOOPER_PORT=1004\n');
    expect(load({ LOOPER_ENV_FILE: '~/../named' }, root).http.port).toBe(1003);
    const other = join(root, 'xdg');
    mkdirSync(join(other, 'looper'), { recursive: true });
    write(join(other, 'looper', 'env'), 'LOOPER_MAX_TURNS=9\n');
    expect(load({ XDG_CONFIG_HOME: other, LOOPER_ENV_FILE: ' ' }, root).http.port).toBe(1002);
  });

  test('loses against the environment, except where that is blank', () => {
    const root = workshop();
    write(join(root, 'looper', '.env'), 'LOOPER_PORT=1\nLOOPER_MAX_TURNS=2\n');
    const config = load({ LOOPER_PORT: '3', LOOPER_MAX_TURNS: '' }, root);
    expect(config).toMatchObject({ http: { port: 3 }, limits: { maxTurns: 2 } });
  });

  test('gives the agent what is not meant for Looper, and puts nothing into the process', () => {
    const root = workshop();
    const lines = ['OPENAI_API_KEY="sk 1 "', 'PATH=/evil', 'EMPTY=', 'LOOPER_TYPO=1'];
    lines.push('LOOPER_PORT=1', 'ZULIP_ANYTHING=x', 'ZULIPRC=x', 'CODEX_EXEC_ANYTHING=x');
    write(join(root, 'looper', '.env'), lines.join('\n'));
    const before = { ...process.env };
    const config = load({ PATH: '/usr/bin' }, root);
    expect(config.agentEnvironment).toEqual({ OPENAI_API_KEY: 'sk 1 ', EMPTY: '' });
    expect(process.env).toEqual(before);
  });

  test('that is named and missing, or no file, is a problem', () => {
    const root = workshop();
    expect(problemsOf({ LOOPER_ENV_FILE: '/missing' })).toContain('must be an existing file');
    mkdirSync(join(root, 'looper', '.env'));
    expect(problemsOf({}, root)).toContain('is not a regular file');
  });

  test('is named beside the problems in it, and warned of when others can read its secrets', () => {
    const root = workshop();
    const path = write(join(root, 'looper', '.env'), 'LOOPER_PORT=x\n', 0o644);
    expect(problemsOf({}, root)).toContain(`a problem (environment and ${path}):`);
    write(path, 'LOOPER_PORT=1\n', 0o644);
    expect(load({}, root).warnings).toEqual([]);
    // An agent's key, or a secret that the configuration file names.
    write(path, 'LOOPER_PORT=1\nPROJECT_KEY=secret-part\n', 0o644);
    expect(load({}, root).warnings).toEqual([
      `LOOPER_ENV_FILE="${path}" holds PROJECT_KEY, which may be a secret, and is readable by others: chmod 600 it`,
    ]);
    write(path, `LOOPER_API_TOKEN=${TOKEN}\n`, 0o640);
    const config = load({}, root);
    expect(config.warnings).toEqual([expect.stringContaining('readable by others: chmod 600')]);
    expect(config.warnings.join('')).not.toContain(TOKEN);
  });
});

describe('secrets', () => {
  test('a token that can be guessed is a warning on loopback too, and is not shown', () => {
    const warning =
      'LOOPER_API_TOKEN (its value is not shown) has fewer than 16 characters, so it can be guessed: use a longer one (openssl rand -hex 32)';
    expect(load({ LOOPER_API_TOKEN: 'x'.repeat(15) }).warnings).toEqual([warning]);
    expect(
      load({ LOOPER_API_TOKEN: 'x', LOOPER_HOST: '0.0.0.0', LOOPER_INSECURE: '1' }).warnings,
    ).toEqual([warning]);
    expect(load({ LOOPER_API_TOKEN: 'x'.repeat(16) }).warnings).toEqual([]);
  });

  test('come from files, whose last newline does not count', () => {
    const root = workshop();
    const token = write(join(root, 'token'), `${TOKEN}\n`);
    const key = write(join(root, 'key'), 'zulip-key\r\n', 0o644);
    const hook = 'https://hc.example/ping/secret-part';
    const config = load(
      {
        LOOPER_API_TOKEN_FILE: token,
        ZULIP_BOT_API_KEY_FILE: key,
        LOOPER_HEALTHCHECK_URL: hook,
      },
      root,
    );
    expect(config.http.token).toBe(TOKEN);
    expect(config.client.token).toBe(TOKEN);
    expect(config.notify.zulip.botApiKey).toBe('zulip-key');
    expect(config.secretValues).toEqual([TOKEN, 'zulip-key', hook]);
    expect(config.warnings).toEqual([
      `ZULIP_BOT_API_KEY_FILE="${key}" is readable by others: chmod 600 it`,
    ]);
  });

  test('files that cannot be used are problems, without a misleading second one', () => {
    const root = workshop();
    const empty = write(join(root, 'empty'), '\n');
    for (const path of ['/missing', empty, root]) {
      const message = problemsOf({ LOOPER_API_TOKEN_FILE: path, LOOPER_HOST: '0.0.0.0' }, root);
      expect(message).toMatch(/^The configuration has a problem:\n {2}LOOPER_API_TOKEN_FILE=/);
    }
  });

  test('a value and a file together are a problem that does not show the value', () => {
    const root = workshop();
    const file = write(join(root, 'token'), TOKEN);
    const env = { LOOPER_API_TOKEN: 'canary-token-value', LOOPER_API_TOKEN_FILE: file };
    const message = problemsOf(env, root);
    expect(message).toContain('LOOPER_API_TOKEN are both set');
    expect(message).not.toContain('canary');
  });
});

describe('unknown names', () => {
  test('are warned of with the nearest one, without their value', () => {
    const { warnings } = load({
      LOOPER_API_TOKN: 'canary',
      LOOPER_ENTIRELY_DIFFERENT_THING: '1',
      LOOPER_RUN_ID: 'ab12cd34',
      LOOPER_TICKET: 'TICKET-001',
      LOOPER_BLANK: '',
      ZULIP_ANYTHING: '1',
      OTHER: '1',
    });
    expect(warnings).toEqual([
      'LOOPER_API_TOKN is not a variable of Looper and is ignored; did you mean LOOPER_API_TOKEN?',
      'LOOPER_ENTIRELY_DIFFERENT_THING is not a variable of Looper and is ignored',
    ]);
  });
});

describe('what the agent could write', () => {
  const variables = ['LOOPER_LOG_DIR', 'LOOPER_SERVER_LOG_PATH', 'LOOPER_CONFIG_FILE'];
  const more = ['LOOPER_ENV_FILE', 'LOOPER_API_TOKEN_FILE', 'ZULIP_BOT_API_KEY_FILE'];
  test.each([...variables, ...more, 'ZULIPRC_PATH', 'CODEX_EXEC_BINARY'])(
    '%s inside the workspace is refused, through a link too',
    (variable) => {
      const root = workshop();
      const workspace = join(root, 'workspace');
      write(join(workspace, 'file'), 'LOOPER_MAX_TURNS=3');
      symlinkSync(workspace, join(root, 'link'));
      for (const path of [join(workspace, 'file'), join(root, 'link', 'file')]) {
        const message = problemsOf({ LOOPER_WORKSPACE: workspace, [variable]: path }, root);
        expect(message).toContain(
          `${variable}="${path}" must lie outside LOOPER_WORKSPACE (${workspace})`,
        );
        expect(message).toContain('a problem');
      }
    },
  );

  test('the default log directory and env file of a clone that is the workspace are refused too', () => {
    const root = workshop();
    write(join(root, 'looper', '.env'), 'LOOPER_MAX_TURNS=3');
    const message = problemsOf({ LOOPER_WORKSPACE: join(root, 'looper') }, root);
    expect(message).toContain('LOOPER_LOG_DIR=');
    expect(message).toContain('LOOPER_ENV_FILE=');
  });

  test('a log directory below the temporary directory is a warning', () => {
    const { warnings } = load({ LOOPER_LOG_DIR: '/tmp/of-another-test/logs' });
    expect(warnings).toEqual([expect.stringContaining('is below the temporary directory')]);
  });
});

describe('the workspace', () => {
  test('may come later, but must not be a file', () => {
    const root = workshop();
    const later = load({ LOOPER_WORKSPACE: join(root, 'later') }, root);
    expect(later.warnings).toEqual([expect.stringContaining('does not exist yet')]);
    const file = write(join(root, 'file'), '');
    expect(problemsOf({ LOOPER_WORKSPACE: file }, root)).toContain('must be a directory');
    const below = load({ LOOPER_WORKSPACE: join(file, 'below') }, root);
    expect(below.warnings).toEqual([expect.stringContaining('does not exist yet')]);
  });

  test('must lie in the roots', () => {
    const root = workshop();
    const env = { LOOPER_WORKSPACE: join(root, 'workspace') };
    expect(load({ ...env, LOOPER_WORKSPACE_ROOTS: root }, root).workspace.roots).toEqual([root]);
    expect(problemsOf({ ...env, LOOPER_WORKSPACE_ROOTS: join(root, 'work') }, root)).toContain(
      'must lie in one of LOOPER_WORKSPACE_ROOTS',
    );
  });
});

test('who helps to mend it is given all problems, and a configuration without them', () => {
  const { config, problems } = inspectConfig({
    env: { LOOPER_PORT: 'many', LOOPER_MAX_TURNS: '7', LOOPER_KILL_SCOPE: 'some' },
    looperDirectory: '/nowhere/looper',
    isClone: true,
    homeDirectory: '/nowhere/home',
    currentDirectory: '/nowhere',
    temporaryDirectory: '/tmp/of-another-test',
  });
  expect(problems).toHaveLength(2);
  expect(config.http.port).toBe(3456);
  expect(config.kill.scope).toBe('all');
  expect(config.limits.maxTurns).toBe(7);
});

test('files that settings name must be there, and a prompt comes from one place', () => {
  const root = workshop();
  const file = write(join(root, 'prompt.md'), 'Go on.');
  expect(load({ LOOPER_PROMPT_FILE: file, LOOPER_CONFIG_FILE: file }, root)).toMatchObject({
    prompt: { file },
    configFile: file,
  });
  expect(problemsOf({ LOOPER_PROMPT_FILE: '/missing' })).toContain('must be an existing file');
  expect(problemsOf({ LOOPER_CONFIG_FILE: root }, root)).toContain('is not a regular file');
  expect(problemsOf({ LOOPER_PROMPT: 'a', LOOPER_PROMPT_FILE: file }, root)).toContain(
    'LOOPER_PROMPT are both set',
  );
});
