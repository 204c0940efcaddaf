import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeEnd } from '../../src/run/describe-run.ts';
import type { TurnScenario } from '../support/fake-codex.ts';
import {
  eventsOf,
  finishing,
  reply,
  resumed,
  run,
  setScenario,
  sharedLooper,
  ticketText,
  trigger,
  workspace,
  ended,
} from '../support/ticket-runs.ts';
import { waitFor } from '../support/wait-for.ts';

const looper = sharedLooper({ LOOPER_KILL_GRACE_SECONDS: '1' });

const asking = (more: Partial<TurnScenario> = {}): TurnScenario => ({
  threadId: 'thread-q',
  steps: [
    { do: 'write', path: 'x', text: '1' },
    { do: 'outbox', mode: 'pause', title: 'Which port?', text: 'A or B?' },
  ],
  ...more,
});

describe('messages of the agent', () => {
  test('are taken and archived while the turn runs, attachments too', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [
        {
          steps: [
            { do: 'outbox', title: 'Found it', text: 'In b.c', files: { 'shot.txt': 'pixels' } },
            { do: 'wait', path: 'seen' },
            { do: 'ticket' },
          ],
        },
      ],
    });
    const runId = await trigger(looper(), work);
    const record = await looper().record(runId);
    const [message] = await waitFor('the message', () => {
      const found = eventsOf(record, 'message');
      return found.length > 0 ? found : null;
    });
    expect((await looper().record(runId)).status).toBe('running');
    expect(message).toMatchObject({ number: 1, title: 'Found it', text: 'In b.c' });
    work.write('seen', '');
    expect(await ended(looper(), runId)).toMatchObject({ outcome: 'succeeded', question: null });
    const archive = record.log_path.replace(/\.log$/, '.messages/0001');
    expect(readFileSync(`${archive}/files/01-shot.txt`, 'utf8')).toBe('pixels');
    expect(existsSync(`${work.path}/.looper/outbox/${runId}`)).toBe(false);
  });

  test('a question ends the run after its turn; later tickets wait', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [asking()],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({
      outcome: 'waiting',
      reason: 'Which port?',
      question: { ticket: 'TICKET-001.md', title: 'Which port?', text: 'A or B?' },
      summary: { tickets_waiting: ['TICKET-001.md'], tickets_left: 2, turns: 1 },
    });
    expect(eventsOf(record, 'question')[0]).toMatchObject({ title: 'Which port?' });
    expect(describeEnd(record, false)).toContain('It asks: Which port?\nA or B?');
    expect(work.calls()).toHaveLength(1);
  });

  test('a question of a ticket that is done all the same: committed, then waiting', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [{ steps: [...(asking().steps ?? []), { do: 'ticket' }] }],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'waiting', question: { title: 'Which port?' } });
    expect(work.commits()).toEqual(['One']);
  });
});

