import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TURN_OUTCOMES, type RunQuestion } from '../../src/runs/record.ts';
import {
  MAX_COMMIT_REQUESTS,
  MAX_NETWORK_FAILURES,
  MAX_REPAIRS,
  nextStep,
  startState,
  type Finish,
  type JudgedTurn,
  type LoopEvent,
  type LoopLimits,
  type LoopState,
  type Selection,
  type Step,
} from '../../src/tickets/steps.ts';

const LIMITS: LoopLimits = { maxTurns: 50, maxTurnsPerTicket: 10 };
const ONE = 'TICKET-001.md';
const TWO = 'TICKET-002.md';
const RESET = '2026-03-01T18:00:00.000Z';
const QUESTION: RunQuestion = {
  ticket: ONE,
  title: 'Which database?',
  text: 'Old or new?',
  asked_at: '2026-03-01T10:00:00.000Z',
};

/** A turn that went well, changed something and left its ticket open, but for what is said. */
const ended = (fields: Partial<JudgedTurn> = {}): LoopEvent => ({
  kind: 'turn_ended',
  turn: {
    outcome: 'unfinished',
    message: 'Half of it is there.',
    ticketState: 'open',
    changed: true,
    threadId: 'thread-1',
    resetsAt: null,
    question: null,
    ...fields,
  },
});
const selected = (ticket: string): LoopEvent => ({
  kind: 'selected',
  selection: { kind: 'ticket', ticket },
});
const nothingLeft: LoopEvent = { kind: 'selected', selection: { kind: 'none' } };
const delayed: LoopEvent = { kind: 'delayed' };
const committed = (...uncommitted: string[]): LoopEvent => ({ kind: 'committed', uncommitted });

/** Ticket one's first turn is under way; these events happen; every step that comes of them. */
function stepsAfter(
  events: readonly LoopEvent[],
  limits = LIMITS,
  threadId: string | null = null,
): Step[] {
  let state = startState(ONE, threadId);
  return events.map((event) => {
    const next = nextStep(state, event, limits);
    state = next.state;
    return next.step;
  });
}

