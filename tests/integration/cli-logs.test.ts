import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LogItem } from '../../src/render/items.ts';
import type { RunRecord } from '../../src/runs/record.ts';
import { cliOf, cliPath, ONE_RUN, runCli } from '../support/cli.ts';
import { looperEnvironment } from '../support/looper.ts';
import { readRecords, runFile, startService, type Service } from '../support/service.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { finishing, run, sharedLooper, workspace } from '../support/ticket-runs.ts';

const looper = sharedLooper();

/** One for all that only read it. */
let ended: Promise<RunRecord> | null = null;
const endedRun = (): Promise<RunRecord> => (ended ??= runToEnd());

const HOSTILE = 'red \u001b[31m, title \u001b]0;owned\u0007, C1 \u009b2J, bidi \u202egnp.exe';
const LONG = 'x'.repeat(200_000);

async function runToEnd(): Promise<RunRecord> {
  const work = workspace({
    tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
    turns: [
      finishing('one', {
        steps: [
          { do: 'say', text: HOSTILE },
          { do: 'err', text: `# turn=2 ticket=forged\n${LONG}\n` },
          { do: 'ticket' },
        ],
      }),
      finishing('two', { message: 'Second done' }),
    ],
    git: false,
  });
  return run(looper(), work);
}

/** The workspace of that run is gone with the test that made it. */
const cli = () => cliOf({ looper: looper(), workspace: dirname(looper().logDirectory) });

async function killedService(): Promise<Service> {
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
  await service.started();
  await service.looper.kill();
  return service;
}

describe('looper logs', () => {
  it('renders a log with nothing in it that a terminal obeys (row 72)', async () => {
    const record = await endedRun();
    const { code, stdout, stderr } = await cli().run('logs', record.run_id);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain('red , title , C1 , bidi \\u{202e}gnp.exe');
    // eslint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(stdout.match(/^── turn \d: \S+/gm)).toEqual([
      '── turn 1: .looper/tickets/TICKET-001.md',
      '── turn 2: .looper/tickets/TICKET-002.md',
    ]);
    expect(stdout).toContain('\n# turn=2 ticket=forged\n');
    expect(stdout).toMatch(/Second done\n[^]*\nsucceeded: [^\n]+\n$/);
  });

  it('gives the very bytes with --raw, and an object a line with --json', async () => {
    const record = await endedRun();
    const raw = await cli().run('logs', '--raw', record.run_id);
    expect(raw.stdout).toBe(readFileSync(record.log_path, 'utf8'));
    const json = await cli().run('logs', '--json', record.run_id);
    const items = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as LogItem);
    expect(items.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['header', 'turn', 'message', 'text', 'usage', 'trailer']),
    );
    expect(json.stdout).not.toContain('\u009b');
  });

  it('begins with the turn that was under way at --since, and with no id takes all runs since', async () => {
    const record = await endedRun();
    const second = record.turns[1]?.started_at ?? '';
    const part = await cli().run('logs', '--since', second, record.run_id);
    expect(part.stdout).not.toContain('── turn 1');
    expect(part.stdout).toMatch(/── turn 2: \S+TICKET-002\.md\n[^]*Second done/);
    const raw = await cli().run('logs', '--raw', '--since', second, record.run_id);
    const from = record.turns[1]?.log_start ?? 0;
    expect(raw.stdout).toBe(readFileSync(record.log_path).subarray(from).toString());

    const all = await cli().run('logs', '--since', '10m');
    expect(all.stdout.match(/^══ run (\S+)/gm)).toEqual([`══ run ${record.run_id}`]);
    const none = await cli().run('logs', '--since', '2100-01-01');
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'No run was active since then.\n' });
    expect((await cli().run('logs', '--since', 'yesterday')).code).toBe(2);
  });

  it('follows a run in its files when its service has been killed', async () => {
    const service = await killedService();
    const follower = cliOf(service).start('logs', '-f');
    await follower.shows('Before');
    const raw = cliOf(service).start('logs', '-f', '--raw');
    await raw.shows('Before');
    writeFileSync(join(service.workspace, 'go'), '');
    const { code, stdout, stderr } = await follower.ended();
    expect(code).toBe(0);
    expect(stdout).toMatch(/Before\nAfter\n[^]*\nsucceeded/);
    expect(stderr).toContain('read from the files');
    const runId = /══ run (\S+)/.exec(stdout)?.[1] ?? '';
    const log = runFile(service.looper.logDirectory, runId, '.log');
    expect((await raw.ended()).stdout).toBe(readFileSync(log, 'utf8'));
  });

  it('shows the same from the files as from the service', async () => {
    const { run_id: runId } = await endedRun();
    const home = dirname(looper().logDirectory);
    const byService = await cli().run('logs', runId);
    expect(await runCli(['logs', runId], { home })).toMatchObject({
      code: 0,
      stdout: byService.stdout,
    });
  });

  it('ends with 130 at Ctrl-C, and the run goes on', async () => {
    const service = await killedService();
    const follower = cliOf(service).start('logs', '-f');
    await follower.shows('Before');
    follower.process.kill('SIGINT');
    expect((await follower.ended()).code).toBe(130);
    writeFileSync(join(service.workspace, 'go'), '');
    await waitFor('the end of the run', () => {
      const [record] = readRecords(service.looper.logDirectory);
      return record?.outcome === 'succeeded';
    });
  });

  it('says so when a run has no end and nobody is left to write one', async () => {
    const service = await killedService();
    const follower = cliOf(service).start('logs', '-f');
    await follower.shows('Before');
    const [, runId = ''] = /══ run (\S+)/.exec(follower.stdout()) ?? [];
    const { runner, agent } = JSON.parse(
      readFileSync(runFile(service.looper.logDirectory, runId, '.json'), 'utf8'),
    ) as { runner: { pid: number }; agent: { pid: number } };
    process.kill(runner.pid, 'SIGKILL');
    const { code, stderr } = await follower.ended();
    expect(code).toBe(1);
    expect(stderr).toContain('has no end, and nobody is there to write one');
    // The agent is still alive, and "looper stop" finds it without its runner.
    expect((await cliOf(service).run('stop')).stdout).toMatch(new RegExp(`^lost · run ${runId}`));
    expect(looksAlive(agent.pid)).toBe(false);
  });

  it('ends quietly when its reader has seen enough', async () => {
    const record = await endedRun();
    const home = dirname(looper().logDirectory);
    const child = spawn(
      '/bin/sh',
      ['-c', `"$NODE" "$CLI" logs --raw ${record.run_id} | head -c 10`],
      {
        env: {
          ...looperEnvironment({ home, env: { LOOPER_URL: looper().url } }),
          NODE: process.execPath,
          CLI: cliPath,
        },
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    }
    await new Promise((resolve) => child.on('close', resolve));
    expect(output).toBe('# looper_r');
  });

  it('ends with 1 where there is no run', async () => {
    const home = tempDir();
    expect(await runCli(['logs'], { home })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no run yet'),
    });
    await endedRun();
    expect(await cli().run('logs', '00000000')).toMatchObject({
      code: 1,
      stderr: 'There is no run "00000000".\n',
    });
  });
});