describe('answers of people', () => {
  test('continue the same thread, and stand in its prompt exactly once', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [asking(), { steps: [{ do: 'write', path: 'x', text: '2' }] }, finishing('y')],
    });
    const asked = await run(looper(), work);
    const record = await reply(looper(), asked.run_id, 'Take B.');

    expect(record).toMatchObject({ outcome: 'succeeded', trigger: 'reply' });
    const [, second, third] = work.calls();
    expect([resumed(second!), resumed(third!)]).toEqual(['thread-q', 'thread-q']);
    expect(second?.prompt).toContain('Take B.');
    expect(third?.prompt).not.toContain('Take B.');
    expect(record.turns.map(({ replies }) => replies)).toEqual([[`${asked.run_id}/0001.md`], []]);
    expect(eventsOf(asked, 'reply')).toHaveLength(1);
    // The question before and the work after are one commit.
    expect(work.filesOf(0)).toEqual(['x', 'y']);
  });

  test('are shown again in a fresh thread', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [
        asking(),
        { steps: [{ do: 'fail', message: 'Codex ran out of room in the model’s context' }] },
        finishing('y', { threadId: 'thread-r' }),
      ],
    });
    const asked = await run(looper(), work);
    expect((await reply(looper(), asked.run_id, 'Take B.')).outcome).toBe('succeeded');
    const [, second, third] = work.calls();
    expect(second?.prompt).toContain('Take B.');
    expect(resumed(third!)).toBeNull();
    expect(third?.prompt).toContain('Take B.');
  });

  test('survive a turn that never began', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [
        asking(),
        { session: false, steps: [{ do: 'err', text: 'no home\n' }], exitCode: 1 },
        {
          steps: [
            { do: 'write', path: 'x', text: '3' },
            { do: 'kill', signal: 'SIGKILL' },
          ],
        },
        finishing('y'),
      ],
    });
    const asked = await run(looper(), work);
    expect((await reply(looper(), asked.run_id, 'Take B.')).outcome).toBe('failed');
    // Begun, and cut off: the prompt has arrived.
    expect((await run(looper(), work)).outcome).toBe('failed');
    expect((await run(looper(), work)).outcome).toBe('succeeded');
    const shown = work.calls().map(({ prompt }) => prompt.includes('Take B.'));
    expect(shown).toEqual([false, true, true, false]);
  });

  test('that are sent again, because the start failed, are one answer', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [asking(), { exitCode: 3, session: false }, finishing('y')],
    });
    const asked = await run(looper(), work);
    await reply(looper(), asked.run_id, 'Take B.');
    const record = await reply(looper(), asked.run_id, 'Take B.');
    expect(record.outcome).toBe('succeeded');
    expect(work.calls()[2]?.prompt.split('Take B.')).toHaveLength(2);
    expect(readdirSync(asked.log_path.replace(/\.log$/, '.replies'))).toEqual(['0001.md']);
  });

  test('a blank answer, and one to a run that asks nothing, are refused', async () => {
    const work = workspace({ tickets: { 'TICKET-001': 'One' }, turns: [asking(), finishing('y')] });
    const { run_id: runId } = await run(looper(), work);
    expect((await looper().post(`/runs/${runId}/reply`, { text: '  ' })).status).toBe(400);
    const next = await reply(looper(), runId, 'B');
    expect((await looper().post(`/runs/${next.run_id}/reply`, { text: 'C' })).status).toBe(409);
  });

  test('open a gate, whose file keeps all else; the next ticket carries the answer', async () => {
    const gate = `${ticketText({ agent: 'user', title: 'Look', owner: 'Ada' }, 'Body.')}\n`;
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': gate, 'TICKET-003': 'Three' },
      turns: [finishing('one'), { steps: [{ do: 'write', path: 'x' }] }, finishing('three')],
    });
    const asked = await run(looper(), work);
    expect(asked).toMatchObject({ outcome: 'waiting', question: { ticket: 'TICKET-002.md' } });
    const record = await reply(looper(), asked.run_id, 'Looks good.');
    expect(record).toMatchObject({ outcome: 'succeeded', summary: { tickets_left: 0 } });
    expect(work.read('.looper/tickets/TICKET-002.md')).toBe(gate.replace('false', 'true'));
    const shown = work.calls().map(({ prompt }) => prompt.includes('Looks good.'));
    expect(shown).toEqual([false, true, false]);
  });

  test('a run that waits for another reason than a question can be answered as well', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [{ steps: [{ do: 'sandbox' }] }, finishing('y')],
    });
    const asked = await run(looper(), work);
    expect(asked.outcome).toBe('waiting');
    const record = await reply(looper(), asked.run_id, 'The sandbox is mended.');
    expect(record.outcome).toBe('succeeded');
    expect(work.calls()[1]?.prompt).toContain('The sandbox is mended.');
  });

  test('to a prompt run start its prompt again, with question and answer', async () => {
    const work = workspace({ tickets: {}, turns: [asking(), {}] });
    const asked = await run(looper(), work, { codex_prompt: 'Build the thing.' });
    expect(asked).toMatchObject({ mode: 'prompt', outcome: 'waiting' });
    const record = await reply(looper(), asked.run_id, 'Take B.');
    expect(record).toMatchObject({ mode: 'prompt', outcome: 'succeeded' });
    const prompt = work.calls()[1]?.prompt ?? '';
    for (const part of ['Build the thing.', 'Which port?', 'A or B?', 'Take B.']) {
      expect(prompt).toContain(part);
    }
  });
});

describe('a question that nobody answered', () => {
  test('a trigger runs its ticket again, on its thread, with a warning', async () => {
    const work = workspace({ tickets: { 'TICKET-001': 'One' }, turns: [asking(), finishing('y')] });
    const asked = await run(looper(), work);
    const record = await run(looper(), work);
    const second = work.calls()[1]!;
    expect(resumed(second)).toBe('thread-q');
    expect(second.prompt).toContain(`"Which port?" of run ${asked.run_id} was not answered`);
    expect(record.summary?.warnings.join()).toContain('Which port?');
  });

  test('one that its runner did not live to take is told of in the next run', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [asking({ steps: [...(asking().steps ?? []), { do: 'hang' }] })],
    });
    const runId = await trigger(looper(), work);
    await waitFor('the message', () =>
      existsSync(`${work.path}/.looper/outbox/${runId}/MESSAGE.md`),
    );
    const { runner } = await looper().record(runId);
    process.kill(runner?.pid ?? 0, 'SIGKILL');
    expect((await ended(looper(), runId)).outcome).toBe('lost');
    setScenario(work, [finishing('y')]);
    const record = await run(looper(), work);
    expect(record.outcome).toBe('succeeded');
    expect(work.calls()[1]?.prompt).toContain('"Which port? A or B?" of run');
    expect(existsSync(`${work.path}/.looper/outbox/${runId}/MESSAGE.md`)).toBe(false);
  });
});