const lastStep = (...events: LoopEvent[]): Step | undefined => stepsAfter(events).at(-1);
const turn = (prompt: string, threadId: string | null = 'thread-1', ticket = ONE) => ({
  kind: 'turn',
  ticket,
  prompt,
  threadId,
});
const finish = (outcome: string, fields: Partial<Finish> = {}) => ({
  kind: 'finish',
  outcome,
  ...fields,
});
const commit = { kind: 'commit', ticket: ONE };
const select = { kind: 'select' };
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe('the order of checks after a turn', () => {
  test('1: a stop ends the run, whatever else the turn came to', () => {
    const stopped = ended({
      outcome: 'stopped',
      ticketState: 'done',
      question: QUESTION,
      message: 'The turn was stopped.',
    });
    expect(lastStep(stopped)).toMatchObject(finish('stopped', { reason: 'The turn was stopped.' }));
  });

  test.each(TURN_OUTCOMES.filter((outcome) => outcome !== 'stopped'))(
    '2: a done ticket is committed, after a turn that ended as %s too',
    (outcome) => {
      expect(lastStep(ended({ outcome, ticketState: 'done', changed: false }))).toEqual(commit);
    },
  );

  test('2: what its turn would have ended the run with is kept for after the commit', () => {
    const limited = ended({ outcome: 'usage_limited', ticketState: 'done', resetsAt: RESET });
    expect(stepsAfter([limited, committed(), selected(TWO)])).toEqual([
      commit,
      select,
      expect.objectContaining(finish('usage_limited', { resetsAt: RESET })),
    ]);
    expect(lastStep(limited, committed(), nothingLeft)).toMatchObject(finish('succeeded'));
  });

  test.each(['unfinished', 'network_error', 'usage_limited', 'auth_error', 'timed_out'] as const)(
    '3: a question ends the run as waiting, after a turn that ended as %s too',
    (outcome) => {
      for (const ticketState of ['open', 'broken', 'gone'] as const) {
        expect(lastStep(ended({ outcome, ticketState, question: QUESTION }))).toEqual(
          finish('waiting', { reason: 'Which database?', question: QUESTION, resetsAt: null }),
        );
      }
    },
  );

  test('3: a question beside a done ticket is asked after the commit, even when nothing is left', () => {
    const asked = ended({ ticketState: 'done', question: QUESTION });
    expect(stepsAfter([asked, committed(), nothingLeft])).toEqual([
      commit,
      select,
      expect.objectContaining(finish('waiting', { question: QUESTION })),
    ]);
  });

  test('4: a ticket that is gone is no reason to end: the next one is selected', () => {
    expect(stepsAfter([ended({ ticketState: 'gone' }), selected(TWO)])).toEqual([
      select,
      turn('first', null, TWO),
    ]);
    expect(lastStep(ended({ ticketState: 'gone' }), nothingLeft)).toMatchObject(
      finish('succeeded'),
    );
  });

  test('4: but a limit that was hit with it is', () => {
    const gone = ended({ ticketState: 'gone', outcome: 'usage_limited', resetsAt: RESET });
    expect(lastStep(gone, selected(TWO))).toMatchObject(
      finish('usage_limited', { resetsAt: RESET }),
    );
  });

  test.each([
    ['usage_limited', 'usage_limited'],
    ['auth_error', 'failed'],
    ['failed', 'failed'],
    ['sandbox_unusable', 'waiting'],
    ['log_limit', 'limit_reached'],
    ['stalled', 'stalled'],
    ['timed_out', 'timed_out'],
    ['spawn_failed', 'spawn_failed'],
  ] as const)('5: %s ends the run as %s, without asking for a repair first', (outcome, as) => {
    for (const ticketState of ['open', 'broken'] as const) {
      const step = lastStep(ended({ outcome, ticketState, message: 'No more.', resetsAt: RESET }));
      expect(step).toMatchObject(finish(as, { reason: 'No more.', question: null }));
    }
  });

  test('5: only a usage limit has a reset', () => {
    expect(lastStep(ended({ outcome: 'usage_limited', resetsAt: RESET }))).toMatchObject({
      resetsAt: RESET,
    });
    expect(lastStep(ended({ outcome: 'failed', resetsAt: RESET }))).toMatchObject({
      resetsAt: null,
    });
  });

  test('5: the network is waited for, ever longer, on the same thread', () => {
    const failed = ended({ outcome: 'network_error', message: 'stream disconnected' });
    expect(stepsAfter([failed, delayed, failed, delayed])).toEqual([
      { kind: 'delay', attempt: 1 },
      turn('continue'),
      { kind: 'delay', attempt: 2 },
      turn('continue'),
    ]);
    const attempts = times(MAX_NETWORK_FAILURES, [failed, delayed]).flat();
    expect(lastStep(...attempts.slice(0, -1))).toMatchObject(
      finish('failed', {
        reason: 'The model could not be reached 10 times in a row: stream disconnected',
      }),
    );
    const healed = [...attempts.slice(0, -2), ended()];
    expect(lastStep(...healed, failed)).toEqual({ kind: 'delay', attempt: 1 });
  });

  test('5: a network that fails is no turn', () => {
    const failed = ended({ outcome: 'network_error', changed: false });
    const limits = { maxTurns: 2, maxTurnsPerTicket: 2 };
    const steps = stepsAfter([failed, delayed, failed, delayed, ended(), ended()], limits);
    expect(steps.slice(3)).toEqual([
      turn('continue'),
      turn('continue'),
      expect.objectContaining(finish('limit_reached')),
    ]);
  });

  test('5: a network that fails before there is a thread opens one again', () => {
    const failed = ended({ outcome: 'network_error', threadId: null });
    expect(lastStep(failed, delayed)).toEqual(turn('again', null));
  });

  test('5: a lost thread is replaced, and is no turn', () => {
    const lost = ended({ outcome: 'resume_failed', threadId: null, changed: false });
    const limits = { maxTurns: 1, maxTurnsPerTicket: 1 };
    expect(stepsAfter([lost, ended()], limits, 'thread-0')).toEqual([
      turn('again', null),
      expect.objectContaining(finish('limit_reached')),
    ]);
  });

  test('5: a full context gets a fresh thread, once per ticket', () => {
    const full = ended({ outcome: 'context_overflow', message: 'codex ran out of room' });
    expect(stepsAfter([full, ended({ threadId: 'thread-2' }), full])).toEqual([
      turn('again', null),
      turn('continue', 'thread-2'),
      expect.objectContaining(
        finish('failed', {
          reason: 'The context overflowed in a fresh thread too: codex ran out of room',
        }),
      ),
    ]);
    const next = [full, ended({ ticketState: 'done' }), committed(), selected(TWO)];
    expect(lastStep(...next, full)).toEqual(turn('again', null, TWO));
  });

  test('6: a broken ticket is to be repaired, three times, then a person is asked', () => {
    const broken = ended({ ticketState: 'broken', message: 'line 3: done must be true or false' });
    expect(stepsAfter(times(MAX_REPAIRS + 1, broken))).toEqual([
      ...times(MAX_REPAIRS, turn('repair')),
      expect.objectContaining(
        finish('waiting', {
          reason:
            'TICKET-001.md is still broken after 3 requests to repair it: line 3: done must be true or false',
        }),
      ),
    ]);
    expect(lastStep(broken, ended())).toEqual(turn('continue'));
    expect(lastStep(broken, ended({ ticketState: 'done' }))).toEqual(commit);
  });

  test('6: a repair that the network kept from being heard is asked for again, and not counted', () => {
    const broken = ended({ ticketState: 'broken' });
    const unheard = ended({ ticketState: 'broken', outcome: 'network_error' });
    const steps = stepsAfter([broken, ...times(5, [unheard, delayed]).flat(), broken]);
    expect(steps.slice(-2)).toEqual([turn('repair'), turn('repair')]);
  });

  test('6: who repairs without changing anything is not stuck before the third request', () => {
    const broken = ended({ ticketState: 'broken', changed: false });
    expect(stepsAfter([broken, broken, broken])).toEqual(times(3, turn('repair')));
  });

  test('7: two turns in a row that change nothing end the run, with the last message', () => {
    const idle = ended({ changed: false, message: 'I cannot go on.' });
    expect(stepsAfter([idle, idle])).toEqual([
      turn('continue'),
      expect.objectContaining(
        finish('no_progress', {
          reason:
            'TICKET-001.md is not done, and 2 turns in a row changed nothing. The last one ended with: I cannot go on.',
        }),
      ),
    ]);
    expect(lastStep(idle, ended(), idle)).toEqual(turn('continue'));
  });

  test('7: a review that changes nothing but its own ticket, on the second turn, is finished', () => {
    const idle = ended({ changed: false });
    expect(lastStep(idle, ended({ ticketState: 'done', changed: false }))).toEqual(commit);
  });

  test('7: what cannot be told is not standing still', () => {
    expect(stepsAfter(times(5, ended({ changed: null })))).toEqual(times(5, turn('continue')));
  });

  test('7: the next ticket begins with a clean slate', () => {
    const idle = ended({ changed: false });
    const done = ended({ changed: false, ticketState: 'done' });
    expect(lastStep(idle, done, committed(), selected(TWO), idle)).toEqual(
      turn('continue', 'thread-1', TWO),
    );
  });

  test('8: otherwise the same ticket goes on, on its own thread', () => {
    expect(lastStep(ended())).toEqual(turn('continue'));
    expect(lastStep(ended({ threadId: null }))).toEqual(turn('again', null));
    expect(lastStep(ended(), ended({ threadId: null }))).toEqual(turn('continue'));
  });
});

