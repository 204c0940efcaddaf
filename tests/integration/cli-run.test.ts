import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cliOf, cliPath, jsonOf, NOBODY, ONE_RUN, runCli } from '../support/cli.ts';
import type { TurnScenario } from '../support/fake-codex.ts';
import { looperEnvironment } from '../support/looper.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { sharedLooper, workspace } from '../support/ticket-runs.ts';
import { waitFor } from '../support/wait-for.ts';

const STEPS = [
  { do: 'say', text: 'I look around.' },
  { do: 'command', command: 'ls', output: 'a.txt\n\u001b]0;owned\u0007b.txt\n', exitCode: 2 },
] as const;

const looper = sharedLooper();

/** A workspace of its own for the shared daemon. */
function place(...turns: TurnScenario[]) {
  const work = workspace({ tickets: {}, turns: turns.length === 0 ? [{}] : turns, git: false });
  return { work, looper: looper(), workspace: work.path, calls: work.calls };
}

describe('looper run', () => {
  it('follows a run to its end: its log on stdout, messages on stderr, 0 for a success', async () => {
    const service = place({ steps: [...STEPS], message: 'All done.' });
    // As the original wrote it.
    const env = { LOOPER_URL: `${service.looper.url}/run` };
    const { code, stdout, stderr } = await cliOf(service, env).run('run', '--prompt', 'Do it');
    expect(code).toBe(0);
    expect(stdout).toContain('I look around.\n$ ls\n  a.txt\n  b.txt\n  exit code 2\n');
    expect(stdout).toContain('All done.');
    expect(stdout).toMatch(/^succeeded · run [0-9a-f]{8} · in \d+s · 1 turn/m);
    expect(stdout).not.toContain('\u001b');
    expect(stderr).toMatch(/^Run [0-9a-f]{8} in /);
    expect(service.calls()[0]?.prompt).toContain('Do it');
  });

  it('ends with 1 when the run failed, and says why', async () => {
    const service = place({ steps: [{ do: 'fail', message: 'no luck' }] });
    const { code, stdout } = await cliOf(service).run('run', '-p', 'Do it');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed · run/m);
    expect(stdout).toContain('no luck');
  });

  it('prints nothing but JSON with --json', async () => {
    const service = place();
    const cli = cliOf(service);
    const asJson = jsonOf(await cli.run('run', '-p', 'Do it', '-d', '--json'));
    expect(asJson).toMatchObject({ ok: true, run_id: expect.stringMatching(/^[0-9a-f]{8}$/) });
    await service.looper.ended(String(asJson['run_id']));

    const followed = jsonOf(await cli.run('run', '-p', 'Do it', '--json'));
    expect(followed).toMatchObject({
      ok: true,
      run: { outcome: 'succeeded', mode: 'prompt', trigger: 'cli' },
    });
  });

  it('takes the prompt from stdin and from a file, and passes the rest on', async () => {
    const service = place();
    const cli = cliOf(service);
    expect((await cli.runWith('From stdin', 'run', '--prompt', '-')).code).toBe(0);
    writeFileSync(join(service.workspace, 'prompt.md'), 'From a file');
    const more = ['--model', 'gpt-5.5', '--reasoning', 'high', '--message', 'Here we go'];
    expect((await cli.run('run', '--prompt-file', 'prompt.md', ...more)).code).toBe(0);
    expect(service.calls().map(({ prompt }) => prompt)).toEqual([
      expect.stringContaining('From stdin'),
      expect.stringContaining('From a file'),
    ]);
    expect(service.calls()[1]?.argv.join(' ')).toMatch(/gpt-5\.5.*high|high.*gpt-5\.5/);
    const missing = await cli.run('run', '--prompt-file', 'absent.md');
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('absent.md') });
  });

  it('announces and cleans up only with an empty prompt', async () => {
    const service = place();
    const { code, stdout } = await cliOf(service).run('run', '--prompt', '');
    expect(code).toBe(0);
    expect(stdout).toBe('Announced; no agent was alive; nothing was started.\n');
    expect(service.calls()).toEqual([]);
  });

  it('detaches at Ctrl-C with 130 and says how to come back, and the run goes on', async () => {
    const service = place({
      steps: [
        { do: 'say', text: 'At work' },
        { do: 'wait', path: 'go' },
      ],
    });
    const cli = cliOf(service).start('run', '-p', 'Do it');
    await cli.shows('At work');
    cli.process.kill('SIGINT');
    const { code, stderr } = await cli.ended();
    expect(code).toBe(130);
    const [, runId = ''] = /Detached; run ([0-9a-f]{8}) goes on/.exec(stderr) ?? [];
    expect(stderr).toContain(`looper logs -f ${runId}`);
    expect((await service.looper.record(runId)).status).toBe('running');

    writeFileSync(join(service.workspace, 'go'), '');
    const back = await cliOf(service).run('logs', '-f', runId);
    expect(back.code).toBe(0);
    expect(back.stdout).toMatch(/At work[^]*succeeded/);
  });

  it('follows the run in its files when the service is killed meanwhile', async () => {
    const service = await startService({
      env: ONE_RUN,
      scenario: {
        steps: [
          { do: 'say', text: 'Before' },
          { do: 'wait', path: 'go' },
          { do: 'say', text: 'After' },
        ],
      },
    });
    const cli = cliOf(service).start('run', '-p', 'Do it');
    await cli.shows('Before');
    await service.looper.kill();
    await waitFor('the switch to the files', () => cli.stderr().includes('in its files'));
    writeFileSync(join(service.workspace, 'go'), '');
    const { code, stdout } = await cli.ended();
    expect(code).toBe(0);
    expect(stdout.match(/Before/g)).toHaveLength(1);
    expect(stdout).toMatch(/Before\nAfter\n[^]*succeeded · run/);
  });

  it('goes on where it was when the service comes back', async () => {
    const service = await startService({
      env: ONE_RUN,
      scenario: {
        steps: [
          { do: 'say', text: 'Before' },
          { do: 'wait', path: 'go' },
          { do: 'say', text: 'After' },
        ],
      },
    });
    const { port } = new URL(service.looper.url);
    // As if it were another machine's: without its files.
    const env = { LOOPER_LOG_DIR: tempDir() };
    const cli = cliOf(service, env).start('run', '-p', 'Do it');
    await cli.shows('Before');
    await service.looper.kill();
    await waitFor('the loss to be noticed', () => cli.stderr().includes('trying again'));
    await service.restarted({ LOOPER_PORT: port });
    writeFileSync(join(service.workspace, 'go'), '');
    const { code, stdout } = await cli.ended();
    expect(code).toBe(0);
    expect(stdout.match(/Before/g)).toHaveLength(1);
    expect(stdout).toContain('After');
  });

  it('has an exit code for each way not to start', async () => {
    const token = 'token-of-the-service';
    const service = await startService({
      scenario: { steps: [{ do: 'hang' }] },
      env: { ...ONE_RUN, LOOPER_API_TOKEN: token },
    });
    const cli = cliOf(service, { LOOPER_API_TOKEN: token });
    const usage = [
      ['run', '--frob'],
      ['run', '--prompt', 'a', '--prompt-file', 'b'],
      ['run', '--model', '; rm -rf /'],
    ];
    const codes = await Promise.all(usage.map(async (args) => (await cli.run(...args)).code));
    expect(codes).toEqual(usage.map(() => 2));

    const [none, wrong, nothing] = await Promise.all([
      cliOf(service).run('run'),
      cliOf(service, { LOOPER_API_TOKEN: 'another-token-altogether' }).run('run'),
      cli.run('run', '--workspace', join(service.home, 'absent')),
    ]);
    expect(none).toMatchObject({ code: 5, stderr: expect.stringContaining('wants a token') });
    expect(wrong).toMatchObject({ code: 5, stderr: expect.stringContaining('refuses the token') });
    expect(nothing).toMatchObject({ code: 1, stderr: expect.stringContaining('absent') });

    const detached = await cli.run('run', '-p', 'Do it', '--detach');
    expect(detached).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-f]{8}\n$/) });
    const busy = await cli.run('run', '-p', 'Do it', '--on-busy', 'reject');
    expect(busy).toMatchObject({ code: 4, stderr: expect.stringContaining('busy') });
    expect((await cli.run('stop')).code).toBe(0);
  });

  it('says what to do when no service answers, and when the configuration is wrong', async () => {
    const home = tempDir();
    const absent = await runCli(['run'], { home });
    expect(absent).toMatchObject({ code: 3, stdout: '' });
    expect(absent.stderr).toContain(NOBODY);
    expect(absent.stderr).toContain('looper serve');
    const wrong = await runCli(['run'], { home, env: { LOOPER_PORT: 'many' } });
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('LOOPER_PORT="many"') });
  });

  it('is live and coloured on a terminal only, and plain where NO_COLOR asks for it', async () => {
    const service = place({ steps: [...STEPS, { do: 'sleep', ms: 300 }] });
    const coloured = await onTerminal(service, {});
    if (coloured === null) return;
    expect(coloured).toContain('\u001b[36m$ ls\u001b[0m\r\n');
    expect(coloured).toContain('\u001b[2mturn 1 · ');
    // The live line is gone before the summary.
    expect(coloured).toContain('\r\u001b[K\r\n\u001b[32m\u001b[1msucceeded');
    const plain = await onTerminal(service, { NO_COLOR: '1' });
    expect(plain).toContain('Ctrl-C detaches');
    expect(plain?.replaceAll('\r\u001b[K', '')).not.toContain('\u001b');
  });
});

/** What `looper run` writes to a terminal; null where there is no `script` to make one. */
async function onTerminal(
  { looper, workspace }: ReturnType<typeof place>,
  env: Readonly<Record<string, string>>,
): Promise<string | null> {
  if (process.platform !== 'linux' || spawnSync('script', ['--version']).status !== 0) {
    process.stderr.write('SKIPPED: no "script" of util-linux here, so no terminal is tested\n');
    return null;
  }
  const command = `${process.execPath} ${cliPath} run -p go`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: workspace,
    env: looperEnvironment({
      home: dirname(looper.logDirectory),
      env: { LOOPER_URL: looper.url, TERM: 'xterm', ...env },
    }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return output;
}
