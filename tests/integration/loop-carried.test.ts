import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import type { TurnScenario } from '../support/fake-codex.ts';
import { person } from '../support/git-repo.ts';
import {
  eventsOf,
  finishing,
  resumed,
  run,
  setScenario,
  sharedLooper,
  ticketText,
  trigger,
  workspace,
  type Workspace,
  ended,
} from '../support/ticket-runs.ts';
import { waitFor } from '../support/wait-for.ts';

const looper = sharedLooper({ LOOPER_KILL_GRACE_SECONDS: '1' });

/** Works and never ends its turn. */
const hanging = (file: string, thread = 'thread-h'): TurnScenario => ({
  threadId: thread,
  steps: [
    { do: 'write', path: file, text: 'x' },
    { do: 'write', path: '.looper/reached' },
    { do: 'hang' },
  ],
});

async function reached(work: Workspace): Promise<void> {
  await waitFor('the agent to work', () =>
    readdirSync(join(work.path, '.looper')).includes('reached'),
  );
}

async function killRunner(runId: string): Promise<RunRecord> {
  const { runner } = await looper().record(runId);
  process.kill(runner?.pid ?? 0, 'SIGKILL');
  return ended(looper(), runId);
}

describe('a ticket that its run did not finish', () => {
  test('replaced in the middle of a turn: its own thread, its own baseline, its own tokens', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [{ threadId: 'thread-h', steps: [{ do: 'write', path: 'a1' }] }, hanging('a2')],
    });
    work.write('wip.txt', 'mine');
    const first = await trigger(looper(), work);
    await reached(work);
    setScenario(work, [finishing('a3')]);
    const record = await run(looper(), work);

    expect(await looper().record(first)).toMatchObject({ outcome: 'replaced' });
    const third = work.calls()[2]!;
    expect(resumed(third)).toBe('thread-h');
    expect(third.prompt).toContain('go on where you stopped');
    expect(record.turns.map(({ usage }) => usage?.input_tokens)).toEqual([100]);
    expect(record.summary).toMatchObject({ usage: { input_tokens: 100 } });
    expect(work.commits()).toEqual(['One']);
    expect(work.filesOf(0)).toEqual(['a1', 'a2', 'a3']);
  });

  test('its runner killed in its first turn: thread and baseline come from the files', async () => {
    const work = workspace({ tickets: { 'TICKET-001': 'One' }, turns: [hanging('a1')] });
    work.write('wip.txt', 'mine');
    const first = await trigger(looper(), work);
    await reached(work);
    expect(await killRunner(first)).toMatchObject({ outcome: 'lost' });
    setScenario(work, [finishing('a2')]);
    expect(await run(looper(), work)).toMatchObject({ outcome: 'succeeded' });
    expect(resumed(work.calls()[1]!)).toBe('thread-h');
    expect(work.filesOf(0)).toEqual(['a1', 'a2']);
    expect(work.status()).toContain('?? wip.txt');
  });

  test('a turn that never began leaves nothing: the next run takes a new baseline', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      turns: [{ session: false, exitCode: 1 }, finishing('a1')],
    });
    expect((await run(looper(), work)).outcome).toBe('failed');
    work.write('wip.txt', 'mine');
    expect((await run(looper(), work)).outcome).toBe('succeeded');
    const second = work.calls()[1]!;
    expect(resumed(second)).toBeNull();
    expect(second.prompt).not.toContain('Earlier turns');
    expect(work.filesOf(0)).toEqual(['a1']);
  });

  test('a ticket that a person puts before it waits for neither thread nor baseline', async () => {
    const work = workspace({ tickets: { 'TICKET-005': 'Five' }, turns: [hanging('five-a')] });
    const first = await trigger(looper(), work);
    await reached(work);
    await killRunner(first);
    work.write('.looper/tickets/TICKET-003.md', ticketText({ title: 'Three' }));
    setScenario(work, [finishing('three'), finishing('three'), finishing('five-b')]);
    const record = await run(looper(), work);
    expect(record.outcome).toBe('succeeded');
    expect(work.commits()).toEqual(['Three', 'Five']);
    expect(work.filesOf(0)).toEqual(['three']);
    expect(work.filesOf(1)).toEqual(['five-a', 'five-b']);
    expect(work.calls()[2]?.prompt).toContain('Earlier turns worked on this ticket');
  });

  test('finished by a person instead: the next run commits what its agent has changed', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [hanging('one.txt')],
    });
    const first = await trigger(looper(), work);
    await reached(work);
    await killRunner(first);
    work.write('.looper/tickets/TICKET-001.md', ticketText({ title: 'One', done: true }));
    setScenario(work, [finishing('two.txt')]);
    const record = await run(looper(), work);
    expect(record.summary).toMatchObject({ turns: 1, tickets_done: ['TICKET-002.md'] });
    expect(record.summary?.commits).toHaveLength(2);
    expect(work.commits()).toEqual(['One', 'Two']);
    expect(work.filesOf(0)).toEqual(['one.txt']);
  });

  test('a carry file that is garbage is set aside with a warning', async () => {
    const work = workspace({ tickets: { 'TICKET-001': 'One' }, turns: [hanging('a1')] });
    const first = await trigger(looper(), work);
    await reached(work);
    await killRunner(first);
    const folder = join(looper().logDirectory, 'workspaces');
    const own = readdirSync(folder).find((name) =>
      readFileSync(join(folder, name), 'utf8').includes(work.path),
    );
    const path = join(folder, own ?? '');
    const carried = JSON.parse(readFileSync(path, 'utf8')) as { tickets: Array<object> };
    carried.tickets = carried.tickets.map((ticket) => ({ ...ticket, thread_id: '--config=evil' }));
    writeFileSync(path, JSON.stringify(carried));
    setScenario(work, [finishing('a2')]);
    const record = await run(looper(), work);
    expect(record.outcome).toBe('succeeded');
    expect(resumed(work.calls()[1]!)).toBeNull();
    expect(record.summary?.warnings.join()).toContain('could not be understood');
    expect(readFileSync(`${path}.unreadable`, 'utf8')).toContain('--config=evil');
  });
});