describe('the caps', () => {
  test('of the ticket', () => {
    const steps = stepsAfter(times(3, ended()), { maxTurns: 50, maxTurnsPerTicket: 3 });
    expect(steps.at(-1)).toMatchObject(
      finish('limit_reached', {
        reason:
          'TICKET-001.md has had its 3 turns in this run (LOOPER_MAX_TURNS_PER_TICKET) and is not done.',
      }),
    );
  });

  test('of the run, over its tickets', () => {
    const limits = { maxTurns: 2, maxTurnsPerTicket: 10 };
    const done = ended({ ticketState: 'done' });
    const toTwo = [done, committed(), selected(TWO)];
    expect(stepsAfter([...toTwo, ended()], limits).slice(2)).toEqual([
      turn('first', null, TWO),
      expect.objectContaining(
        finish('limit_reached', {
          reason: 'The run has had its 2 turns (LOOPER_MAX_TURNS), and TICKET-002.md is not done.',
        }),
      ),
    ]);
    expect(stepsAfter([...toTwo, done, committed(), nothingLeft], limits).at(-1)).toMatchObject(
      finish('succeeded'),
    );
  });
});

describe('a selection', () => {
  test('opens a new ticket in a fresh thread', () => {
    const done = ended({ ticketState: 'done' });
    expect(lastStep(done, committed(), selected(TWO))).toEqual(turn('first', null, TWO));
  });

  test('of the same ticket goes on with it', () => {
    const done = ended({ ticketState: 'done' });
    expect(lastStep(done, committed(), selected(ONE))).toEqual(turn('continue'));
    expect(lastStep(ended({ ticketState: 'gone' }), selected(ONE))).toEqual(turn('continue'));
  });

  test('that no agent can move ends the run with the question', () => {
    const selection: Selection = { kind: 'blocked', question: { ...QUESTION, ticket: TWO } };
    const done = ended({ ticketState: 'done' });
    expect(lastStep(done, committed(), { kind: 'selected', selection })).toEqual(
      finish('waiting', { reason: QUESTION.title, question: selection.question, resetsAt: null }),
    );
  });

  test('that is empty is a success', () => {
    const done = ended({ ticketState: 'done' });
    expect(lastStep(done, committed(), nothingLeft)).toMatchObject(
      finish('succeeded', { reason: 'Every ticket is done.' }),
    );
  });
});

