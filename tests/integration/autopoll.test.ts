import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readHistory } from '../../src/autopoll/facts.ts';
import { createStateFile, type AutopollStateFile } from '../../src/autopoll/state.ts';
import { startTimer } from '../../src/autopoll/timer.ts';
import { createWorld, MINUTE } from '../support/autopoll.ts';
import { createHeardLog, createTestStore, CREATED, endedRun, layDown } from '../support/runs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

describe('what it remembers', () => {
  const open = (directory: string): AutopollStateFile =>
    createStateFile(directory, createHeardLog().log);

  test('is on disk, private, and read when the service starts again', async () => {
    const directory = tempDir();
    const world = createWorld({ maxRunsPerDay: 2 }, { state: open(directory) });
    expect(await world.tick()).toBe('start');
    world.end('failed');
    expect(await world.tick()).toBe('backing_off');
    world.autopoll.pause();
    expect(statSync(join(directory, 'autopoll.json')).mode & 0o777).toBe(0o600);

    const again = open(directory);
    expect(again.read()).toEqual({
      paused: true,
      failures: 1,
      failed_at: '2026-03-01T10:00:00.000Z',
      started_at: ['2026-03-01T10:00:00.000Z'],
      noted_run: '00000001',
      released_run: null,
      work: 'work',
    });
    const next = createWorld({ maxRunsPerDay: 2 }, { state: again });
    next.runs.push(...world.runs);
    next.now = world.now + MINUTE;
    expect(await next.tick()).toBe('paused');
    expect(next.autopoll.status()).toMatchObject({ failures: 1, runs_today: 1 });
  });

  test.each([
    '',
    '{"paused": fal',
    '[]',
    '{"paused": "no"}',
    '{"failures": 0}',
    '{"paused": false, "failures": -1}',
  ])('and cannot be read (%j) pauses it, until somebody resumes', async (text) => {
    const directory = tempDir();
    writeFileSync(join(directory, 'autopoll.json'), text);
    const { log, names } = createHeardLog();
    const world = createWorld({}, { state: createStateFile(directory, log) });
    expect(names()).toEqual(['codex.exec.autopoll.state_unreadable']);
    expect(await world.tick()).toBe('paused');
    world.autopoll.resume();
    expect(await world.tick()).toBe('start');
    expect(open(directory).read().paused).toBe(false);
  });

  test('of a version that knew less is read', () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'autopoll.json'), '{"paused": false, "of_later": 1}');
    expect(open(directory).read()).toMatchObject({ paused: false, failures: 0, started_at: [] });
  });

  test('holds in memory while it cannot be written', () => {
    const directory = join(tempDir(), 'logs');
    mkdirSync(directory);
    const { log, names } = createHeardLog();
    const state = createStateFile(directory, log);
    rmSync(directory, { recursive: true });
    state.update({ paused: true });
    expect(state.read().paused).toBe(true);
    expect(names()).toEqual(['codex.exec.autopoll.state_unwritten']);

    mkdirSync(directory);
    state.update({ failures: 2 });
    expect(open(directory).read()).toMatchObject({ paused: true, failures: 2 });
  });
});

describe('what the runs on disk say', () => {
  const question = { ticket: null, title: 'Which?', text: '', asked_at: CREATED };

  test('is nothing where there are none', () => {
    expect(readHistory(createTestStore(tempDir()), '/srv/app', null)).toEqual({
      lastOutputAt: null,
      lastRun: null,
      openQuestion: null,
    });
  });

  test('is when the newest log was written, if there is one', () => {
    const directory = tempDir();
    const { log } = layDown(directory, endedRun('00000001'));
    const store = createTestStore(directory);
    expect(readHistory(store, '/srv/app', null).lastOutputAt).toBeNull();
    writeFileSync(log, 'said');
    utimesSync(log, 1000, 1000);
    expect(readHistory(store, '/srv/app', null).lastOutputAt).toBe(1_000_000);
  });

  test('is a question until it is answered', () => {
    const directory = tempDir();
    const { replies } = layDown(directory, endedRun('00000001', { outcome: 'waiting', question }));
    const store = createTestStore(directory);
    const openQuestion = (): string | null => readHistory(store, '/srv/app', null).openQuestion;
    expect(openQuestion()).toBe('Which?');
    mkdirSync(replies);
    expect(openQuestion()).toBe('Which?');
    writeFileSync(join(replies, '0001.md'), 'This one.');
    expect(openQuestion()).toBeNull();
    expect(readdirSync(directory)).toHaveLength(2);
  });
});

describe('the timer', () => {
  const now = Date.now;

  test('ticks one after the other, and not at all once stopped', async () => {
    let running = 0;
    let most = 0;
    let ticks = 0;
    const timer = startTimer(
      { intervalMs: 10, cron: undefined },
      async () => {
        running += 1;
        most = Math.max(most, running);
        await delay(30);
        running -= 1;
        ticks += 1;
      },
      now,
    );
    onTestFinished(() => timer.stop());
    expect(timer.nextAt()).toBeGreaterThan(now() - 1000);
    await waitFor('three ticks', () => ticks >= 3);
    timer.stop();
    expect(timer.nextAt()).toBeNull();
    await waitFor('the last tick', () => running === 0);
    const before = ticks;
    await delay(60);
    expect([ticks, most]).toEqual([before, 1]);
  });

  test('makes up for nothing after the machine was suspended (row 55)', async () => {
    const fixture = new URL('../fixtures/autopoll-timer.mjs', import.meta.url).pathname;
    const child = spawn(process.execPath, [fixture, '10'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ticks: number[] = [];
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => ticks.push(Number(line)));
    await waitFor('the first ticks', () => ticks.length >= 3);
    child.kill('SIGSTOP');
    await delay(500);
    child.kill('SIGCONT');
    await waitFor('the other ticks', () => ticks.length === 10);
    const gaps = ticks.slice(1).map((tick, index) => tick - (ticks[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(40);
    expect(Math.max(...gaps)).toBeGreaterThan(450);
  });

  test('follows a cron expression, without overlap and without a word on the console', async () => {
    const spies = (['log', 'info', 'warn', 'error'] as const).map((name) =>
      vi.spyOn(console, name),
    );
    onTestFinished(() => spies.forEach((spy) => spy.mockRestore()));
    const began: number[] = [];
    let running = 0;
    let most = 0;
    const timer = startTimer(
      { intervalMs: 1, cron: '* * * * * *' },
      async () => {
        began.push(now());
        running += 1;
        most = Math.max(most, running);
        if (began.length === 1) await delay(1_300);
        running -= 1;
      },
      now,
    );
    onTestFinished(() => timer.stop());
    const nextAt = timer.nextAt() ?? 0;
    expect(nextAt % 1000).toBe(0);
    expect(nextAt - now()).toBeLessThanOrEqual(1000);
    await waitFor('two ticks', () => began.length === 2 && running === 0);
    timer.stop();
    expect(most).toBe(1);
    // The second between them came while the first tick was still at work.
    expect((began[1] ?? 0) - (began[0] ?? 0)).toBeGreaterThan(1_500);
    expect(spies.flatMap((spy) => spy.mock.calls)).toEqual([]);
    await delay(1_100);
    expect(began).toHaveLength(2);
  });
});
