/** Looper's files are replaced while a run lives: it ends as it would have. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { cliPath } from '../support/cli.ts';
import { readRecords, startService, untilLeft } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

/** A copy of this build, as an installation of its own. */
function install() {
  const directory = join(tempDir(), 'looper');
  const dist = join(directory, 'dist');
  const source = dirname(dirname(cliPath));
  cpSync(join(source, 'dist'), dist, { recursive: true });
  cpSync(join(source, 'package.json'), join(directory, 'package.json'));
  symlinkSync(join(source, 'node_modules'), join(directory, 'node_modules'));
  const aside = `${directory}.before`;
  return {
    cli: join(dist, 'cli.js'),
    dist,
    directory,
    /** Nothing that is loaded from here on is Looper's. */
    replaceByGarbage: (): void => {
      renameSync(directory, aside);
      mkdirSync(dist, { recursive: true });
      writeFileSync(join(dist, 'cli.js'), 'not javascript(\n');
    },
    putBack: (): void => {
      rmSync(directory, { recursive: true });
      renameSync(aside, directory);
    },
    /** As an upgrade does to both, some time after. */
    becomeVersion: (version: string): void => {
      const path = join(directory, 'package.json');
      const found = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...found, version }));
      utimesSync(join(dist, 'runner.js'), 1, 1);
    },
  };
}

function writeTicket(workspace: string, name: string): void {
  mkdirSync(join(workspace, '.looper/tickets'), { recursive: true });
  const text = `---\nagent: codex\ndone: false\n---\n${name}\n`;
  writeFileSync(join(workspace, '.looper/tickets', `${name}.md`), text);
}

test('a run whose installation is replaced under it works on to its end, and is adopted', async () => {
  const { cli, replaceByGarbage, putBack } = install();
  const service = await startService({
    cli,
    env: { LOOPER_ON_SHUTDOWN: 'detach' },
    scenario: {
      turns: [
        { steps: [{ do: 'ticket' }] },
        { steps: [{ do: 'wait', path: 'let-go' }, { do: 'ticket' }] },
        { steps: [{ do: 'ticket' }], message: 'the last one' },
      ],
    },
  });
  for (const number of [1, 2, 3]) writeTicket(service.workspace, `TICKET-00${number}`);
  const runId = await service.started({ codex_prompt: undefined });
  await waitFor('the second turn', () => service.calls().length === 2, 20_000);
  expect(await service.looper.stop()).toBe(0);
  replaceByGarbage();
  writeFileSync(join(service.workspace, 'let-go'), '');
  await untilLeft(service.home, 0);
  expect(readRecords(service.looper.logDirectory)).toMatchObject([
    {
      run_id: runId,
      status: 'finished',
      outcome: 'succeeded',
      turns: [
        { outcome: 'finished', exit_code: 0 },
        { outcome: 'finished', exit_code: 0 },
        { outcome: 'finished', exit_code: 0, final_message: 'the last one' },
      ],
    },
  ]);
  putBack();
  const looper = await service.restarted();
  expect(await looper.record(runId)).toMatchObject({ outcome: 'succeeded' });
});

test('a run that begins while files are missing lets its agent finish and says what is wrong', async () => {
  const { cli, dist } = install();
  const service = await startService({
    cli,
    scenario: {
      steps: [
        { do: 'sleep', ms: 300 },
        { do: 'write', path: 'made', text: 'yes' },
      ],
    },
  });
  rmSync(join(dist, 'runner/drive.js'));
  const record = await service.looper.ended(await service.started());
  expect(record.outcome).toBe('failed');
  expect(record.reason).toContain("Looper's files were replaced or removed");
  expect(record.turns).toMatchObject([{ exit_code: 0 }]);
  expect(existsSync(join(service.workspace, 'made'))).toBe(true);
});

test('a service whose installation has become another version says so and starts nothing', async () => {
  const { cli, becomeVersion } = install();
  const service = await startService({ cli });
  becomeVersion('99.0.0');
  const answer = await service.run();
  expect(answer).toMatchObject({
    status: 500,
    body: {
      error: expect.stringMatching(/and 99\.0\.0 is installed by now\. Restart the service/),
    },
  });
  expect(service.calls()).toEqual([]);
  await waitFor('its end', () => readRecords(service.looper.logDirectory)[0]?.outcome);
  expect(readRecords(service.looper.logDirectory)).toMatchObject([{ outcome: 'spawn_failed' }]);
  await service.looper.stop();
  await service.restarted();
  await service.started();
});

test('the log folder of a clone, which a checkout made, is closed to others', async () => {
  const { cli, directory } = install();
  const logDirectory = join(directory, 'logs');
  mkdirSync(logDirectory, { mode: 0o755 });
  await startService({ cli, env: { LOOPER_LOG_DIR: logDirectory } });
  expect(statSync(logDirectory).mode & 0o777).toBe(0o700);
});