describe('a finished ticket that is not committed', () => {
  const done = ended({ ticketState: 'done' });
  const left = committed('src/a.ts', 'src/b\n.ts');
  const notCommitted =
    'TICKET-001.md is done, but its changes are not committed: src/a.ts, src/b\\u{a}.ts';

  test('is to be committed by its agent, twice, then a person is asked', () => {
    expect(stepsAfter([done, left, done, left, done, left])).toEqual([
      commit,
      turn('commit'),
      commit,
      turn('commit'),
      commit,
      expect.objectContaining(finish('waiting', { reason: notCommitted })),
    ]);
    expect(lastStep(done, left, done, committed())).toEqual(select);
  });

  test('names a few of many paths', () => {
    const many = committed(...Array.from({ length: 8 }, (_, n) => `f${n}`));
    const steps = stepsAfter([done, many, done, many, done, many]);
    expect(steps.at(-1)).toMatchObject({
      reason: expect.stringMatching(/: f0, f1, f2, f3, f4 and 3 more$/),
    });
  });

  test('keeps its question through the commit', () => {
    const asked = ended({ ticketState: 'done', question: QUESTION });
    expect(stepsAfter([asked, left, done, committed(), selected(TWO)])).toEqual([
      commit,
      turn('commit'),
      commit,
      select,
      expect.objectContaining(finish('waiting', { question: QUESTION })),
    ]);
    const unheard = ended({ ticketState: 'done', outcome: 'network_error' });
    const silence = times(MAX_NETWORK_FAILURES, [delayed, unheard, left]).flat().slice(1);
    expect(lastStep(asked, left, ...silence)).toMatchObject(
      finish('waiting', { question: QUESTION }),
    );
    expect(lastStep(asked, left, ended())).toMatchObject(finish('waiting', { question: QUESTION }));
    expect(lastStep(asked, left, done, left, done, left)).toMatchObject(
      finish('waiting', { question: QUESTION, reason: `Which database? (${notCommitted})` }),
    );
  });

  test('is not asked for when its turn ended the run: nobody could answer', () => {
    const limited = ended({
      ticketState: 'done',
      outcome: 'usage_limited',
      message: 'No more.',
      resetsAt: RESET,
    });
    expect(stepsAfter([limited, left])).toEqual([
      commit,
      finish('usage_limited', {
        reason: `No more. (${notCommitted})`,
        resetsAt: RESET,
        question: null,
      }),
    ]);
  });

  test('is not called unfinished when the caps leave no turn for it', () => {
    const steps = stepsAfter([done, left], { maxTurns: 1, maxTurnsPerTicket: 10 });
    expect(steps.at(-1)).toMatchObject(finish('waiting', { reason: notCommitted }));
  });

  test('is asked for again when the network kept it from being heard', () => {
    const unheard = ended({ ticketState: 'done', outcome: 'network_error' });
    const round = [unheard, left, delayed];
    expect(stepsAfter([done, left, ...times(3, round).flat()]).slice(1)).toEqual([
      turn('commit'),
      ...[1, 2, 3].flatMap((attempt) => [commit, { kind: 'delay', attempt }, turn('commit')]),
    ]);
    const given = [...times(MAX_NETWORK_FAILURES - 1, round).flat(), unheard, left];
    expect(lastStep(done, left, ...given)).toMatchObject(finish('failed'));
  });
});

