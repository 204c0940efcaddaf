import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeFileAtomic } from '../../src/runs/atomic-file.ts';
import { appendEvent, readEvents, type RunEvent } from '../../src/runs/events-file.ts';
import { appendTrailer, appendTurnLine, createLog, readLogTail } from '../../src/runs/log-file.ts';
import { readStopReason, requestStop, STOP_REASONS } from '../../src/runs/stop-file.ts';
import { tempDir } from '../support/temp-dir.ts';

const fixture = new URL('../fixtures/runs-writer.mjs', import.meta.url).pathname;

/** Writers in processes of their own that begin at the same moment; what each of them printed. */
async function writeTogether(commands: readonly (readonly string[])[]): Promise<string[]> {
  const writers = commands.map((args) => {
    const child: ChildProcess = spawn(process.execPath, [fixture, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => String((await lines.next()).value);
    return { child, next };
  });
  await Promise.all(writers.map(({ next }) => next()));
  for (const { child } of writers) child.stdin?.write('go\n');
  return Promise.all(
    writers.map(async ({ child, next }) => {
      const [said] = await Promise.all([next(), once(child, 'exit')]);
      return said;
    }),
  );
}

describe('events', () => {
  const event = (number: number): RunEvent => ({
    type: 'message',
    at: '2026-03-01T10:00:00.000Z',
    run_id: 'ab12cd34',
    number,
  });
  const prepared = (): string => join(tempDir(), 'run.events.jsonl');

  test('are lines of a private file, in order', () => {
    const path = prepared();
    expect(readEvents(path)).toEqual([]);
    appendEvent(path, event(1));
    appendEvent(path, { ...event(2), text: 'two\nlines' });
    expect(readEvents(path)).toEqual([event(1), { ...event(2), text: 'two\nlines' }]);
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('a torn last line costs only itself, wherever it is torn (row 44)', () => {
    const path = prepared();
    appendEvent(path, event(1));
    const whole = readFileSync(path);
    for (let torn = 1; torn < whole.length - 1; torn += 1) {
      writeFileSync(path, Buffer.concat([whole, whole.subarray(0, torn)]));
      appendEvent(path, event(2));
      expect(readEvents(path)).toEqual([event(1), event(2)]);
    }
    // All but its newline is there: then nothing is lost.
    writeFileSync(path, Buffer.concat([whole, whole.subarray(0, -1)]));
    appendEvent(path, event(2));
    expect(readEvents(path)).toEqual([event(1), event(1), event(2)]);
  });

  test('what is no event is left out', () => {
    const path = prepared();
    appendFileSync(path, 'null\n{}\n{"type":"end"}\n[1]\n\n{"type":"end","at":"now","run_id":7}\n');
    appendEvent(path, event(1));
    expect(readEvents(path)).toEqual([event(1)]);
  });

  test('of four processes at once do not mix (row 44)', async () => {
    const path = prepared();
    const names = ['aa', 'bb', 'cc', 'dd'];
    await writeTogether(names.map((name) => ['events', path, name, '300']));
    const events = readEvents(path);
    const lines = readFileSync(path, 'utf8').split('\n');
    // An empty line stands where a writer took another's line under way for a torn one.
    expect(lines.filter((line) => line !== '')).toHaveLength(1200);
    expect(events).toHaveLength(1200);
    for (const name of names) {
      const own = events.filter(({ run_id }) => run_id === name);
      expect(own.map(({ number }) => number)).toEqual(Array.from({ length: 300 }, (_, n) => n));
      expect(own.every(({ text, number }) => String(text).length === Number(number) * 7)).toBe(
        true,
      );
    }
  });

  test('are never written through a link', () => {
    const path = prepared();
    const target = `${path}.target`;
    symlinkSync(target, path);
    expect(() => appendEvent(path, event(1))).toThrow('ELOOP');
    expect(existsSync(target)).toBe(false);
  });
});

describe('a run log', () => {
  const header = { requestId: 'req-1', workspace: '/srv/app', command: 'codex exec -' };
  const opening = '# looper_request_id=req-1\n# workspace=/srv/app\n# command=codex exec -\n\n';
  const prepared = (): { path: string; fd: number } => {
    const path = join(tempDir(), 'run.log');
    const fd = createLog(path, header);
    onTestFinished(() => closeSync(fd));
    return { path, fd };
  };

  test('opens with a header that no value can break', () => {
    const { path } = prepared();
    expect(readFileSync(path, 'utf8')).toBe(opening);
    expect(statSync(path).mode & 0o777).toBe(0o600);

    const other = `${path}.2`;
    closeSync(
      createLog(other, {
        requestId: 'a\nb',
        workspace: '/srv/a\r\n# codex_exec_return_code=0',
        command: 'codex "\n"',
      }),
    );
    expect(readFileSync(other, 'utf8').split('\n')).toHaveLength(5);
  });

  test('is made once: an order that comes twice is refused, and nothing is lost', () => {
    const { path, fd } = prepared();
    writeSync(fd, 'said\n');
    expect(() => createLog(path, header)).toThrow('EEXIST');
    expect(readFileSync(path, 'utf8')).toBe(`${opening}said\n`);
  });

  test('is never opened through a link, dangling or not (row 46)', () => {
    const { path } = prepared();
    for (const [name, target] of [
      ['one', path],
      ['two', `${path}.none`],
    ] as const) {
      const link = `${path}.${name}`;
      symlinkSync(target, link);
      expect(() => createLog(link, header)).toThrow('EEXIST');
      expect(() => appendTrailer(link, 0, 'succeeded')).toThrow('ELOOP');
      expect(() => readLogTail(link, 10)).toThrow('ELOOP');
    }
    expect(readFileSync(path, 'utf8')).toBe(opening);
    expect(existsSync(`${path}.none`)).toBe(false);
  });

  test('goes on under its descriptor when it is renamed or removed (row 46)', () => {
    const { path, fd } = prepared();
    renameSync(path, `${path}.moved`);
    appendTurnLine(fd, 2, 'TICKET-002.md');
    expect(readFileSync(`${path}.moved`, 'utf8')).toBe(`${opening}# turn=2 ticket=TICKET-002.md\n`);
    rmSync(`${path}.moved`);
    appendTurnLine(fd, 3, 'TICKET-002.md');
    appendTrailer(path, 0, 'succeeded');
    expect(existsSync(path)).toBe(false);
    expect(readLogTail(path, 100)).toBe('');
  });

  test('a turn begins on a line of its own', () => {
    const { path, fd } = prepared();
    writeSync(fd, '{"type":"turn.started"}');
    appendTurnLine(fd, 2, 'TICKET-002\n.md');
    const turn = '{"type":"turn.started"}\n# turn=2 ticket=TICKET-002 .md\n';
    expect(readFileSync(path, 'utf8')).toBe(opening + turn);
  });

  test.each([
    ['an ended line', 'said\n', 'said\n\n# codex_exec_return_code=1\n'],
    ['an unended line', 'said', 'said\n\n# codex_exec_return_code=1\n'],
    ['nothing', '', '\n# codex_exec_return_code=1\n'],
    ['a torn trailer', '\n# codex_exec_re', '\n# codex_exec_re\n\n# codex_exec_return_code=1\n'],
    [
      'a trailer that the agent made up',
      '\n# codex_exec_return_code=0\n',
      '\n# codex_exec_return_code=0\n\n# codex_exec_return_code=1\n',
    ],
  ])('has its trailer once, after %s', (_, said, ending) => {
    const { path, fd } = prepared();
    writeSync(fd, said);
    for (let time = 0; time < 3; time += 1) appendTrailer(path, 1, 'failed');
    expect(readFileSync(path, 'utf8')).toBe(opening + ending);
  });

  test('ends with the signal, or with the outcome where there is no code', () => {
    const { path } = prepared();
    appendTrailer(path, -15, 'stopped');
    expect(readLogTail(path, 100)).toMatch(/\n# codex_exec_return_code=-15\n$/);
    const other = prepared();
    appendTrailer(other.path, null, 'lost');
    appendTrailer(other.path, null, 'lost');
    expect(readFileSync(other.path, 'utf8')).toBe(`${opening}\n# looper_outcome=lost\n`);
  });

  test('shows its tail, and no more than that', () => {
    const { path, fd } = prepared();
    writeSync(fd, 'x'.repeat(100_000));
    expect(readLogTail(path, 10)).toBe('x'.repeat(10));
    expect(readLogTail(path, 1e6)).toBe(opening + 'x'.repeat(100_000));
  });
});

describe('a stop', () => {
  const prepared = (): string => join(tempDir(), 'run.stop');

  test('has the first reason, and leaves one file', () => {
    const path = prepared();
    expect(readStopReason(path)).toBeNull();
    expect(requestStop(path, 'replaced')).toBe('replaced');
    expect(requestStop(path, 'stopped')).toBe('replaced');
    expect(readStopReason(path)).toBe('replaced');
    expect(readdirSync(join(path, '..'))).toEqual(['run.stop']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('that fifty ask for at once has one reason, and all are told it', async () => {
    const path = prepared();
    const calls = Array.from({ length: 50 }, (_, n) => STOP_REASONS[n % 3] ?? 'stopped');
    const here = calls.map((reason) => () => requestStop(path, reason));
    expect(new Set(here.map((call) => call()))).toEqual(new Set([calls[0]]));

    const contested = prepared();
    const told = await writeTogether(
      Array.from({ length: 12 }, (_, n) => ['stop', contested, STOP_REASONS[n % 3] ?? '']),
    );
    expect(told).toHaveLength(12);
    expect(new Set(told)).toEqual(new Set([readStopReason(contested)]));
  });

  test('whose file says something else is none', () => {
    const path = prepared();
    writeFileSync(path, 'because\n');
    expect(readStopReason(path)).toBeNull();
  });
});

describe('a file that is replaced', () => {
  test('is the old one until it is the new one, and private', () => {
    const directory = tempDir();
    const path = join(directory, 'record.json');
    writeFileAtomic(path, 'old');
    writeFileAtomic(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(directory)).toEqual(['record.json']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('is not written through a link that waits under the temporary name', () => {
    const directory = tempDir();
    const path = join(directory, 'TICKET-001.md');
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'mine');
    symlinkSync(victim, `${path}.${process.pid}.tmp`);
    writeFileAtomic(path, 'done: true');
    expect(readFileSync(victim, 'utf8')).toBe('mine');
    expect(readFileSync(path, 'utf8')).toBe('done: true');
    expect(readdirSync(directory).sort()).toEqual(['TICKET-001.md', 'victim']);
  });

  test('stays when the new one cannot take its place', () => {
    const directory = tempDir();
    const path = join(directory, 'record.json');
    writeFileAtomic(join(directory, 'other'), '');
    expect(() => writeFileAtomic(join(path, 'inside'), 'x')).toThrow('ENOENT');
    expect(readdirSync(directory)).toEqual(['other']);
  });
});
