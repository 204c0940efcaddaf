import { describe, expect, test } from 'vitest';
import {
  backoffMs,
  decide,
  failuresAfter,
  isFailure,
  MAX_BACKOFF_MS,
  type IdleFacts,
} from '../../src/autopoll/decision.ts';
import { startsWithinDay } from '../../src/autopoll/state.ts';
import { LooperError } from '../../src/errors.ts';
import type { RunQuestion } from '../../src/runs/record.ts';
import { createWorld, DAY, HOUR, MINUTE, type AutopollWorld } from '../support/autopoll.ts';
import { SUMMARY } from '../support/runs.ts';

const NOW = Date.parse('2026-03-01T10:00:00.000Z');
const at = (ms: number): string => new Date(ms).toISOString();

describe('a decision', () => {
  const idle: IdleFacts = {
    now: NOW,
    isPaused: false,
    workspace: '/srv/app',
    isLaunching: false,
    activeRunId: null,
    liveAgentPids: [],
    lastOutputAt: NOW - 601_000,
    logStaleMs: 600_000,
    lastRun: { outcome: 'succeeded', resetsAt: null, isReleased: false },
    openQuestion: null,
    failures: 0,
    notBefore: null,
    autoRunsToday: 47,
    maxRunsPerDay: 48,
  };
  const lastRun = (outcome: 'stopped' | 'usage_limited' | 'waiting', isReleased = false) => ({
    outcome,
    resetsAt: outcome === 'usage_limited' ? at(NOW + 1) : null,
    isReleased,
  });
  /** Each stands in the way alone; before it stand those above. */
  const reasons = {
    paused: { isPaused: true },
    no_workspace: { workspace: null },
    launching: { isLaunching: true },
    run_active: { activeRunId: 'ab12cd34' },
    agent_alive: { liveAgentPids: [7, 8] },
    log_fresh: { lastOutputAt: NOW - 599_999 },
    stopped_by_person: { lastRun: lastRun('stopped') },
    waiting_for_person: { openQuestion: 'Which database?' },
    usage_limited: { lastRun: lastRun('usage_limited') },
    backing_off: { failures: 2, notBefore: NOW + 1 },
    daily_cap: { autoRunsToday: 48 },
  } satisfies Record<string, Partial<IdleFacts>>;

  test('to start is made when nothing stands in the way', () => {
    expect(decide(idle)).toEqual({ kind: 'start' });
    expect(decide({ ...idle, lastRun: null, lastOutputAt: null })).toEqual({ kind: 'start' });
  });

  test.each(Object.entries(reasons))('to skip: %s', (reason, facts) => {
    expect(decide({ ...idle, ...facts })).toMatchObject({ kind: 'skip', reason });
  });

  test('says the first reason of many', () => {
    const names = Object.keys(reasons);
    // Of the two that say something about the last run, the later one is left out.
    const { usage_limited: _, ...others } = reasons;
    let facts: IdleFacts = idle;
    for (const name of names.toReversed()) {
      if (!(name in others)) continue;
      facts = { ...facts, ...others[name as keyof typeof others] };
      expect(decide(facts)).toMatchObject({ reason: name });
    }
  });

  test('says what a person wants to know', () => {
    const details = Object.values(reasons).map((facts) => {
      const decision = decide({ ...idle, ...facts });
      return decision.kind === 'skip' ? decision.detail : '';
    });
    expect(details).toEqual([
      'it is paused; resume it to go on',
      'set LOOPER_WORKSPACE to the directory that it shall work in',
      'a launch is under way',
      'run ab12cd34 is active',
      'codex exec is alive (pids 7, 8)',
      'the newest run log was written 600 s ago',
      'a person stopped the last run; trigger one or resume',
      'Which database?',
      'the usage limit ends at 2026-03-01T10:00:00.001Z',
      '2 failures in a row; starts nothing before 2026-03-01T10:00:00.001Z',
      '48 automatic runs in the last 24 h; LOOPER_MAX_AUTO_RUNS_PER_DAY allows 48',
    ]);
  });

  test.each([
    ['a log just old enough', { lastOutputAt: NOW - 600_000 }],
    ['a log from the future: the clock was set back', { lastOutputAt: NOW + DAY }],
    ['a stop that somebody released', { lastRun: lastRun('stopped', true) }],
    ['a run that waits without an open question', { lastRun: lastRun('waiting') }],
    ['a usage limit that is over', { lastRun: { ...lastRun('usage_limited'), resetsAt: at(NOW) } }],
    ['a usage limit without an end', { lastRun: { ...lastRun('usage_limited'), resetsAt: null } }],
    ['a back-off that is over', { failures: 2, notBefore: NOW }],
    ['a back-off without failures', { failures: 0, notBefore: NOW + HOUR }],
  ])('to start is not hindered by %s', (_, facts: Partial<IdleFacts>) => {
    expect(decide({ ...idle, ...facts })).toEqual({ kind: 'start' });
  });
});