describe('whatever the turns come to', () => {
  const tickets = [ONE, TWO, 'TICKET-003.md'] as const;
  const judged: fc.Arbitrary<JudgedTurn> = fc.record({
    outcome: fc.oneof(
      fc.constantFrom(...TURN_OUTCOMES),
      fc.constantFrom(
        'unfinished',
        'finished',
        'network_error',
        'resume_failed',
        'context_overflow',
      ),
    ),
    message: fc.constant('message'),
    ticketState: fc.constantFrom('done', 'open', 'open', 'broken', 'gone'),
    changed: fc.constantFrom(true, false, null),
    threadId: fc.option(fc.constantFrom('thread-1', 'thread-2')),
    resetsAt: fc.option(fc.constant(RESET)),
    question: fc.option(fc.constant(QUESTION), { freq: 8 }),
  });
  const selections: fc.Arbitrary<Selection> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom(...tickets).map((ticket) => ({ kind: 'ticket', ticket }) as const),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'none' } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'blocked', question: QUESTION } as const) },
  );
  /** What the world answers; it begins again where a list is at its end, so it never runs dry. */
  const worlds = fc.record({
    turns: fc.oneof(
      fc.array(judged, { minLength: 1, maxLength: 3 }),
      fc.array(judged, { minLength: 1, maxLength: 30 }),
    ),
    selections: fc.array(selections, { minLength: 1, maxLength: 10 }),
    leftovers: fc.array(fc.array(fc.constant('a.ts'), { maxLength: 1 }), {
      minLength: 1,
      maxLength: 5,
    }),
    threadId: fc.option(fc.constant('thread-0')),
    limits: fc.record({
      maxTurns: fc.integer({ min: 1, max: 20 }),
      maxTurnsPerTicket: fc.integer({ min: 1, max: 8 }),
    }),
  });
  type World = typeof worlds extends fc.Arbitrary<infer W> ? W : never;

  interface Moment {
    readonly event: LoopEvent;
    readonly before: LoopState;
    readonly state: LoopState;
    readonly step: Step;
  }

  /** Far more than the caps allow: a loop that is still going then never ends. */
  const ENDLESS = 5000;

  function drive({ turns, selections: chosen, leftovers, threadId, limits }: World): Moment[] {
    const from = <T>(list: readonly T[]) => {
      let next = 0;
      return (): T => list[next++ % list.length] as T;
    };
    const [nextTurn, nextSelection, nextLeftover] = [from(turns), from(chosen), from(leftovers)];
    const moments: Moment[] = [];
    let state = startState(ONE, threadId);
    let event: LoopEvent = { kind: 'turn_ended', turn: nextTurn() };
    while (moments.length < ENDLESS) {
      const next = nextStep(state, event, limits);
      moments.push({ event, before: state, state: next.state, step: next.step });
      state = next.state;
      switch (next.step.kind) {
        case 'finish':
          return moments;
        case 'turn':
          event = { kind: 'turn_ended', turn: nextTurn() };
          break;
        case 'select':
          event = { kind: 'selected', selection: nextSelection() };
          break;
        case 'commit':
          event = { kind: 'committed', uncommitted: nextLeftover() };
          break;
        case 'delay':
          event = { kind: 'delayed' };
          break;
      }
    }
    throw new Error('the loop does not end');
  }

  const always = (check: (moments: readonly Moment[], world: World) => void): void => {
    fc.assert(
      fc.property(worlds, (world) => check(drive(world), world)),
      { numRuns: 2000 },
    );
  };
  const turnsOf = (moments: readonly Moment[]): (Moment & { turn: JudgedTurn })[] =>
    moments.flatMap((moment) =>
      moment.event.kind === 'turn_ended' ? [{ ...moment, turn: moment.event.turn }] : [],
    );
  const endOf = (moments: readonly Moment[]): Finish => moments.at(-1)?.step as Finish;

  test('the loop ends, and has had no more turns than it may', () => {
    always((moments, { limits }) => {
      const counted = turnsOf(moments).filter(
        ({ turn: { outcome }, before }) =>
          outcome !== 'network_error' && !(outcome === 'resume_failed' && before.threadId !== null),
      );
      expect(counted.length).toBeLessThanOrEqual(limits.maxTurns);
      const failures = turnsOf(moments).map(({ state }) => state.networkFailures);
      expect(Math.max(...failures)).toBeLessThanOrEqual(MAX_NETWORK_FAILURES);
    });
  });

  test('a done ticket is committed before anything but a stop ends the run', () => {
    always((moments) => {
      for (const { turn: last, step } of turnsOf(moments)) {
        if (last.ticketState !== 'done' || last.outcome === 'stopped') continue;
        expect(step.kind).toBe('commit');
      }
    });
  });

  test('a question is what the run waits with, unless it was stopped', () => {
    always((moments) => {
      const isAsked = turnsOf(moments).some(
        ({ turn: { question, outcome } }) => question !== null && outcome !== 'stopped',
      );
      const end = endOf(moments);
      if (!isAsked || end.outcome === 'stopped') return;
      expect(end).toMatchObject({ outcome: 'waiting', question: QUESTION });
    });
  });

  test('no progress is said only after two turns of the ticket that changed nothing', () => {
    always((moments) => {
      if (endOf(moments).outcome !== 'no_progress') return;
      const counted = turnsOf(moments).filter(
        ({ turn: { outcome }, before }) =>
          outcome !== 'network_error' && !(outcome === 'resume_failed' && before.threadId !== null),
      );
      const [first, second] = counted.slice(-2);
      expect([first?.turn.changed, second?.turn.changed]).toEqual([false, false]);
      expect(first?.before.ticket).toBe(second?.before.ticket);
      expect(second).toMatchObject({ turn: { ticketState: 'open' } });
    });
  });

  test('a ticket keeps its thread until that is lost', () => {
    always((moments) => {
      for (const { turn: last, state, before, step } of turnsOf(moments)) {
        const isLost = last.outcome === 'context_overflow' || last.outcome === 'resume_failed';
        const expected = isLost ? null : (last.threadId ?? before.threadId);
        expect(state.threadId).toBe(expected);
        expect(step.kind === 'turn' ? step.threadId : expected).toBe(expected);
      }
      for (const { event, before, step } of moments) {
        if (event.kind !== 'selected' || step.kind !== 'turn') continue;
        expect(step.threadId).toBe(step.ticket === before.ticket ? before.threadId : null);
      }
    });
  });

  test('nobody is asked to commit or to repair more often than said', () => {
    always((moments) => {
      for (const { state } of moments) {
        expect(state.commitRequests).toBeLessThanOrEqual(MAX_COMMIT_REQUESTS);
        expect(state.commitRequests).toBeGreaterThanOrEqual(0);
      }
      const heard = new Map<string, number>();
      for (const [index, { step, event }] of moments.entries()) {
        // A ticket that is selected anew, after another one, begins anew.
        if (event.kind === 'selected' && step.kind === 'turn' && step.prompt === 'first')
          heard.clear();
        const answer = moments[index + 1]?.event;
        if (step.kind !== 'turn' || answer?.kind !== 'turn_ended') continue;
        const isUnheard = ['network_error', 'resume_failed'].includes(answer.turn.outcome);
        if (!isUnheard) heard.set(step.prompt, (heard.get(step.prompt) ?? 0) + 1);
        expect(heard.get('commit') ?? 0).toBeLessThanOrEqual(MAX_COMMIT_REQUESTS);
        expect(heard.get('repair') ?? 0).toBeLessThanOrEqual(MAX_REPAIRS);
      }
    });
  });

  test('a file that breaks whenever its thread is lost is not repaired for ever', () => {
    const turn = { message: 'message', changed: true, resetsAt: null, question: null };
    const moments = drive({
      turns: [
        { ...turn, outcome: 'finished', ticketState: 'done', threadId: 'thread-1' },
        { ...turn, outcome: 'resume_failed', ticketState: 'broken', threadId: null },
      ],
      selections: [{ kind: 'ticket', ticket: 'TICKET-001.md' }],
      leftovers: [[]],
      threadId: null,
      limits: { maxTurns: 50, maxTurnsPerTicket: 50 },
    });
    const repairs = moments.filter(({ step }) => step.kind === 'turn' && step.prompt === 'repair');
    expect(repairs).toHaveLength(MAX_REPAIRS);
    expect(endOf(moments)).toMatchObject({ outcome: 'waiting' });
  });

  test('the end is said in words', () => {
    always((moments) => {
      const { reason, outcome, question } = endOf(moments);
      expect(reason.trim()).not.toBe('');
      expect(reason).not.toContain('null');
      expect(question === null || outcome === 'waiting').toBe(true);
    });
  });
});
