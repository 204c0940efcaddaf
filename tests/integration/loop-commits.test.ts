import { describe, expect, test } from 'vitest';
import { describeEnd } from '../../src/run/describe-run.ts';
import type { TurnScenario } from '../support/fake-codex.ts';
import { person } from '../support/git-repo.ts';
import {
  finishing,
  reply,
  run,
  setScenario,
  sharedLooper,
  ticketText,
  workspace,
  type Workspace,
} from '../support/ticket-runs.ts';

describe('LOOPER_COMMIT=looper', () => {
  const looper = sharedLooper();

  test('one commit per ticket, with title and id, of what was not dirty before it', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': ticketText({ title: 'Add: a "thing"', ticket_id: 'THING-1' }) },
      turns: [
        {
          steps: [
            { do: 'write', path: 'new.txt', text: 'n' },
            { do: 'write', path: 'theirs.txt', text: 'agent' },
            { do: 'ticket' },
          ],
        },
      ],
      files: { 'theirs.txt': 't\n', 'mine.txt': 'm\n' },
    });
    work.write('theirs.txt', 'work in progress\n');
    work.write('mine.txt', 'work in progress\n');
    work.write('untracked.txt', 'mine too\n');
    const record = await run(looper(), work);

    expect(work.commits()).toEqual(['Add: a "thing"']);
    expect(work.filesOf(0)).toEqual(['new.txt']);
    const body = person(work.place, work.path, 'log', '-1', '--format=%b');
    expect(body).toContain('Ticket: THING-1');
    expect(body).toContain(`Looper-Run: ${record.run_id}`);
    expect(record.summary?.warnings).toEqual([
      'THING-1: theirs.txt was not committed: it was not committed when the ticket began, and has changed since.',
    ]);
    expect(describeEnd(record, false)).toContain('Warning: THING-1: theirs.txt was not committed');
    expect(work.read('mine.txt')).toBe('work in progress\n');
    expect(work.status()).toContain('?? untracked.txt');
  });

  test('what one ticket left alone is not the next one’s', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [finishing('wip.txt'), finishing('two.txt')],
    });
    work.write('wip.txt', 'mine\n');
    await run(looper(), work);
    expect(work.commits()).toEqual(['Two']);
    expect(work.filesOf(0)).toEqual(['two.txt']);
  });

  test('a tracked ticket goes into its commit; nothing else of .looper does', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One' },
      trackTickets: true,
      turns: [
        {
          steps: [
            { do: 'write', path: 'one.txt' },
            { do: 'write', path: '.looper/notes.md', text: 'x' },
            { do: 'ticket' },
          ],
        },
      ],
    });
    await run(looper(), work);
    expect(work.filesOf(0)).toEqual(['.looper/tickets/TICKET-001.md', 'one.txt']);
  });

  test('a ticket whose front matter is odd but says done is committed under its old title', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'Odd' },
      turns: [
        {
          steps: [
            { do: 'write', path: 'one.txt' },
            { do: 'write', path: TICKET, text: '---\ndone: true\ncontext: 5\n---\n' },
          ],
        },
      ],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'succeeded', summary: { tickets_left: 0 } });
    expect(work.commits()).toEqual(['Odd']);
  });

  test('a merge under way: nothing is committed, and the summary says so', async () => {
    const work = workspace({ tickets: { 'TICKET-001': 'One' }, turns: [finishing('one.txt')] });
    work.write('.git/MERGE_HEAD', `${person(work.place, work.path, 'rev-parse', 'HEAD')}\n`);
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'succeeded', summary: { commits: [] } });
    expect(record.summary?.warnings.join()).toContain('a merge is under way');
  });

  test('without a repository nothing is committed, and nobody is warned', async () => {
    const work = workspace({
      git: false,
      tickets: { 'TICKET-001': 'One' },
      turns: [{ steps: [{ do: 'write', path: 'x' }] }, finishing('y')],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({ outcome: 'succeeded', changed: true });
    expect(record.summary).toMatchObject({ turns: 2, commits: [], warnings: [] });
    expect(work.calls()[0]?.prompt).toContain('no git repository');
  });
});

