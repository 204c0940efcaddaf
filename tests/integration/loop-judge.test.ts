import { describe, expect, test } from 'vitest';
import {
  endEvent,
  finishing,
  resumed,
  run,
  sharedLooper,
  ticketText,
  workspace,
} from '../support/ticket-runs.ts';

const looper = sharedLooper();

describe('what a turn leaves of its ticket', () => {
  test('a finished ticket is committed and the next one begins a thread of its own', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'First', 'TICKET-002-two': 'Second' },
      turns: [finishing('one.txt'), finishing('two.txt', { usage: { input_tokens: 7 } })],
    });
    const record = await run(looper(), work);

    expect(record).toMatchObject({
      outcome: 'succeeded',
      reason: 'Every ticket is done.',
      question: null,
      changed: true,
      summary: {
        tickets_done: ['TICKET-001.md', 'TICKET-002-two.md'],
        tickets_waiting: [],
        tickets_left: 0,
        turns: 2,
        warnings: [],
        usage: { input_tokens: 107, output_tokens: 40 },
        usage_by_ticket: {
          '.looper/tickets/TICKET-001.md': { input_tokens: 100 },
          '.looper/tickets/TICKET-002-two.md': { input_tokens: 7 },
        },
      },
    });
    expect(record.turns.map(({ outcome }) => outcome)).toEqual(['finished', 'finished']);
    expect(work.commits()).toEqual(['First', 'Second']);
    expect(record.summary?.commits).toHaveLength(2);
    expect(work.filesOf(0)).toEqual(['one.txt']);
    const [first, second] = work.calls();
    expect([resumed(first!), resumed(second!)]).toEqual([null, null]);
    expect(first?.env['LOOPER_TICKET']).toBe('.looper/tickets/TICKET-001.md');
    expect(second?.prompt).toContain('done: false');
    expect(second?.prompt).toContain('<previous_ticket');
    expect((await endEvent(record))['summary']).toEqual(record.summary);
  });

  test('an unfinished ticket continues its own thread; sandbox and -C stand before resume', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Long' },
      turns: [
        { threadId: 'thread-a', steps: [{ do: 'write', path: 'x', text: '1' }] },
        { steps: [{ do: 'write', path: 'x', text: '2' }] },
        finishing('y'),
      ],
    });
    const record = await run(looper(), work);

    expect(record.outcome).toBe('succeeded');
    expect(record.turns.map(({ outcome }) => outcome)).toEqual([
      'unfinished',
      'unfinished',
      'finished',
    ]);
    expect(record.turns.map(({ thread_id }) => thread_id)).toEqual(
      Array.from({ length: 3 }, () => 'thread-a'),
    );
    // Codex counts per thread: the record holds what each turn has used.
    expect(record.turns.map(({ usage }) => usage?.input_tokens)).toEqual([100, 100, 100]);
    const [, second] = work.calls();
    const { argv, prompt } = second!;
    const at = argv.indexOf('resume');
    expect(argv.slice(at)).toEqual(['resume', 'thread-a', '-']);
    expect(argv.indexOf('--sandbox')).toBeLessThan(at);
    expect(argv.slice(argv.indexOf('-C'), at)[1]).toBe(work.path);
    expect(prompt).toContain('is not done yet: go on where you stopped');
    expect(prompt).not.toContain('<ticket_file');
    expect(prompt).toContain('turn 2 of at most 10 for this ticket, 2 of at most 50 in this run');
    expect(work.commits()).toEqual(['Long']);
    expect(work.filesOf(0)).toEqual(['x', 'y']);
  });

  test('a review that changes nothing but its own done on the second turn is finished', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Review' },
      turns: [{}, { steps: [{ do: 'ticket' }] }],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'succeeded', summary: { turns: 2, commits: [] } });
    expect(work.commits()).toEqual([]);
  });

  test('two turns in a row without a change are no progress, with the last message (row 53)', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Stuck', 'TICKET-002': 'Next' },
      turns: [
        { steps: [{ do: 'write', path: 'x', text: '1' }] },
        { message: 'thinking' },
        { message: 'I cannot find it' },
      ],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({
      outcome: 'no_progress',
      reason: expect.stringContaining('I cannot find it') as string,
      changed: true,
      summary: { turns: 3, tickets_done: [], tickets_left: 2 },
    });
  });

  test('a run that changed nothing says so', async () => {
    const work = workspace({ tickets: { 'TICKET-001': 'Stuck' }, turns: [{}] });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'no_progress', changed: false });
  });

  test('a broken ticket is repaired on its own thread', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Breaks' },
      turns: [
        { threadId: 'thread-b', steps: [{ do: 'write', path: TICKET, text: BROKEN }] },
        { steps: [{ do: 'write', path: TICKET, text: ticketText({ done: true }) }] },
      ],
    });
    const record = await run(looper(), work);
    expect(record.outcome).toBe('succeeded');
    expect(record.turns.map(({ outcome }) => outcome)).toEqual(['broken_ticket', 'finished']);
    const [, repair] = work.calls();
    expect(resumed(repair!)).toBe('thread-b');
    expect(repair?.prompt).toContain('can no longer be read as a ticket');
    expect(repair?.prompt).toContain('request 1 of 3');
  });

  test('three repairs that fail are a question to a person', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Breaks' },
      turns: [{ steps: [{ do: 'write', path: TICKET, text: BROKEN }] }],
    });
    const record = await run(looper(), work);
    expect(record.outcome).toBe('waiting');
    expect(record.turns).toHaveLength(4);
    expect(record.question).toMatchObject({ ticket: 'TICKET-001.md' });
    expect(record.question?.title).toContain('still broken');
    expect(record.summary?.tickets_waiting).toEqual(['TICKET-001.md']);
  });

  test('a ticket that its agent renames keeps its baseline; one that it deletes is passed over', async () => {
    const renamed = '.looper/tickets/TICKET-001-better-name.md';
    const work = workspace({
      tickets: { 'TICKET-001': 'Renamed', 'TICKET-002': 'Deleted', 'TICKET-003': 'Last' },
      turns: [
        {
          steps: [
            { do: 'write', path: 'early.txt', text: 'x' },
            { do: 'delete', path: TICKET },
            { do: 'write', path: renamed, text: ticketText({ title: 'Renamed' }) },
          ],
        },
        finishing('late.txt'),
        { steps: [{ do: 'delete', path: '.looper/tickets/TICKET-002.md' }] },
        finishing('last.txt'),
      ],
    });
    const record = await run(looper(), work);
    expect(record.outcome).toBe('succeeded');
    expect(work.commits()).toEqual(['Renamed', 'Last']);
    expect(work.filesOf(0)).toEqual(['early.txt', 'late.txt']);
  });

  test('tickets that the agent adds while it works are done in the same run', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'First' },
      turns: [
        {
          steps: [
            { do: 'write', path: '.looper/tickets/TICKET-010-more.md', text: ticketText({}) },
            { do: 'ticket' },
          ],
        },
        { steps: [{ do: 'ticket' }] },
      ],
    });
    const record = await run(looper(), work);
    expect(record.summary?.tickets_done).toEqual(['TICKET-001.md', 'TICKET-010-more.md']);
  });

  test('a tickets folder that the agent removes is a question, not a crash', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Breaks' },
      turns: [{ steps: [{ do: 'delete', path: '.looper' }] }],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'waiting', question: { ticket: 'TICKET-001.md' } });
    expect(record.reason).toContain('Cannot list the tickets');
  });
});

