import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import type { FakeCall } from '../support/fake-codex.ts';
import { person } from '../support/git-repo.ts';
import {
  eventsOf,
  setScenario,
  sharedLooper,
  trigger,
  workspace,
  type Workspace,
  ended,
} from '../support/ticket-runs.ts';
import { waitFor } from '../support/wait-for.ts';

const looper = sharedLooper({ LOOPER_KILL_GRACE_SECONDS: '1' });

const TICKETS = ['TICKET-001', 'TICKET-002', 'TICKET-003', 'TICKET-004'];
/** From the order to the last ticket a run takes about this long. */
const RUN_MS = 900;
/** From the end of a turn to the next one. */
const AFTER_EVENT_MS = 250;
const KILLS = 6;

/** The same numbers for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ticketOf = ({ env }: FakeCall): string => env['LOOPER_TICKET']?.slice(-13, -3) ?? '';

test.each([1, 2])(
  'a runner killed at any moment loses and repeats nothing (row 34, seed %i)',
  async (seed) => {
    const random = randomFrom(seed);
    const work = workspace({
      tickets: Object.fromEntries(TICKETS.map((name) => [name, name])),
      turns: [
        {
          steps: [
            { do: 'write', path: 'work.txt', text: 'x', append: true },
            { do: 'sleep', ms: 30 },
            { do: 'write', path: 'work.txt', text: 'y', append: true },
            { do: 'ticket' },
            { do: 'sleep', ms: 30 },
          ],
        },
      ],
    });
    work.write('wip.txt', 'mine');
    for (let kill = 0; kill < KILLS; kill += 1) {
      const runId = await startUnlessDone(work);
      if (runId === null) break;
      await chooseMoment(runId, random);
      const { outcome } = await killRunner(runId);
      expect(['lost', 'succeeded']).toContain(outcome);
    }
    const last = await startUnlessDone(work);
    if (last !== null) await ended(looper(), last);
    // The last commit is made up for when its run has its end already.
    await waitFor('a commit per ticket', () => work.commits().length >= TICKETS.length);

    // In order, and none again once the next one has begun.
    const worked = work.calls().map(ticketOf);
    expect(worked).toEqual([...worked].sort());
    expect(new Set(worked)).toEqual(new Set(TICKETS));
    for (const name of TICKETS) {
      expect(work.read(`.looper/tickets/${name}.md`)).toContain('done: true');
    }
    // One commit each, which holds all that its ticket has changed, and nothing of the person's.
    expect(work.commits()).toEqual(TICKETS);
    expect(TICKETS.flatMap((_name, index) => work.filesOf(index))).toEqual(
      TICKETS.map(() => 'work.txt'),
    );
    expect(
      work
        .status()
        .split('\n')
        .filter((line) => !line.includes('.looper/')),
    ).toEqual(['?? wip.txt']);
    expect(person(work.place, work.path, 'fsck', '--no-dangling')).toBe('');
  },
);

test.each([3])('an answer arrives once, whenever runners die (seed %i)', async (seed) => {
  const random = randomFrom(seed);
  const work = workspace({
    tickets: { 'TICKET-001': 'One' },
    turns: [
      {
        threadId: 'thread-q',
        steps: [
          { do: 'write', path: 'x' },
          { do: 'outbox', mode: 'pause', title: 'Which?' },
        ],
      },
    ],
  });
  const asked = await ended(looper(), await trigger(looper(), work));
  setScenario(work, [
    {
      steps: [
        { do: 'sleep', ms: 100 },
        { do: 'write', path: 'x', append: true },
      ],
    },
  ]);
  const answer = await looper().post(`/runs/${asked.run_id}/reply`, { text: 'Take B.' });
  const runs = [String(answer.body['run_id'])];
  for (let kill = 0; kill < 5; kill += 1) {
    await delay(random() * 200);
    expect((await killRunner(runs.at(-1) ?? '')).outcome).toBe('lost');
    runs.push(await trigger(looper(), work));
  }
  setScenario(work, [{ steps: [{ do: 'ticket' }] }]);
  expect((await ended(looper(), runs.at(-1) ?? '')).outcome).toBe('succeeded');

  // By the prompts and the logs alone: in every prompt until one has arrived, and in none after.
  let hasArrived = false;
  for (const runId of runs) {
    const { log_path, turns } = await looper().record(runId);
    const log = readFileSync(log_path);
    for (const [index, { log_start, log_end }] of turns.entries()) {
      const prompt = readFileSync(log_path.replace(/log$/, `turn${index + 1}.prompt`), 'utf8');
      expect(prompt.includes('Take B.')).toBe(!hasArrived);
      const said = log.subarray(log_start, log_end ?? undefined).toString();
      hasArrived ||= said.includes('"turn.started"');
    }
  }
  expect(hasArrived).toBe(true);
});

/** Null when every ticket is done. */
async function startUnlessDone(work: Workspace): Promise<string | null> {
  const { status, body } = await looper().post('/run', {
    zulip_message: 'go',
    workspace: work.path,
  });
  if (status === 422) return null;
  return typeof body['run_id'] === 'string' ? body['run_id'] : 'latest';
}

/** Any moment, or soon after a turn has begun or ended, when there is most to get wrong. */
async function chooseMoment(runId: string, random: () => number): Promise<void> {
  if (random() < 0.3) return delay(random() * RUN_MS);
  const type = random() < 0.3 ? 'turn_started' : 'turn_ended';
  const record = await looper().record(runId);
  await waitFor(
    `${type} or the end`,
    () => eventsOf(record).some((event) => event.type === type || event.type === 'end'),
    5_000,
    2,
  );
  return delay(random() * AFTER_EVENT_MS);
}

async function killRunner(runId: string): Promise<RunRecord> {
  const { runner, status } = await looper().record(runId);
  if (status !== 'finished' && runner !== null && isAlive(runner.pid)) {
    process.kill(runner.pid, 'SIGKILL');
  }
  return ended(looper(), runId);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
