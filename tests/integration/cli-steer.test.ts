import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Status } from '../../src/cli/status.ts';
import { cliOf, jsonOf, ONE_RUN, runCli } from '../support/cli.ts';
import type { Step } from '../support/fake-codex.ts';
import { readRecords, startService } from '../support/service.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { run, sharedLooper, ticketText, trigger, workspace } from '../support/ticket-runs.ts';

const looper = sharedLooper({ LOOPER_AUTO_START_WHEN_IDLE: '1', LOOPER_IDLE_POLL_SECONDS: '600' });

const ASKING: Step[] = [
  { do: 'wait', path: 'go' },
  { do: 'outbox', mode: 'pause', title: 'Which one?', text: 'JSON or YAML?' },
];

const statusOf = async (cli: ReturnType<typeof cliOf>): Promise<Status> =>
  jsonOf(await cli.run('status', '--json')) as unknown as Status;

describe('looper status, stop, reply and autopoll', () => {
  it('shows what runs, and the question that it ends with', async () => {
    const work = workspace({
      tickets: { 'TICKET-001-first': 'First', 'TICKET-002-second': 'Second' },
      turns: [
        { steps: [{ do: 'outbox', title: 'Earlier' }, { do: 'ticket' }] },
        { steps: [{ do: 'command', command: 'npm test', output: 'ok\n' }, ...ASKING] },
      ],
      git: false,
    });
    const cli = cliOf({ looper: looper(), workspace: work.path });
    const follower = cli.start('run');
    await follower.shows('npm test');
    const active = await cli.run('status');
    expect(active.stdout).toMatch(/^● running · run [0-9a-f]{8} · tickets · by \w+ · \d+/);
    expect(active.stdout).toMatch(/ticket +TICKET-002-second — Second\n/);
    expect(active.stdout).toMatch(/turn +2, for \d+s\n/);
    expect(active.stdout).toMatch(/output +.*\$ npm test\n/);
    expect(active.stdout).toMatch(/tokens +100 in \(40 cached\), 20 out\n/);
    expect(active.stdout).toMatch(/queue +1 of 2 done\n/);
    expect(active.stdout).toMatch(/autopoll +every 10m, looks at .* \(in \d+/);
    expect(await statusOf(cli)).toMatchObject({
      ok: true,
      source: 'service',
      active: {
        status: 'running',
        turns: [{}, { ticket: '.looper/tickets/TICKET-002-second.md' }],
      },
      last_output: { text: '$ npm test' },
      queued: null,
      asking: null,
      tickets: { tickets: [{ state: 'done' }, { state: 'active' }] },
      autopoll: { enabled: true },
    });

    const second = cli.start('logs', '-f', '--since', '0s');
    await second.shows('npm test');
    writeFileSync(join(work.path, 'go'), '');
    const { code, stdout } = await follower.ended();
    const since = (await second.ended()).stdout;
    expect(since).toMatch(
      /^══ run .*\n\n── turn 2: [^]*\[question\] Which one\?\n[^]*waiting: Which one\?/,
    );
    expect(since).not.toContain('Earlier');
    expect(stdout).toContain('[message] Earlier');
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /waiting · run (\S+) [^]*Which one\?\n {4}JSON or YAML\?[^]*answer +looper reply/,
    );
    expect((await cli.run('status')).stdout).toMatch(
      /^○ idle\n[^]*waits for you\n {2}Which one\?\n {4}JSON or YAML\?\n/,
    );
  });

  it('answers the run that waits, from stdin, and stops what goes on then', async () => {
    const service = await startService({
      scenario: { turns: [{ steps: ASKING }, { steps: [{ do: 'hang' }] }] },
    });
    writeFileSync(join(service.workspace, 'go'), '');
    const cli = cliOf(service);
    expect((await service.looper.ended(await service.started())).outcome).toBe('waiting');
    const blank = await cli.runWith(' \n', 'reply');
    expect(blank).toMatchObject({ code: 2, stderr: expect.stringContaining('blank') });
    const replied = await cli.runWith('Both.\n', 'reply');
    expect(replied).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-f]{8}\n$/) });
    const next = await waitFor('the next turn', () => service.calls()[1]);
    expect(next.prompt).toContain('Both.');

    const runId = replied.stdout.trim();
    expect(await cli.run('stop', runId)).toMatchObject({
      code: 0,
      stdout: `stopped · run ${runId} · A person stopped it.\n`,
    });
    expect(await cli.run('stop')).toMatchObject({ code: 3, stdout: '' });
    expect(await cli.run('stop', runId)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('is not active (stopped)'),
    });
    expect(await cli.run('reply', 'Too late')).toMatchObject({
      code: 1,
      stderr: 'No run waits for an answer.\n',
    });
    expect(await cli.run('reply', runId, 'Too late')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('asks nothing'),
    });
  });

  it('asks which run is meant when several wait', async () => {
    const waiting = async (): Promise<string> => {
      const turns = [{ steps: ASKING }];
      const work = workspace({
        tickets: { 'TICKET-001': 'One' },
        turns,
        files: { go: '' },
        git: false,
      });
      return (await run(looper(), work)).run_id;
    };
    const runIds = [await waiting(), await waiting()];
    const { code, stderr } = await cliOf({ looper: looper(), workspace: tempDir() }).run(
      'reply',
      'Yes',
    );
    expect(code).toBe(2);
    for (const runId of runIds) expect(stderr).toMatch(new RegExp(`${runId} .*Which one\\?`));
  });

  it('answers with a run id and a text in one line', async () => {
    const work = workspace({
      tickets: {
        'TICKET-001': ticketText({ title: 'Look at it', agent: 'user' }),
        'TICKET-002': 'Go on',
      },
      turns: [{ steps: [{ do: 'ticket' }] }],
      git: false,
    });
    work.write('.looper/tickets/TICKET-000.md', ticketText({ title: 'Before it' }));
    const cli = cliOf({ looper: looper(), workspace: work.path });
    const runId = await trigger(looper(), work);
    expect((await looper().ended(runId)).outcome).toBe('waiting');
    const replied = await cli.run('reply', runId, 'Looks good');
    expect(replied.code).toBe(0);
    expect((await looper().ended(replied.stdout.trim())).outcome).toBe('succeeded');
  });

  it('pauses and resumes the idle timer', async () => {
    const cli = cliOf({ looper: looper(), workspace: tempDir() });
    expect((await cli.run('autopoll', 'pause')).stdout).toMatch(/^paused; .*resume/);
    expect(jsonOf(await cli.run('autopoll', '--json'))).toMatchObject({
      ok: true,
      autopoll: { paused: true },
    });
    expect((await cli.run('autopoll', 'resume')).stdout).toMatch(/^every 10m, looks at /);
    expect((await cli.run('autopoll', 'stop')).code).toBe(2);
  });

  it('stops a run, and shows one, when its service has been killed', async () => {
    const service = await startService({
      env: ONE_RUN,
      scenario: {
        steps: [{ do: 'spawn', kind: 'setsid' }, { do: 'say', text: 'At work' }, { do: 'hang' }],
      },
    });
    const runId = await service.started();
    const cli = cliOf(service);
    await cli.start('logs', '-f').shows('At work');
    await service.looper.kill();

    const shown = await cli.run('status');
    expect(shown).toMatchObject({ code: 0, stderr: expect.stringContaining('No service answers') });
    expect(shown.stdout).toMatch(/^● running · run [^]*output +\d+s ago: At work\n[^]*no service/);
    expect(await statusOf(cli)).toMatchObject({
      source: 'files',
      active: { run_id: runId },
      autopoll: null,
      last_output: { text: 'At work', at: expect.stringMatching(/^\d{4}-.*Z$/) },
    });

    const [before] = readRecords(service.looper.logDirectory);
    expect((await cli.run('stop', '00000000')).code).toBe(3);
    const stopped = await cli.run('stop');
    expect(stopped).toMatchObject({
      code: 0,
      stdout: `stopped · run ${runId} · A person stopped it.\n`,
    });
    expect(looksAlive(before?.agent?.pid ?? 0)).toBe(false);
    expect(looksAlive(before?.runner?.pid ?? 0)).toBe(false);
    expect(await cli.run('stop')).toMatchObject({ code: 3, stdout: '' });
    expect((await cli.run('status')).stdout).toMatch(/^○ idle\n[^]*stopped \(/);
    expect((await cli.run('reply', 'Hello')).code).toBe(3);
    expect((await cli.run('autopoll')).code).toBe(3);
  });

  it('names the service that holds the files when LOOPER_URL is wrong, and reads no files for another machine', async () => {
    const home = dirname(looper().logDirectory);
    const wrong = await runCli(['status'], { home });
    expect(wrong.stderr).toMatch(/though one holds it \(pid \d+ at .*is LOOPER_URL right\?\)/);
    const elsewhere = await runCli(['status'], { home, url: 'http://looper.invalid:3456' });
    expect(elsewhere).toMatchObject({ code: 3, stdout: '' });
  });
});