describe('LOOPER_COMMIT=agent', () => {
  const looper = sharedLooper({ LOOPER_COMMIT: 'agent' });

  /** The agent commits by a person's hands, while it waits for them. */
  const commitAsAgent = (work: Workspace, message: string): void => {
    person(work.place, work.path, 'add', '--all', ':!.looper');
    person(work.place, work.path, 'commit', '--quiet', '-m', message);
  };

  test('is asked to commit what it left, at most twice; then a person is', async () => {
    const work = workspace({
      tickets: { 'TICKET-001': 'One', 'TICKET-002': 'Two' },
      turns: [finishing('one.txt'), {}],
    });
    const record = await run(looper(), work);
    expect(record).toMatchObject({
      outcome: 'waiting',
      question: { ticket: 'TICKET-001.md' },
      summary: { turns: 3, tickets_done: ['TICKET-001.md'], tickets_left: 1 },
    });
    expect(record.reason).toContain('one.txt');
    expect(record.turns.map(({ outcome }) => outcome)).toEqual(Array(3).fill('uncommitted'));
    const [first, second] = work.calls();
    expect(first?.prompt).toContain('Commit your work yourself');
    expect(first?.argv).toContain(`${work.path}/.git`);
    expect(second?.prompt).toContain('"one.txt"');

    commitAsAgent(work, 'TICKET-001 by hand');
    setScenario(work, [finishing('two.txt')]);
    const next = await reply(looper(), record.run_id, 'Committed.');
    expect(next.summary?.warnings.join()).not.toContain('TICKET-001');
  });

  test('a commit by somebody else counts; earlier dirt does not', async () => {
    const done: TurnScenario = {
      steps: [
        { do: 'write', path: 'one.txt' },
        { do: 'ticket' },
        { do: 'write', path: '.looper/ready' },
        { do: 'wait', path: '.looper/go' },
      ],
    };
    const work = workspace({ tickets: { 'TICKET-001': 'One' }, turns: [done] });
    work.write('a.txt', 'mine\n');
    const ended = run(looper(), work);
    await expect.poll(() => work.calls().length && exists(work, '.looper/ready')).toBe(true);
    person(work.place, work.path, 'add', 'one.txt');
    person(work.place, work.path, 'commit', '--quiet', '-m', 'TICKET-001 One');
    work.write('.looper/go', '');
    const record = await ended;
    expect(record).toMatchObject({ outcome: 'succeeded', summary: { turns: 1 } });
    expect(record.summary?.commits).toHaveLength(1);
  });
});

describe('other settings', () => {
  const off = sharedLooper({ LOOPER_COMMIT: 'off', LOOPER_TICKETS_DIR: 'docs/tickets' });

  test('off: nothing is committed; LOOPER_TICKETS_DIR: tickets lie elsewhere', async () => {
    const work = workspace({
      folder: 'docs/tickets',
      tickets: { 'TICKET-001': 'One' },
      turns: [finishing('one.txt')],
    });
    const record = await run(off(), work);
    expect(record).toMatchObject({ outcome: 'succeeded', summary: { commits: [], warnings: [] } });
    expect(work.commits()).toEqual([]);
    expect(work.calls()[0]?.env['LOOPER_TICKET']).toBe('docs/tickets/TICKET-001.md');
    expect(work.status()).toContain('one.txt');
  });

  const plain = sharedLooper();
  test('a CAR pack runs as it is; its contextspace is in the prompt', async () => {
    const work = workspace({
      folder: '.codex-autorunner/tickets',
      tickets: {
        'TICKET-999': ticketText({ title: 'Early', profile: 'fast', x: [1] }),
        'TICKET-1000-late': ticketText({ title: 'Late' }),
      },
      turns: [finishing('one.txt'), finishing('two.txt')],
    });
    work.write('.codex-autorunner/contextspace/spec.md', 'The spec says so.');
    const record = await run(plain(), work);
    expect(record.outcome).toBe('succeeded');
    expect(work.commits()).toEqual(['Early', 'Late']);
    expect(work.calls()[0]?.prompt).toContain('The spec says so.');
    expect(work.read('.codex-autorunner/tickets/TICKET-999.md')).toContain('profile: "fast"');
  });
});

const TICKET = '.looper/tickets/TICKET-001.md';

function exists(work: Workspace, path: string): boolean {
  try {
    work.read(path);
    return true;
  } catch {
    return false;
  }
}