describe('a ticket that was done when its runner died', () => {
  const done: TurnScenario = {
    threadId: 'thread-h',
    steps: [
      { do: 'write', path: 'one.txt', text: '1' },
      { do: 'ticket' },
      { do: 'write', path: '.looper/reached' },
      { do: 'hang' },
    ],
  };

  test('is committed, and not done twice', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [done],
    });
    const first = await trigger(looper(), work);
    await reached(work);
    await killRunner(first);
    setScenario(work, [finishing('two.txt')]);
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'succeeded', summary: { turns: 1 } });
    expect(work.commits()).toEqual(['One', 'Two']);
    expect(work.filesOf(0)).toEqual(['one.txt']);
    const tickets = work.calls().map(({ env }) => env['LOOPER_TICKET']?.slice(-6));
    expect(tickets).toEqual(['001.md', '002.md']);
  });

  test('is committed without a next run too, where it was the last one', async () => {
    const work = workspace({ tickets: { 'TICKET-001': 'One' }, turns: [done] });
    const first = await trigger(looper(), work);
    await reached(work);
    await killRunner(first);
    await waitFor('the commit', () => work.commits().length > 0);
    expect(work.commits()).toEqual(['One']);
    expect(person(work.place, work.path, 'log', '-1', '--format=%b')).toContain(first);
  });

  test('is not committed again when the commit was made already', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [done],
    });
    const first = await trigger(looper(), work);
    await reached(work);
    // As if the runner had died right after its commit, and a person had gone on since.
    const message = `One\n\nTicket: TICKET-001\nLooper-Run: ${first}\n`;
    person(work.place, work.path, 'add', 'one.txt');
    person(work.place, work.path, 'commit', '--quiet', '-m', message);
    work.write('one.txt', 'a person goes on');
    await killRunner(first);
    setScenario(work, [finishing('two.txt')]);
    await run(looper(), work);
    expect(work.commits()).toEqual(['One', 'Two']);
    expect(work.filesOf(1)).toEqual(['two.txt']);
    expect(work.read('one.txt')).toBe('a person goes on');
  });

  test('stopped by a person right then: the same', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [done],
    });
    const first = await trigger(looper(), work);
    await reached(work);
    await looper().post(`/runs/${first}/stop`);
    expect(await looper().record(first)).toMatchObject({ outcome: 'stopped', question: null });
    setScenario(work, [finishing('two.txt')]);
    const record = await run(looper(), work);
    expect(work.commits()).toEqual(['One', 'Two']);
    expect(eventsOf(record, 'turn_started')).toHaveLength(1);
  });
});
