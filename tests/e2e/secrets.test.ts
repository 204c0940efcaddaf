import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createCanaries } from '../support/canary.ts';
import { hasRealCodex } from '../support/real-codex.ts';
import { startScene } from '../support/scene.ts';
import { waitFor } from '../support/wait-for.ts';

/** What a tool of the agent finds out about itself and about whatever it may look at. */
const SPY = 'env >own.txt; cat /proc/[0-9]*/cmdline >argv.txt 2>/dev/null; true';

describe.skipIf(!hasRealCodex())('a tool of the real codex', () => {
  test('finds no secret in its environment or on a command line (row 71)', async () => {
    const canaries = createCanaries();
    const token = canaries.add('token');
    const env = {
      LOOPER_API_TOKEN: token,
      LOOPER_HEALTHCHECK_URL: `http://127.0.0.1:9/${canaries.add('health check')}`,
      ZULIP_SITE: 'http://127.0.0.1:9',
      ZULIP_BOT_EMAIL: 'bot@example.com',
      ZULIP_BOT_API_KEY: canaries.add('zulip key'),
      ZULIP_STREAM: 'ops',
      ZULIP_TOPIC: 'looper',
    };
    await using scene = await startScene(
      ({ toolOutputs }) => (toolOutputs.length === 0 ? { exec: SPY } : { say: 'done' }),
      { env },
    );
    const { looper, workspace } = scene;
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await looper.post('/run', { message: 'Go', codex_prompt: 'Look' }, headers);
    const runId = String(answer.body['run_id']);
    const hasEnded = (): boolean => looper.log(runId).includes('# codex_exec_return_code=');
    await waitFor('the end', hasEnded, 20_000, 50);
    const log = looper.log(runId);
    const own = readFileSync(join(workspace, 'own.txt'), 'utf8');
    expect(own).toContain(`LOOPER_RUN_ID=${runId}`);
    const argv = readFileSync(join(workspace, 'argv.txt'), 'latin1');
    expect(argv).toContain('serve');
    const requests = JSON.stringify(scene.model.requests);
    expect(requests).toContain('Look');
    expect([own, argv, requests, log].map((text) => canaries.in(text))).toEqual([[], [], [], []]);
  });
});
