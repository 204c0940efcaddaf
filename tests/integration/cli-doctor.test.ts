import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ask } from '../../src/doctor/ask.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { withPrivateFolder } from '../../src/doctor/private-folder.ts';
import { probeSandbox } from '../../src/doctor/sandbox.ts';
import { checkUnit } from '../../src/doctor/systemd.ts';
import { cliOf, jsonOf, runCli, type CliResult } from '../support/cli.ts';
import { newRepository, place } from '../support/git-repo.ts';
import { createLetterFiles } from '../../src/notify/letters.ts';
import { recordLog } from '../support/notify-log.ts';
import { hasRealCodex, realCodexPath } from '../support/real-codex.ts';
import { endedRun, layDown, newRun } from '../support/runs.ts';
import { identityOf, looksAlive, startAgent } from '../support/scripted-agent.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { writeTicket } from '../support/scene.ts';
import { waitFor } from '../support/wait-for.ts';

const NEVER = new AbortController().signal;
const LOGGED_IN = { CODEX_API_KEY: 'sk-of-a-test' };

type Env = Readonly<Record<string, string>>;

interface Diagnosis {
  readonly code: number | null;
  readonly findings: readonly Finding[];
  /** `level what`, of everything about one thing. */
  of(id: string): string[];
}

async function diagnose(home: string, env: Env = {}): Promise<Diagnosis> {
  return read(await runCli(['doctor', '--json'], { home, env }));
}

function read(result: CliResult): Diagnosis {
  const { ok, findings } = jsonOf(result) as { ok: boolean; findings: Finding[] };
  expect(result.code).toBe(ok ? 0 : 1);
  expect(ok).toBe(findings.every(({ level }) => level !== 'error'));
  return {
    code: result.code,
    findings,
    of: (id) =>
      findings.filter((one) => one.id === id).map(({ level, what }) => `${level} ${what}`),
  };
}

/** A home with a log directory and a repository that has one open ticket. */
function goodPlace(): { home: string; logs: string; workspace: string; env: Env } {
  const here = place();
  const logs = join(here.home, 'logs');
  mkdirSync(logs, { mode: 0o700 });
  const workspace = newRepository(here);
  writeTicket(workspace, 1);
  const env = {
    ...LOGGED_IN,
    LOOPER_WORKSPACE: workspace,
    LOOPER_MAX_LOG_BYTES: '1024',
    // The real one holds our home, and so would be a reason to warn.
    TMPDIR: tempDir(),
  };
  return { home: here.home, logs, workspace, env };
}

function everything(directory: string): string[] {
  return readdirSync(directory, { recursive: true }).map(String).sort();
}