describe('the back-off', () => {
  test('doubles from the interval, up to six hours', () => {
    const minutes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 1000].map((n) => backoffMs(n, 5 * MINUTE) / MINUTE);
    expect(minutes).toEqual([5, 10, 20, 40, 80, 160, 320, 360, 360, 360]);
  });

  test('is never shorter than the interval, and never no number', () => {
    expect(backoffMs(1, 12 * HOUR)).toBe(12 * HOUR);
    expect(backoffMs(Number.MAX_SAFE_INTEGER, 100)).toBe(MAX_BACKOFF_MS);
  });

  const run = { trigger: 'autopoll', mode: 'tickets', changed: true, resets_at: null } as const;

  test.each([
    [{ outcome: 'succeeded' }, false],
    [{ outcome: 'succeeded', mode: 'prompt', changed: true }, false],
    [{ outcome: 'succeeded', mode: 'prompt', changed: false }, true],
    [{ outcome: 'succeeded', mode: 'prompt', changed: null }, false],
    [{ outcome: 'succeeded', mode: 'prompt', changed: false, trigger: 'http' }, false],
    [{ outcome: 'failed' }, true],
    [{ outcome: 'timed_out' }, true],
    [{ outcome: 'stalled' }, true],
    [{ outcome: 'no_progress' }, true],
    [{ outcome: 'limit_reached' }, true],
    [{ outcome: 'spawn_failed' }, true],
    [{ outcome: 'lost' }, true],
    [{ outcome: 'usage_limited' }, true],
    [{ outcome: 'usage_limited', resets_at: at(NOW) }, false],
    [{ outcome: 'usage_limited', resets_at: at(NOW), changed: false }, true],
    [{ outcome: 'usage_limited', resets_at: at(NOW), changed: null }, false],
    [{ outcome: 'stopped' }, false],
    [{ outcome: 'shutdown' }, false],
    [{ outcome: 'replaced' }, false],
    [{ outcome: 'waiting' }, false],
    [{ outcome: null }, false],
  ] as const)('a run that ended as %o is a failure: %s', (ending, expected) => {
    expect(isFailure({ ...run, ...ending })).toBe(expected);
  });

  test('counts failures in a row', () => {
    expect(failuresAfter({ ...run, outcome: 'failed' }, 2)).toBe(3);
    expect(failuresAfter({ ...run, outcome: 'succeeded' }, 2)).toBe(0);
    for (const outcome of ['stopped', 'shutdown', 'replaced', 'waiting'] as const) {
      expect(failuresAfter({ ...run, outcome }, 2)).toBe(2);
    }
  });

  test('begins anew when the failed run had finished a ticket', () => {
    expect(failuresAfter({ ...run, outcome: 'limit_reached', summary: SUMMARY }, 5)).toBe(1);
    const none = { ...SUMMARY, tickets_done: [] };
    expect(failuresAfter({ ...run, outcome: 'limit_reached', summary: none }, 5)).toBe(6);
  });
});

