import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  readdirSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemdUnit } from '../../src/init/systemd.ts';
import { fakeCodexPath } from '../support/fake-codex.ts';
import { cliPath, runCli, type CliResult } from '../support/cli.ts';
import { parsePlist } from '../support/plist.ts';
import { tempDir } from '../support/temp-dir.ts';

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
const hasPlutil = spawnSync('plutil', ['-help']).status === 0;

function place() {
  const home = tempDir();
  const configFolder = join(home, 'my config');
  return {
    home,
    unit: join(configFolder, 'systemd/user/looper.service'),
    envFile: join(configFolder, 'looper/env'),
    init: (...args: string[]): Promise<CliResult> =>
      runCli(['init', ...args], { home, env: { XDG_CONFIG_HOME: configFolder } }),
  };
}

/** What systemd has to say about a unit file; of others that it looks at on the way, nothing. */
function verify(path: string, runtimeDirectory: string): string[] {
  const { stderr, error } = spawnSync('systemd-analyze', ['verify', '--user', path], {
    encoding: 'utf8',
    env: { ...process.env, XDG_RUNTIME_DIR: runtimeDirectory },
  });
  if (error) throw error;
  return stderr.split('\n').filter((line) => line.includes(basename(path)));
}

describe('looper init systemd', () => {
  it('writes the unit and an env file of its own, and says what comes next', async () => {
    const { unit, envFile, init } = place();
    const made = await init('systemd');
    expect(made).toMatchObject({ code: 0, stdout: `${unit}\n${envFile}\n` });
    expect(made.stderr).toContain('systemctl --user enable --now looper');
    expect(made.stderr).toContain('loginctl enable-linger');
    expect(made.stderr).toContain(`settings go into ${envFile}`);
    // Names only: the values of a shell may be secrets.
    expect(made.stderr).toMatch(/only this shell sets: .*CODEX_EXEC_BINARY/);
    expect(made.stderr).not.toContain(fakeCodexPath);
    expect(statSync(envFile).mode & 0o777).toBe(0o600);
    const text = readFileSync(unit, 'utf8');
    expect(text).toContain(`"${cliPath}" serve`);
    expect(text).toContain(`Environment="LOOPER_ENV_FILE=${envFile}"`);
    // The settings that it names are ones that the command itself accepts.
    expect(await init('systemd', '--print')).toMatchObject({ code: 0, stdout: text });
  });

  it('replaces a unit only when told to, and an env file never', async () => {
    const { unit, envFile, init } = place();
    await init('systemd');
    const text = readFileSync(unit, 'utf8');
    expect(await init('systemd')).toMatchObject({ code: 0, stdout: '' });
    writeFileSync(unit, '# mine\n');
    writeFileSync(envFile, 'LOOPER_PORT=4000\n');
    expect(await init('systemd')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('--force replaces it'),
    });
    expect(readFileSync(unit, 'utf8')).toBe('# mine\n');
    expect(await init('systemd', '--force')).toMatchObject({ code: 0, stdout: `${unit}\n` });
    expect(readFileSync(unit, 'utf8')).toBe(text);
    expect(readFileSync(envFile, 'utf8')).toBe('LOOPER_PORT=4000\n');
  });

  it('writes nothing with --print', async () => {
    const { home, init } = place();
    expect((await init('systemd', '--print')).stdout).toContain('[Service]');
    expect(readdirSync(home)).toEqual([]);
  });

  it.skipIf(!hasSystemd)('passes systemd-analyze verify', async () => {
    const { home, unit, init } = place();
    await init('systemd');
    expect(verify(unit, home)).toEqual([]);

    // systemd finds the program only if it reads the path as it is.
    const folder = join(home, 'a b 50% $HOME é');
    mkdirSync(folder);
    cpSync('/bin/true', join(folder, 'node'));
    const cli = join(home, `it's "q" back\\slash 100% $$ new\nline`);
    const environment = { PATH: cli };
    writeFileSync(
      unit,
      systemdUnit({ node: join(folder, 'node'), cli, homeDirectory: home, environment }),
    );
    expect(verify(unit, home)).toEqual([]);
    chmodSync(join(folder, 'node'), 0o600);
    expect(verify(unit, home)).toEqual([expect.stringContaining('is not executable')]);
  });
});

