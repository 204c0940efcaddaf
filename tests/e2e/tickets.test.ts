import { readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { startDaemon } from '../../src/daemon.ts';
import { readVersion } from '../../src/version.ts';
import type { RunRecord } from '../../src/runs/record.ts';
import { person } from '../support/git-repo.ts';
import { looperEnvironment } from '../support/looper.ts';
import { BROKEN, usageLimit, type Answer, type ModelRequest } from '../support/mock-model.ts';
import { hasRealCodex } from '../support/real-codex.ts';
import {
  markDone,
  runToEnd,
  setStage,
  startScene,
  ticketName,
  ticketOf,
  ticketText,
  usableSandbox,
  writeTicket,
} from '../support/scene.ts';
import { waitFor } from '../support/wait-for.ts';

const HOUR_MS = 3_600_000;
const looperDirectory = fileURLToPath(new URL('../../', import.meta.url));

const isInstalled = hasRealCodex();
const sandbox = isInstalled ? usableSandbox() : 'danger-full-access';

/** Executes a command, then ends the turn; null: says at once that there is more to do. */
function turn(request: ModelRequest, command: string | null): Answer {
  if (command === null) return { say: 'more to do' };
  return request.toolOutputs.length === 0 ? { exec: command } : { say: 'did it' };
}

/** How codex says that it began, or went on with, a thread. */
function historyOf({ headers }: ModelRequest): unknown {
  const metadata = JSON.parse(headers['x-codex-turn-metadata'] ?? '{}') as Record<string, unknown>;
  return metadata['history_initialization'];
}

describe.skipIf(!isInstalled)('the ticket loop with the real codex', () => {
  test('ten tickets are done in order, with one commit each', async () => {
    const numbers = Array.from({ length: 10 }, (_, index) => index + 1);
    await using scene = await startScene(
      (request) => {
        const ticket = ticketOf(request);
        return turn(request, `echo ${ticket} > ${ticket}.txt; ${markDone(ticket)}`);
      },
      {
        sandbox,
        files: Object.fromEntries(
          numbers.map((number) => [`.looper/tickets/${ticketName(number)}.md`, ticketText(number)]),
        ),
      },
    );
    // Ten turns of the real codex: half a second each, or two on a busy machine.
    const record = await runToEnd(scene.looper, {}, 80_000);
    expect(record).toMatchObject({
      outcome: 'succeeded',
      summary: { tickets_left: 0, turns: 10, warnings: [], usage: { input_tokens: 2000 } },
    });
    expect(record.summary?.tickets_done).toHaveLength(10);
    expect(new Set(record.turns.map(({ thread_id }) => thread_id)).size).toBe(10);
    expect(scene.commits()).toEqual(
      numbers.map((number) => `${ticketName(number)} Part ${number}`),
    );
    for (const [index, hash] of (record.summary?.commits ?? []).entries()) {
      const shown = person(scene.place, scene.workspace, 'show', '--format=', '--name-only', hash);
      const ticket = ticketName(index + 1);
      expect(shown.split('\n')).toEqual([`.looper/tickets/${ticket}.md`, `${ticket}.txt`]);
    }
    expect(person(scene.place, scene.workspace, 'status', '--porcelain')).toBe('');
  });

  test('a ticket that needs three turns has them on one thread', async () => {
    let turns = 0;
    await using scene = await startScene(
      (request) => {
        if (request.toolOutputs.length === 0) turns += 1;
        const finish = turns === 3 ? `; ${markDone('TICKET-001')}` : '';
        return turn(request, `echo ${turns} >> steps.txt${finish}`);
      },
      { sandbox },
    );
    writeTicket(scene.workspace, 1);
    const record = await runToEnd(scene.looper, {});

    const { requests } = scene.model;
    const thread = requests[0]?.threadId;
    expect(record.outcome).toBe('succeeded');
    expect(record.turns.map(({ outcome }) => outcome)).toEqual([
      'unfinished',
      'unfinished',
      'finished',
    ]);
    expect(record.turns.map(({ thread_id }) => thread_id)).toEqual([thread, thread, thread]);
    // Codex counts a thread's tokens from its beginning, a record those of each turn.
    expect(record.turns.map(({ usage }) => usage?.input_tokens)).toEqual([200, 200, 200]);
    expect(requests.map(({ threadId }) => threadId)).toEqual(Array(6).fill(thread));
    expect(requests.map(historyOf)).toEqual([
      'new',
      'new',
      'cold_resume',
      'cold_resume',
      'cold_resume',
      'cold_resume',
    ]);
    expect(requests[4]?.prompt).toContain('TICKET-001 is not done yet');
    expect(readFileSync(join(scene.workspace, 'steps.txt'), 'utf8')).toBe('1\n2\n3\n');
    expect(scene.commits()).toEqual(['TICKET-001 Part 1']);
  });

  test('a review that changes nothing but its own done is finished, not stuck', async () => {
    await using scene = await startScene(
      (request) =>
        turn(request, request.prompt.includes('not done yet') ? markDone('TICKET-001') : null),
      { sandbox },
    );
    writeTicket(scene.workspace, 1);
    const record = await runToEnd(scene.looper, {});
    expect(record).toMatchObject({
      outcome: 'succeeded',
      reason: 'Every ticket is done.',
      turns: [{ outcome: 'unfinished' }, { outcome: 'finished' }],
      summary: { tickets_left: 0, commits: [] },
    });
    expect(scene.commits()).toEqual([]);
  });

  test('a question is answered, and its thread goes on with the answer', async () => {
    await using scene = await startScene(
      (request) => {
        if (request.prompt.includes('Take the blue one.')) {
          return turn(request, `echo blue > colour.txt; ${markDone('TICKET-001')}`);
        }
        const outbox = /^- outbox: (\S+)\/$/m.exec(request.prompt)?.[1] ?? '';
        const text = String.raw`---\nmode: pause\ntitle: Which colour?\n---\nRed or blue?\n`;
        return turn(
          request,
          `mkdir -p ${outbox}; printf '%b' '${text}' > ${outbox}/MESSAGE.tmp; mv ${outbox}/MESSAGE.tmp ${outbox}/MESSAGE.md`,
        );
      },
      { sandbox },
    );
    writeTicket(scene.workspace, 1);
    const { looper, model } = scene;
    const asked = await runToEnd(looper, {});
    expect(asked).toMatchObject({
      outcome: 'waiting',
      reason: 'Which colour?',
      question: { ticket: 'TICKET-001.md', title: 'Which colour?', text: 'Red or blue?' },
      summary: { tickets_waiting: ['TICKET-001.md'], tickets_left: 1 },
    });

    const answer = await looper.post(`/runs/${asked.run_id}/reply`, {
      text: 'Take the blue one.',
    });
    expect(answer.status).toBe(200);
    const record = await looper.ended(String(answer.body['run_id']));
    expect(record).toMatchObject({ trigger: 'reply', outcome: 'succeeded' });
    expect(model.requests[2]?.prompt).toContain('Take the blue one.');
    expect(new Set(model.requests.map(({ threadId }) => threadId)).size).toBe(1);
    expect(record.turns[0]?.thread_id).toBe(asked.turns[0]?.thread_id);
    expect(record.turns[0]?.replies).toHaveLength(1);
    // Codex counts 400 for the thread; the earlier run has had its 200.
    expect(record.summary?.usage.input_tokens).toBe(200);
    expect(scene.commits()).toEqual(['TICKET-001 Part 1']);
  });

  test('a server error heals on the third try', async () => {
    await using scene = await startScene(
      (request) => (request.number <= 2 ? BROKEN : turn(request, markDone('TICKET-001'))),
      { sandbox },
    );
    writeTicket(scene.workspace, 1);
    const record = await runToEnd(scene.looper, {});
    expect(record).toMatchObject({
      outcome: 'succeeded',
      turns: [
        { outcome: 'network_error', exit_code: 1 },
        { outcome: 'network_error', exit_code: 1 },
        { outcome: 'finished', exit_code: 0 },
      ],
    });
    expect(scene.model.requests[2]?.prompt).toContain('TICKET-001');
  });

  test('after a usage limit the autopoll waits for its end, then finishes the work', async () => {
    // Codex names the minute; the limit ends somewhere in it.
    const resetsAt = new Date(Math.ceil((Date.now() + 2 * HOUR_MS) / 60_000) * 60_000);
    await using stage = await setStage(
      (request) =>
        request.number === 1 ? usageLimit(resetsAt) : turn(request, markDone('TICKET-001')),
      { sandbox, env: { TZ: 'UTC' } },
    );
    writeTicket(stage.workspace, 1);
    let aheadMs = 0;
    const environment = looperEnvironment({ home: stage.place.home, env: stage.env });
    const daemon = await startDaemon({
      config: loadConfig({
        env: environment,
        looperDirectory,
        isClone: true,
        homeDirectory: homedir(),
        currentDirectory: stage.place.home,
        temporaryDirectory: tmpdir(),
      }),
      version: readVersion(looperDirectory),
      looperDirectory,
      runnerEntry: join(looperDirectory, 'dist/runner.js'),
      environment,
      now: () => Date.now() + aheadMs,
    });
    const latestEnded = (): Promise<RunRecord> =>
      waitFor('the latest run to end', async () => {
        const response = await fetch(`${daemon.url}/runs/latest`);
        const { run } = (await response.json()) as { run: RunRecord };
        const current = await fetch(`${daemon.url}/runs/current`);
        return run.status === 'finished' && current.status === 404 ? run : null;
      });
    try {
      expect(await daemon.autopoll.tick()).toEqual({ kind: 'start' });
      const limited = await latestEnded();
      expect(limited).toMatchObject({ trigger: 'autopoll', outcome: 'usage_limited' });
      const lateMs = Date.parse(limited.resets_at ?? '') - resetsAt.getTime();
      expect(lateMs).toBeGreaterThanOrEqual(0);
      expect(lateMs).toBeLessThanOrEqual(60_000);

      aheadMs = HOUR_MS;
      expect(await daemon.autopoll.tick()).toMatchObject({
        kind: 'skip',
        reason: 'usage_limited',
        detail: expect.stringContaining(limited.resets_at ?? '') as string,
      });
      expect(stage.model.requests).toHaveLength(1);

      aheadMs = 2 * HOUR_MS + 120_000;
      expect(await daemon.autopoll.tick()).toEqual({ kind: 'start' });
      expect(await latestEnded()).toMatchObject({
        trigger: 'autopoll',
        outcome: 'succeeded',
        summary: { tickets_done: ['TICKET-001.md'], tickets_left: 0 },
      });
      expect(daemon.autopoll.status()).toMatchObject({ failures: 0, runs_today: 2 });
    } finally {
      await daemon.stop();
    }
  });
});