test('of the starts those of a day count, and those of a clock that was wrong do not for ever', () => {
  const starts = [-DAY, -DAY + 1, -HOUR, 0, HOUR, DAY - 1, DAY, 365 * DAY].map((ms) =>
    at(NOW + ms),
  );
  const state = { ...createWorld().state.read(), started_at: [...starts, 'never'] };
  expect(startsWithinDay(state, NOW)).toEqual(starts.slice(1, 6));
});

describe('a tick', () => {
  test('starts one run, which says nothing when it starts and replaces nobody', async () => {
    const world = createWorld();
    expect(await world.tick()).toBe('start');
    expect(world.requests).toMatchObject([
      {
        trigger: 'autopoll',
        prompt: null,
        workspace: '/srv/app',
        onBusy: 'reject',
        announceStart: false,
      },
    ]);
    expect(await world.tick()).toBe('run_active');
    expect(world.autopoll.status()).toMatchObject({
      runs_today: 1,
      failures: 0,
      waiting: { reason: 'run_active', detail: 'run 00000001 is active' },
    });
    expect(world.heard.names()).toEqual([
      'codex.exec.autopoll.started',
      'codex.exec.autopoll.skip',
    ]);
  });

  test('does not look at the workspace while something runs or it is paused', async () => {
    const world = createWorld();
    let looks = 0;
    world.work = () => Promise.resolve(`${(looks += 1)}`);
    world.liveAgents = () => Promise.reject(new Error('looked'));
    world.begin();
    expect(await world.tick()).toBe('run_active');
    world.active = null;
    world.isLaunching = true;
    expect(await world.tick()).toBe('launching');
    world.isLaunching = false;
    world.autopoll.pause();
    expect(await world.tick()).toBe('paused');
    expect(looks).toBe(0);
  });

  test('without a workspace, or with agents alive, starts nothing', async () => {
    expect(await createWorld({}, { workspace: null }).tick()).toBe('no_workspace');
    const world = createWorld();
    world.liveAgents = () => Promise.resolve([7]);
    expect(await world.tick()).toBe('agent_alive');
  });

  test('never overlaps another', async () => {
    const world = createWorld();
    const gate = resolvers();
    world.liveAgents = async () => {
      await gate.promise;
      return [];
    };
    const ticks = [world.tick(), world.tick(), world.tick()];
    gate.resolve();
    expect(await Promise.all(ticks)).toEqual(['start', 'start', 'start']);
    expect(world.requests).toHaveLength(1);
  });

  test.each([
    ['NOTHING_TO_RUN', 'nothing_to_run', 0],
    ['RUN_IN_PROGRESS', 'launching', 0],
    ['SHUTTING_DOWN', 'cannot_start', 0],
    ['CODEX_NOT_FOUND', 'cannot_start', 1],
    ['TICKETS_UNREADABLE', 'cannot_start', 1],
    ['LOG_DIR_UNUSABLE', 'cannot_start', 1],
  ] as const)('that is refused with %s skips as %s', async (code, reason, failures) => {
    const world = createWorld();
    world.instead = () => Promise.reject(new LooperError(code, 'codex was not found in PATH.'));
    expect(await world.tick()).toBe(reason);
    expect(world.autopoll.status()).toMatchObject({
      failures,
      runs_today: 0,
      waiting: { reason, detail: 'codex was not found in PATH.' },
    });
  });

  test('whose agent fails at once counts one failure and one start', async () => {
    const world = createWorld();
    world.instead = () => {
      world.run('failed', { trigger: 'autopoll' });
      return Promise.reject(new LooperError('AGENT_FAILED', 'codex exec exited early'));
    };
    expect(await world.tick()).toBe('cannot_start');
    expect(await world.tick()).toBe('backing_off');
    expect(world.autopoll.status()).toMatchObject({ failures: 1, runs_today: 1 });
  });

  test.each(['liveAgents', 'work', 'instead'] as const)(
    'does not reject when %s fails',
    async (name) => {
      const world = createWorld();
      Object.assign(world, { [name]: () => Promise.reject(new Error('boom')) });
      const isHarmless = name === 'work';
      expect(await world.tick()).toBe(isHarmless ? 'start' : 'cannot_start');
      expect(world.autopoll.status().failures).toBe(isHarmless ? 0 : 1);
      expect(world.heard.heard[0]).toEqual([
        { err: new Error('boom') },
        isHarmless ? 'codex.exec.autopoll.work_unknown' : 'codex.exec.autopoll.failed',
      ]);
    },
  );

  test('after the service began to stop starts nothing, and a launch does not hold up the stop', async () => {
    const world = createWorld();
    const gate = resolvers();
    world.liveAgents = async () => {
      await gate.promise;
      return [];
    };
    const late = world.tick();
    const stopped = world.autopoll.stop();
    gate.resolve();
    expect(await late).toBe('cannot_start');
    await stopped;
    expect(world.requests).toEqual([]);

    const launching = createWorld();
    launching.instead = () => new Promise(() => undefined);
    void launching.tick();
    const began = performance.now();
    await launching.autopoll.stop();
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

describe('after a run', () => {
  const question: RunQuestion = {
    ticket: 'TICKET-001.md',
    title: 'Which database?',
    text: 'Old or new?',
    asked_at: at(NOW),
  };
  /** Until the first tick that starts something, in steps of a minute. */
  async function minutesUntilStart(world: AutopollWorld, max = 3 * 24 * 60): Promise<number> {
    for (let minutes = 0; minutes <= max; minutes += 1) {
      if ((await world.tick()) === 'start') return minutes;
      world.now += MINUTE;
    }
    return Number.POSITIVE_INFINITY;
  }

  test('that a person stopped, a trigger or a resume is needed, and changed work is none', async () => {
    const world = createWorld();
    world.run('stopped');
    expect(await world.tick()).toBe('stopped_by_person');
    world.work = () => Promise.resolve('changed');
    world.now += 30 * DAY;
    expect(await world.tick()).toBe('stopped_by_person');
    expect(await world.restart().tick()).toBe('stopped_by_person');

    const resumed = world.restart();
    resumed.autopoll.resume();
    expect(await resumed.restart().tick()).toBe('start');

    const triggered = createWorld();
    triggered.run('stopped');
    triggered.run('succeeded');
    expect(await triggered.tick()).toBe('start');
  });

  test('a resume counts for the runs before it, not for a stop after it', async () => {
    const world = createWorld();
    world.begin();
    world.autopoll.resume();
    world.end('stopped');
    expect(await world.tick()).toBe('stopped_by_person');

    world.autopoll.resume();
    expect(await world.tick()).toBe('start');
    world.end('stopped');
    expect(await world.tick()).toBe('stopped_by_person');
  });

  test('a resume counts also when the clock was set back (row 54)', async () => {
    const world = createWorld();
    world.run('stopped');
    world.now -= DAY;
    world.autopoll.resume();
    expect(await world.tick()).toBe('start');
  });

  test('that waits for a person, changed work or a resume releases it', async () => {
    for (const release of ['work', 'resume'] as const) {
      const world = createWorld();
      world.run('waiting', { question });
      expect(await world.tick()).toBe('waiting_for_person');
      expect(world.autopoll.status().waiting?.detail).toBe('Which database?');
      if (release === 'resume') world.autopoll.resume();
      else world.work = () => Promise.resolve('changed');
      expect(await world.restart().tick()).toBe('start');
    }
  });

  test('that waits without a question, its reason is told', async () => {
    const world = createWorld();
    world.run('waiting', { question: null, reason: 'codex could not set up its sandbox' });
    expect(await world.tick()).toBe('waiting_for_person');
    expect(world.autopoll.status().waiting?.detail).toBe('codex could not set up its sandbox');
  });

  test('a question of another workspace hinders nothing, and a run there hides none', async () => {
    const elsewhere = createWorld();
    elsewhere.run('waiting', { question, workspace: '/srv/other' });
    expect(await elsewhere.tick()).toBe('start');

    const world = createWorld();
    world.run('waiting', { question });
    world.run('succeeded', { workspace: '/srv/other' });
    expect(await world.tick()).toBe('waiting_for_person');
    world.autopoll.resume();
    world.run('succeeded', { workspace: '/srv/other' });
    expect(await world.tick()).toBe('start');
  });

  test('what releases a run does so although the next start fails', async () => {
    const world = createWorld();
    world.run('waiting', { question });
    expect(await world.tick()).toBe('waiting_for_person');
    world.work = () => Promise.resolve('changed');
    world.instead = () => Promise.reject(new LooperError('CODEX_NOT_FOUND', 'no codex'));
    expect(await world.tick()).toBe('cannot_start');
    world.instead = null;
    expect(await minutesUntilStart(world)).toBe(10);
  });

  test('that hit a usage limit, its end is waited for, however often the service restarts', async () => {
    const world = createWorld();
    world.run('usage_limited', { resets_at: at(world.now + 3 * HOUR), changed: true });
    expect(await world.tick()).toBe('usage_limited');
    expect(world.autopoll.status().failures).toBe(0);
    expect(await minutesUntilStart(world.restart())).toBe(180);
  });

  test('that hit a usage limit without an end, or one that is always over, it backs off', async () => {
    for (const resetsIn of [null, 0, -HOUR]) {
      const world = createWorld();
      const waits: number[] = [];
      for (let run = 0; run < 4; run += 1) {
        const resets_at = resetsIn === null ? null : at(world.now + resetsIn);
        world.run('usage_limited', { resets_at, changed: false });
        waits.push(await minutesUntilStart(world));
        world.end('usage_limited', { resets_at, changed: false });
      }
      expect(waits).toEqual([10, 40, 160, 360]);
    }
  });

  test('that failed, it waits twice as long each time, over restarts too', async () => {
    let world = createWorld({ maxRunsPerDay: 100 });
    const waits: number[] = [];
    for (let run = 0; run < 8; run += 1) {
      if (run === 0) world.run('failed');
      else world.end('failed');
      world = world.restart();
      waits.push(await minutesUntilStart(world));
    }
    expect(waits).toEqual([10, 20, 40, 80, 160, 320, 360, 360]);
    world.end('succeeded');
    expect(await minutesUntilStart(world)).toBe(0);
    world.end('failed');
    expect(await minutesUntilStart(world)).toBe(10);
  });

  test('changed work ends a back-off once, not at every tick from then on', async () => {
    const world = createWorld();
    world.run('failed');
    world.run('failed');
    expect(await world.tick()).toBe('backing_off');
    world.work = () => Promise.resolve('changed');
    world.instead = () => Promise.reject(new LooperError('CODEX_NOT_FOUND', 'no codex'));
    expect([await world.tick(), await world.tick()]).toEqual(['cannot_start', 'backing_off']);
    expect(world.autopoll.status().failures).toBe(1);
  });

  test('work that cannot be compared ends no back-off', async () => {
    const world = createWorld();
    world.work = () => Promise.resolve(null);
    world.run('failed');
    expect(await world.tick()).toBe('backing_off');
    world.work = () => Promise.resolve('known now');
    expect(await world.tick()).toBe('backing_off');
    world.work = () => Promise.resolve('changed');
    expect(await world.tick()).toBe('start');
  });

  test('that an automatic prompt changed nothing, it backs off', async () => {
    const world = createWorld();
    expect(await world.tick()).toBe('start');
    world.end('succeeded', { mode: 'prompt', changed: false });
    expect(await world.tick()).toBe('backing_off');
  });

  test('whose end nobody told of, it is noticed once, and its own changes release nothing', async () => {
    const world = createWorld();
    world.run('succeeded');
    expect(await world.tick()).toBe('start');
    world.work = () => Promise.resolve('changed by the run');
    world.end('waiting', { question }, false);
    const restarted = world.restart();
    expect(await restarted.tick()).toBe('waiting_for_person');

    restarted.begin();
    restarted.end('failed', {}, false);
    const again = restarted.restart();
    expect([await again.tick(), await again.tick()]).toEqual(['backing_off', 'backing_off']);
    expect(again.autopoll.status().failures).toBe(1);
  });

  test('the clock that is set back does not lengthen a back-off (row 54)', async () => {
    const world = createWorld();
    world.run('failed');
    world.now -= DAY;
    expect(await minutesUntilStart(world)).toBe(10);
  });

  test('the clock that is set forward ends a back-off, and counts no more starts (row 54)', async () => {
    const world = createWorld();
    world.run('failed');
    world.now += DAY;
    expect(await minutesUntilStart(world)).toBe(0);
  });
});

describe('the daily cap', () => {
  test('is of a rolling day, and holds over restarts', async () => {
    let world = createWorld({ maxRunsPerDay: 3 });
    for (let run = 0; run < 3; run += 1) {
      expect(await world.tick()).toBe('start');
      world.end('succeeded');
      world.now += HOUR;
    }
    world = world.restart();
    expect(await world.tick()).toBe('daily_cap');
    world.now += 21 * HOUR - 1;
    expect(await world.tick()).toBe('daily_cap');
    world.now += 1;
    expect(await world.tick()).toBe('start');
    world.end('succeeded');
    expect(await world.tick()).toBe('daily_cap');
  });

  test('of zero starts nothing', async () => {
    const world = createWorld({ maxRunsPerDay: 0 });
    expect(await world.tick()).toBe('daily_cap');
    expect(world.requests).toEqual([]);
  });

  test('counts a start that the service did not outlive', async () => {
    const world = createWorld({ maxRunsPerDay: 1 });
    world.instead = () => new Promise(() => undefined);
    void world.tick();
    await expect.poll(() => world.requests.length).toBe(1);
    expect(await world.restart().tick()).toBe('daily_cap');
  });

  test('does not count what people start', async () => {
    const world = createWorld({ maxRunsPerDay: 1 });
    world.run('succeeded');
    world.run('succeeded');
    expect(await world.tick()).toBe('start');
  });
});

describe('a pause', () => {
  test('holds over restarts, until somebody resumes', async () => {
    const world = createWorld();
    expect(world.autopoll.pause()).toMatchObject({ paused: true });
    expect(await world.restart().tick()).toBe('paused');
    expect(world.autopoll.resume()).toMatchObject({ paused: false });
    expect(await world.restart().tick()).toBe('start');
  });

  test('that ends ends a back-off too', async () => {
    const world = createWorld();
    world.run('failed');
    expect(await world.tick()).toBe('backing_off');
    expect(world.autopoll.resume()).toMatchObject({ failures: 0 });
    expect(await world.tick()).toBe('start');
  });
});

test('switched off, it says which variable does that, and never ticks', async () => {
  const world = createWorld({ enabled: false });
  world.autopoll.start();
  expect(world.heard.heard).toEqual([
    [{ variable: 'LOOPER_AUTO_START_WHEN_IDLE' }, 'codex.exec.autopoll.off'],
  ]);
  expect(world.autopoll.status()).toMatchObject({ enabled: false, next_tick_at: null });
  await world.autopoll.stop();
});

test('switched on, it says what it will start, when, and how to turn that off', async () => {
  const world = createWorld();
  world.autopoll.start();
  expect(world.heard.heard).toEqual([
    [
      {
        workspace: '/srv/app',
        every: '300 s',
        starts: 'the first open ticket of the workspace, else the default prompt',
        turn_off: 'LOOPER_AUTO_START_WHEN_IDLE=0',
      },
      'codex.exec.autopoll.on',
    ],
  ]);
  const next = Date.parse(world.autopoll.status().next_tick_at ?? '');
  expect(next - world.now).toBe(2_000);
  await world.autopoll.stop();
  expect(world.autopoll.status().next_tick_at).toBeNull();
});

function resolvers() {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((given) => {
    resolve = given;
  });
  return { promise, resolve };
}
