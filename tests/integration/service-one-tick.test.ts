/** Everything that can start a run does so in the same moment. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { startDaemon } from '../../src/daemon.ts';
import { readVersion } from '../../src/version.ts';
import { readCalls, writeScenario } from '../support/fake-codex.ts';
import { SECRET, signed, writeConfigFile } from '../support/hooks.ts';
import { looperEnvironment } from '../support/looper.ts';
import { readRecords } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const looperDirectory = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const ROUNDS = 6;

const HOOK = `
hooks:
  - name: pushed
    verify: { type: github, secret_file: secret }
    message: Pushed
    prompt: Do it
    on_busy: reject
`;

test('a POST, a tick of the autopoll and a webhook at once start one run (row 59)', async () => {
  const home = tempDir();
  const workspace = join(home, 'workspace');
  mkdirSync(workspace);
  const scenarioPath = writeScenario(workspace, { steps: [{ do: 'hang' }] });
  const env = looperEnvironment({
    home,
    env: {
      LOOPER_WORKSPACE: workspace,
      LOOPER_PROMPT: 'Do it',
      LOOPER_CONFIG_FILE: writeConfigFile(HOOK, { secret: SECRET }),
      LOOPER_AUTO_START_WHEN_IDLE: '1',
      // The ticks of this test only, and none of them waits because the last run was stopped.
      LOOPER_IDLE_POLL_SECONDS: '3600',
      LOOPER_IDLE_LOG_STALE_SECONDS: '0',
    },
  });
  // In this process, where a tick can be asked for at a chosen moment.
  const daemon = await startDaemon({
    config: loadConfig({
      env,
      looperDirectory,
      isClone: false,
      homeDirectory: home,
      currentDirectory: home,
      temporaryDirectory: '/nowhere',
    }),
    version: readVersion(looperDirectory),
    looperDirectory,
    runnerEntry: join(looperDirectory, 'dist/runner.js'),
    environment: env,
  });
  onTestFinished(() => daemon.stop());
  const send = async (path: string, body: string, headers: Record<string, string> = {}) =>
    (await fetch(daemon.url + path, { method: 'POST', body, headers })).status;
  const post = () =>
    send(
      '/run',
      JSON.stringify({ zulip_message: 'Go', codex_prompt: 'Do it', on_busy: 'reject' }),
      {
        'Content-Type': 'application/json',
      },
    );

  for (let round = 1; round <= ROUNDS; round += 1) {
    daemon.autopoll.resume();
    const body = JSON.stringify({ round });
    const headers = signed.github(body, 'push', `delivery-${round}`);
    const answers: Record<string, unknown> = {};
    const triggers = [
      async () => (answers['http'] = await post()),
      async () => (answers['autopoll'] = (await daemon.autopoll.tick()).kind),
      async () => (answers['hook'] = await send('/hooks/pushed', body, headers)),
    ];
    // Whoever is asked first has a head start: each in turn.
    const inTurn = [...triggers.slice(round % 3), ...triggers.slice(0, round % 3)];
    await Promise.all(inTurn.map((trigger) => trigger()));

    const records = readRecords(join(home, 'logs'));
    const running = records.filter(({ status }) => status !== 'finished');
    expect(records).toHaveLength(round);
    expect(running).toHaveLength(1);
    expect(running[0]?.trigger).toMatch(/^(http|autopoll|hook:pushed)$/);
    expect(answers).toEqual({
      http: running[0]?.trigger === 'http' ? 200 : 409,
      autopoll: running[0]?.trigger === 'autopoll' ? 'start' : 'skip',
      // Its sender is told that the delivery has come, lest it send it again.
      hook: 202,
    });
    await waitFor('the agent to be at work', () => readCalls(scenarioPath).length === round);
    expect(await send('/runs/current/stop', '')).toBe(200);
  }
  expect(readCalls(scenarioPath)).toHaveLength(ROUNDS);
});