describe('looper init launchd', () => {
  it('writes a property list for the agent of this user', async () => {
    const { home, envFile, init } = place();
    const path = join(home, 'Library/LaunchAgents/codex-looper.serve.plist');
    const made = await init('launchd');
    expect(made).toMatchObject({ code: 0, stdout: `${path}\n${envFile}\n` });
    expect(made.stderr).toContain(`launchctl bootstrap gui/$(id -u) ${path}`);
    expect(parsePlist(readFileSync(path, 'utf8'))).toMatchObject({
      ProgramArguments: [expect.any(String), cliPath, 'serve'],
      EnvironmentVariables: { LOOPER_ENV_FILE: envFile, LOOPER_ON_SHUTDOWN: 'detach' },
      AbandonProcessGroup: true,
    });
  });

  it.skipIf(!hasPlutil)('passes plutil -lint', async () => {
    const { home, init } = place();
    await init('launchd');
    const path = join(home, 'Library/LaunchAgents/codex-looper.serve.plist');
    expect(spawnSync('plutil', ['-lint', path]).status).toBe(0);
  });
});

describe('looper init tickets', () => {
  function workspaceIn(home: string): { workspace: string; folder: string } {
    const workspace = join(home, 'workspace');
    mkdirSync(workspace);
    return { workspace, folder: join(workspace, '.looper') };
  }

  it('writes a ticket that can run, its page and what git shall not see', async () => {
    const { home, init } = place();
    const { workspace, folder } = workspaceIn(home);
    const made = await init('tickets', '-w', workspace);
    const ticket = 'TICKET-001-describe-this-project-for-the-agents-that-work-on.md';
    expect(made).toMatchObject({
      code: 0,
      stdout: `${join(folder, 'context/project.md')}\n${join(folder, '.gitignore')}\n${join(folder, 'tickets', ticket)}\n`,
    });
    expect(await runCli(['tickets', 'lint', '-w', workspace], { home })).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, 'tickets', ticket), 'utf8')).toContain('done: false');
    expect(await init('tickets', '-w', workspace)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('nothing was written'),
    });
    expect(readdirSync(join(folder, 'tickets'))).toEqual([ticket]);
  });

  it('keeps a page that is there, and follows no link out of the workspace', async () => {
    const { home, init } = place();
    const { workspace, folder } = workspaceIn(home);
    mkdirSync(join(folder, 'context'), { recursive: true });
    writeFileSync(join(folder, 'context/project.md'), 'Ours.\n');
    const made = await init('tickets', '-w', workspace);
    expect(made.code).toBe(0);
    expect(made.stderr).toContain('project.md is there already');
    expect(readFileSync(join(folder, 'context/project.md'), 'utf8')).toBe('Ours.\n');

    const other = join(home, 'other');
    const outside = join(home, 'outside');
    for (const path of [join(other, '.looper'), outside]) mkdirSync(path, { recursive: true });
    symlinkSync(outside, join(other, '.looper/context'));
    expect(await init('tickets', '-w', other)).toMatchObject({ code: 1, stdout: '' });
    expect(readdirSync(outside)).toEqual([]);
    expect(readdirSync(join(other, '.looper'))).toEqual(['context']);
  });

  it('leaves a workspace with tickets of its own alone', async () => {
    const { home, init } = place();
    const { workspace } = workspaceIn(home);
    const pack = join(workspace, '.codex-autorunner/tickets');
    mkdirSync(pack, { recursive: true });
    expect(await init('tickets', '-w', workspace)).toMatchObject({ code: 1, stdout: '' });
    expect(readdirSync(workspace)).toEqual([basename(dirname(pack))]);
  });
});