/** A `codex` that answers each first argument with a line of shell. */
function scriptedCodex(answers: Readonly<Record<string, string>>): string {
  const path = join(tempDir(), 'codex');
  const cases = Object.entries(answers).map(([word, line]) => `${word}) ${line};;`);
  writeFileSync(path, `#!/bin/sh\ncase "$1" in ${cases.join(' ')} esac\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('looper doctor', () => {
  it('finds nothing to mend where all is well, and changes nothing', async () => {
    const { home, env } = goodPlace();
    const before = everything(home);
    const { code, stdout } = await runCli(['doctor'], { home, env });
    expect(stdout).toMatch(/^Machine\n {2}✓ ok {7}Node /);
    expect(stdout).toContain('(CODEX_EXEC_BINARY)');
    expect(stdout).toContain('codex ran a command in its sandbox');
    expect(stdout).toContain('a clean work tree');
    expect(stdout).toContain('1 open of 1 in');
    expect(stdout).toMatch(/\n\d+ ok, 0 warnings, 0 errors\n$/);
    expect(stdout).not.toContain(LOGGED_IN.CODEX_API_KEY);
    expect(code).toBe(0);
    expect(everything(home)).toEqual(before);
  });

  it('tells a stranger what is missing, and creates no log directory', async () => {
    const home = tempDir();
    const env = { CODEX_EXEC_BINARY: 'no-such-codex' };
    const found = await diagnose(home, env);
    expect(found.code).toBe(1);
    expect(found.of('agent.binary')).toEqual([
      expect.stringMatching(
        /^error No usable no-such-codex on PATH.*npm install -g @openai\/codex/,
      ),
    ]);
    expect(found.of('agent.login')).toEqual([
      expect.stringContaining('error codex is not logged in'),
    ]);
    expect(found.of('workspace.directory')).toEqual([expect.stringContaining('info none is set')]);
    expect(found.of('logs.directory')).toEqual([expect.stringContaining('does not exist yet')]);
    expect(found.of('service.running')).toEqual([
      expect.stringContaining('info no service answers'),
    ]);
    expect(found.findings.filter(({ level }) => level !== 'ok').length).toBeGreaterThan(4);
    expect(readdirSync(home)).toEqual([]);
  });

  it('names every problem of the variables and goes on with the rest', async () => {
    const { home, env } = goodPlace();
    const bad = { ...env, LOOPER_PORT: 'many', LOOPER_KILL_SCOPE: 'some', LOOPER_MAX_TURN: '3' };
    const found = await diagnose(home, bad);
    expect(found.code).toBe(1);
    expect(found.of('settings.variable')).toEqual([
      expect.stringContaining('error LOOPER_PORT="many"'),
      expect.stringContaining('error LOOPER_KILL_SCOPE="some"'),
      expect.stringContaining('warning LOOPER_MAX_TURN is not a variable of Looper'),
    ]);
    expect(found.of('agent.version')).toEqual(['ok codex 0.169.0, as tested']);
    expect(found.of('workspace.tickets')).toEqual([expect.stringContaining('1 open of 1')]);
  });

  it('reads the configuration file: its problems by line, its schedules by their next time', async () => {
    const { home, env } = goodPlace();
    const path = join(home, 'looper.yaml');
    const withFile = { ...env, LOOPER_CONFIG_FILE: path };
    writeFileSync(path, 'schedules:\n  - name: a\n    cron: often\n    message: m\nhook: []\n');
    const bad = await diagnose(home, withFile);
    expect(bad.of('settings.config_file')).toEqual([
      expect.stringContaining('line 3: schedules[0].cron'),
      expect.stringContaining('line 5: hook'),
    ]);
    writeFileSync(path, 'schedules:\n  - name: a\n    cron: "0 2 * * *"\n    message: m\n');
    const good = await diagnose(home, withFile);
    expect(good.of('settings.schedule')).toEqual([
      expect.stringMatching(/^ok a is due next at \d{4}-\d\d-\d\dT/),
    ]);
    expect(good.code).toBe(0);
  });

  it('refuses a log directory inside the workspace, and one that cannot be made', async () => {
    const { home, env, workspace } = goodPlace();
    const inside = join(workspace, 'logs');
    const found = await diagnose(home, { ...env, LOOPER_LOG_DIR: inside });
    expect(found.of('settings.variable')).toEqual([
      expect.stringMatching(/^error LOOPER_LOG_DIR=.* must lie outside LOOPER_WORKSPACE/),
    ]);
    expect(found.of('workspace.directory')).toEqual([expect.stringContaining('error workspace')]);
    writeFileSync(join(home, 'file'), '');
    const under = await diagnose(home, { ...env, LOOPER_LOG_DIR: join(home, 'file', 'logs') });
    expect(under.of('logs.directory')).toEqual([expect.stringContaining('is not a directory')]);
    expect(under.code).toBe(1);
  });

  it('wants the log directory private and roomy', async () => {
    const { home, env, logs } = goodPlace();
    chmodSync(logs, 0o755);
    const found = await diagnose(home, { ...env, LOOPER_MAX_LOG_BYTES: String(2 ** 52) });
    expect(found.of('logs.mode')).toEqual([expect.stringContaining('mode 0755')]);
    expect(found.of('logs.room')).toEqual([
      expect.stringMatching(/^warning .* one run may write 4096 TiB/),
    ]);
    expect(found.code).toBe(0);
  });

  it('says in a sentence that it has no room for a folder of its own', async () => {
    // Nothing can be made in a folder whose path is this long, as on a full disk.
    const longest = process.platform === 'linux' ? 4095 : 1023;
    let full = tempDir();
    while (full.length < longest - 10) {
      full = join(full, 'd'.repeat(Math.min(200, longest - 10 - full.length)));
    }
    mkdirSync(full, { recursive: true });
    await expect(withPrivateFolder(full, () => Promise.resolve())).rejects.toMatchObject({
      code: 'LOG_DIR_UNUSABLE',
      message: expect.stringContaining('(ENAMETOOLONG)'),
    });
  });

  it('shows what ran aground: a dead letter, a run without an end', async () => {
    const { home, env, logs, workspace } = goodPlace();
    const outbox = join(logs, 'outbox');
    mkdirSync(outbox);
    createLetterFiles(outbox, recordLog()).create({
      run: '0a1b2c3d',
      event: 'end',
      channel: 'ops',
      createdAt: 0,
      announcement: {
        kind: 'end',
        text: 'It ended.',
        runId: '0a1b2c3d',
        at: '2026-03-01T10:00:00.000Z',
      },
      state: 'dead',
    });
    const runner = { pid: 2 ** 22, start_time: 'of another boot:1' };
    const record = {
      ...newRun('0a1b2c3d', { workspace, status: 'running', runner }),
      log_path: '',
    };
    layDown(logs, record);
    const found = await diagnose(home, env);
    expect(found.of('announcements.dead_letters')).toEqual([
      expect.stringContaining(
        'warning 1 message was given up, the last for ops (end of run 0a1b2c3d',
      ),
    ]);
    expect(found.of('processes.unfinished_run')).toEqual([
      expect.stringMatching(/^warning run 0a1b2c3d .* has no end/),
    ]);
    expect(found.code).toBe(0);
  });

  it('finds what a run left alive, and spares it', async () => {
    const { home, env, logs } = goodPlace();
    layDown(logs, endedRun('0a1b2c3d'));
    const left = spawn('sleep', ['60'], { env: { LOOPER_RUN_ID: '0a1b2c3d' }, stdio: 'ignore' });
    onTestFinished(() => {
      left.kill('SIGKILL');
    });
    await once(left, 'spawn');
    const { pid } = identityOf(left.pid);
    const found = await diagnose(home, env);
    expect(found.of('processes.leftovers')).toEqual([
      expect.stringMatching(new RegExp(`^warning of run 0a1b2c3d.* pid ${pid}$`)),
    ]);
    expect(looksAlive(pid)).toBe(true);
  });

  it('names the agents that a run would stop, and where they work', async () => {
    const { home, env, workspace } = goodPlace();
    const agent = await startAgent(['-C', workspace]);
    const { pid } = agent.identity;
    const found = await diagnose(home, { ...env, LOOPER_KILL_SCOPE: 'workspace' });
    expect(found.of('processes.stale_agent')).toEqual([
      expect.stringContaining(`pid ${pid} in ${agent.dir}. The next run stops it`),
    ]);
    expect(found.of('autopoll.plan')).toEqual([expect.stringContaining('off')]);
    const all = { ...env, LOOPER_KILL_SCOPE: 'all', LOOPER_AUTO_START_WHEN_IDLE: '1' };
    const everywhere = await diagnose(home, all);
    expect(everywhere.of('processes.stale_agent').join('\n')).toContain(
      `pid ${pid} in ${agent.dir}`,
    );
    expect(everywhere.of('autopoll.plan')).toEqual([
      expect.stringMatching(/^info a service would wait: codex exec is alive/),
    ]);
    expect(looksAlive(pid)).toBe(true);
  });

  it('looks beside a running service: at it, at its version, at what it waits for', async () => {
    const service = await startService({
      env: (home) => ({ LOOPER_WORKSPACE: join(home, 'workspace'), ...LOGGED_IN }),
    });
    const env = { LOOPER_WORKSPACE: service.workspace, ...LOGGED_IN };
    const same = read(await cliOf(service, env).run('doctor', '--json'));
    expect(same.of('service.running')).toEqual([
      expect.stringContaining(`ok a service answers at ${service.looper.url}`),
    ]);
    expect(same.of('service.settings')).toEqual([]);
    expect(same.of('autopoll.plan')).toEqual([expect.stringContaining('info off')]);
    const other = read(
      await cliOf(service, { ...env, LOOPER_MAX_TURNS: '3' }).run('doctor', '--json'),
    );
    expect(other.of('service.settings')).toEqual([
      expect.stringContaining('other values of LOOPER_MAX_TURNS;'),
    ]);
    await service.looper.stop();
    const closed = await service.restarted({ LOOPER_API_TOKEN: 'a-token-of-this-test' });
    const refused = read(
      await runCli(['doctor', '--json'], { home: service.home, env, url: closed.url }),
    );
    expect(refused.of('service.token').join('\n')).toContain('wants a token');
    const lost = await diagnose(service.home, env);
    expect(lost.of('service.running')).toEqual([
      expect.stringMatching(/^warning no service answers .* though one holds .*\(pid \d+ at /),
    ]);
  });

  it('knows a stranger at its address', async () => {
    const stranger = createServer((_, response) => response.end('hello'));
    stranger.listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    onTestFinished(() => {
      stranger.close();
    });
    const { home, env } = goodPlace();
    const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    const found = read(await runCli(['doctor', '--json'], { home, env, url }));
    expect(found.of('service.running')).toEqual([expect.stringContaining("is somebody else's")]);
  });

  it('tries the sandbox', async () => {
    const { home, env } = goodPlace();
    const version = 'echo codex-cli 0.169.0';
    const off = scriptedCodex({
      '--version': version,
      sandbox: 'echo "bwrap: Creating new namespace failed" >&2; exit 1',
    });
    const broken = await diagnose(home, { ...env, CODEX_EXEC_BINARY: off });
    expect(broken.of('agent.sandbox')).toEqual([
      'error codex cannot set up its sandbox: bwrap: Creating new namespace failed',
    ]);
  });

  it('asks the kernel where the agent has no sandbox to try', async () => {
    const other = scriptedCodex({ sandbox: 'exit 2' });
    const cwd = tempDir();
    const asking = { environment: { PATH: process.env['PATH'] ?? '' }, cwd, signal: NEVER };
    const [found] = await probeSandbox(other, 'workspace-write', asking);
    expect(found?.what).toMatch(/^this agent has no `sandbox` command to try it with/);
  });

  it('asks nobody for ever, and leaves nobody behind', async () => {
    const slow = scriptedCodex({ wait: 'sleep 60 & echo $! > pid.new; mv pid.new pid; wait' });
    const cwd = tempDir();
    const given = new AbortController();
    const environment = { PATH: process.env['PATH'] ?? '' };
    const asking = { environment, cwd, deadlineMs: 60_000, signal: given.signal };
    const answer = ask([slow, 'wait'], asking);
    await waitFor('it to be asked', () => existsSync(join(cwd, 'pid')));
    given.abort();
    expect(await answer).toEqual({ kind: 'late' });
    const child = Number(readFileSync(join(cwd, 'pid'), 'utf8'));
    await waitFor('the child of what was asked to be gone', () => !looksAlive(child));
    const soon = { ...asking, deadlineMs: 20, signal: NEVER };
    expect(await ask(['sleep', '60'], soon)).toEqual({ kind: 'late' });
    expect(await ask([join(cwd, 'none')], { ...asking, signal: NEVER })).toMatchObject({
      kind: 'absent',
    });
  });

  it('asks systemd what a restart would kill', async () => {
    const bin = tempDir();
    const stub = (line: string): void =>
      writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    const asking = { environment: { PATH: `${bin}:/usr/bin:/bin` }, cwd: bin, signal: NEVER };
    const unit = { name: 'looper.service', isUser: true };
    stub('echo "$*" > asked; echo control-group');
    expect((await checkUnit(unit, 'detach', asking)).what).toContain('KillMode=control-group');
    expect(readFileSync(join(bin, 'asked'), 'utf8')).toBe(
      '--user show looper.service --property=KillMode --value\n',
    );
    stub('echo process');
    expect(await checkUnit(unit, 'detach', asking)).toMatchObject({ level: 'ok' });
    stub('echo "Failed to connect to bus" >&2; exit 1');
    expect(await checkUnit(unit, 'detach', asking)).toMatchObject({ level: 'info' });
  });

  it('has a broken agent say why', async () => {
    const { home, env } = goodPlace();
    const broken = scriptedCodex({ '--version': 'echo "env: node: not found" >&2; exit 127' });
    const found = await diagnose(home, { ...env, CODEX_EXEC_BINARY: broken });
    expect(found.of('agent.version')).toEqual([
      expect.stringContaining('failed: env: node: not found'),
    ]);
    expect(found.of('agent.sandbox')).toEqual([]);
  });

  it.runIf(hasRealCodex())('leaves nothing behind with the real codex', async () => {
    const { home, env } = goodPlace();
    const before = everything(home);
    const found = await diagnose(home, { ...env, CODEX_EXEC_BINARY: realCodexPath });
    expect(found.of('agent.version')).toEqual(['ok codex 0.169.0, as tested']);
    expect(found.of('agent.sandbox')).toHaveLength(1);
    expect(everything(home)).toEqual(before);
  });
});