describe('what stands in the way of the next ticket', () => {
  test.each([
    ['a broken file', '---\ndone: maybe\n---\n', 'TICKET-002.md cannot be read as a ticket'],
    ['an unknown agent', ticketText({ agent: 'opencode' }), 'asks for the agent "opencode"'],
    ['a gate', ticketText({ agent: 'user', title: 'Look' }), 'waits for a person: Look'],
    [
      'a required file that is missing',
      ticketText({ context: [{ path: 'no.md', required: true }] }),
      'needs a file',
    ],
  ])('%s: the one before it is done, the run waits and names it', async (_what, text, title) => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Good', 'TICKET-002': text, 'TICKET-003': 'Later' },
      turns: [finishing('one.txt')],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({
      outcome: 'waiting',
      question: { ticket: 'TICKET-002.md' },
      summary: {
        tickets_done: ['TICKET-001.md'],
        tickets_waiting: ['TICKET-002.md'],
        tickets_left: 2,
      },
    });
    expect(record.question?.title).toContain(title);
    expect(work.commits()).toEqual(['Good']);
    expect(work.calls()).toHaveLength(1);
  });

  test('two tickets of one number: neither runs', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Good', 'TICKET-002-a': 'One', 'TICKET-002-b': 'Other' },
      turns: [finishing('one.txt')],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'waiting', question: { ticket: 'TICKET-002-a.md' } });
    expect(work.calls()).toHaveLength(1);
  });

  test('a first ticket that nobody can start is refused before anything is stopped', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': ticketText({ agent: 'user', title: 'Look' }) },
      turns: [{}],
    });
    const answer = await looper().post('/run', { zulip_message: 'go', workspace: work.path });
    expect(answer.status).toBe(422);
    expect(String(answer.body['error'])).toContain('TICKET-001.md waits for a person: Look');
    expect(work.calls()).toEqual([]);
  });
});

const TICKET = '.looper/tickets/TICKET-001.md';
const BROKEN = '---\ndone: [\n---\nOops\n';
