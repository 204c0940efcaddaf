import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmdirSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { acquireLock, askHolder, type HeldLock, type LockKind } from '../../src/runs/lock.ts';
import { tempDir } from '../support/temp-dir.ts';

const fixture = new URL('../fixtures/runs-lock-holder.mjs', import.meta.url).pathname;
const isLinux = process.platform === 'linux';
if (!isLinux) console.warn('SKIPPED: what is told of abstract sockets is told of Linux only');

interface Contender {
  readonly process: ChildProcess;
  /** The next line that it prints. */
  line(): Promise<string>;
}

interface Told {
  readonly kind: string;
  readonly holder?: string | null;
  readonly child?: number;
}

/** A process of its own that wants the lock; it is gone when the test ends, and its child too. */
function contend(
  directory: string,
  { lock = 'run', holder = 'another', waitMs = 0, when = 'start' } = {},
): Contender {
  const child = spawn(process.execPath, [fixture, directory, lock, holder, `${waitMs}`, when], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { process: child, line: async () => String((await lines.next()).value) };
}

async function told(contender: Contender): Promise<Told> {
  const answer = JSON.parse(await contender.line()) as Told;
  const { child } = answer;
  if (child !== undefined) onTestFinished(() => void process.kill(child, 'SIGKILL'));
  return answer;
}

async function hold(directory: string, lock: LockKind = 'run', holder = 'me'): Promise<HeldLock> {
  const result = await acquireLock({ directory, lock, holder });
  if (result.kind === 'refused') throw new Error(`refused by ${result.holder}`);
  onTestFinished(() => result.release());
  return result;
}

const take = (directory: string, lock: LockKind = 'run', waitMs = 0) =>
  acquireLock({ directory, lock, holder: 'second', waitMs });

test('the two locks of a directory, and those of two directories, do not hinder each other', async () => {
  const directory = tempDir();
  const locks = [
    await hold(directory, 'daemon'),
    await hold(directory, 'run'),
    await hold(tempDir(), 'run'),
  ];
  expect(locks.map(({ kind }) => kind)).toEqual(['held', 'held', 'held']);
});

test('a second contender is refused and told who holds it, in this process and in another', async () => {
  const directory = tempDir();
  const lock = await hold(directory, 'daemon', 'pid 7 at http://127.0.0.1:3456');
  const refused = { kind: 'refused', holder: 'pid 7 at http://127.0.0.1:3456' };
  expect(await take(directory, 'daemon')).toEqual(refused);
  expect(await told(contend(directory, { lock: 'daemon' }))).toEqual(refused);
  expect(await askHolder(directory, 'daemon')).toBe(refused.holder);

  await lock.release();
  expect(await askHolder(directory, 'daemon')).toBeNull();
  await hold(directory, 'daemon');
});

test('a holder that is killed has let go, also when its child lives on', async () => {
  const directory = tempDir();
  const holder = contend(directory, { holder: 'ab12cd34' });
  const { kind, child = 0 } = await told(holder);
  expect(kind).toBe('held');
  expect(await take(directory)).toEqual({ kind: 'refused', holder: 'ab12cd34' });

  holder.process.kill('SIGKILL');
  await once(holder.process, 'exit');
  await hold(directory);
  expect(process.kill(child, 0)).toBe(true);
});

test('a paused holder still holds, and who asks does not wait for it (row 61)', async () => {
  const directory = tempDir();
  const holder = contend(directory, { holder: 'ab12cd34' });
  await told(holder);
  holder.process.kill('SIGSTOP');

  const began = performance.now();
  expect(await take(directory, 'run', 200)).toEqual({ kind: 'refused', holder: null });
  expect(performance.now() - began).toBeLessThan(5_000);

  holder.process.kill('SIGCONT');
  expect(await take(directory)).toEqual({ kind: 'refused', holder: 'ab12cd34' });
});

test('who waits gets the lock when it is let go, not when the wait is over', async () => {
  const directory = tempDir();
  const lock = await hold(directory);
  const waiting = take(directory, 'run', 20_000);
  const early = await Promise.race([waiting, take(directory)]);
  expect(early.kind).toBe('refused');

  const began = performance.now();
  await lock.release();
  const second = await waiting;
  const tookMs = performance.now() - began;
  expect(second.kind).toBe('held');
  expect(tookMs).toBeLessThan(2_000);
  if (second.kind === 'held') await second.release();
});

test('who waits gets the lock of a holder that is killed', async () => {
  const directory = tempDir();
  const holder = contend(directory);
  await told(holder);
  const waiting = take(directory, 'run', 20_000);
  holder.process.kill('SIGKILL');
  const second = await waiting;
  expect(second.kind).toBe('held');
  if (second.kind === 'held') await second.release();
});

test('a wait ends in time, with the name of the holder', async () => {
  const directory = tempDir();
  await hold(directory, 'run', 'ab12cd34');
  const began = performance.now();
  expect(await take(directory, 'run', 100)).toEqual({ kind: 'refused', holder: 'ab12cd34' });
  expect(performance.now() - began).toBeGreaterThanOrEqual(99);
});

test('of twenty contenders at once, one wins and tells the others its name (row 60)', async () => {
  const directory = tempDir();
  const contenders = Array.from({ length: 20 }, (_, number) =>
    contend(directory, { lock: 'daemon', holder: `contender ${number}`, when: 'go' }),
  );
  await Promise.all(contenders.map((contender) => contender.line()));
  for (const { process: contender } of contenders) contender.stdin?.write('go\n');
  const answers = await Promise.all(contenders.map(told));

  const winners = answers.flatMap(({ kind }, number) => (kind === 'held' ? [number] : []));
  expect(winners).toHaveLength(1);
  const losers = answers.filter(({ kind }) => kind === 'refused');
  expect(new Set(losers.map(({ holder }) => holder))).toEqual(new Set([`contender ${winners[0]}`]));
});

test('a directory that is gone is an error that names it', async () => {
  const directory = join(tempDir(), 'gone');
  await expect(take(directory)).rejects.toThrow(directory);
});

describe.runIf(isLinux)('an abstract socket', () => {
  test('is that of the directory, whatever its path says', async () => {
    const root = tempDir();
    const directory = join(root, 'logs');
    mkdirSync(directory);
    await hold(directory, 'run', 'ab12cd34');

    renameSync(directory, join(root, 'moved'));
    expect(await take(join(root, 'moved'))).toEqual({ kind: 'refused', holder: 'ab12cd34' });
    mkdirSync(directory);
    await hold(directory);
  });

  test('of a directory that was removed locks none that is made later', async () => {
    const root = tempDir();
    const removed = join(root, 'removed');
    mkdirSync(removed);
    await hold(removed);
    rmdirSync(removed);
    const later = Array.from({ length: 20 }, (_, n) => join(root, `later-${n}`));
    for (const directory of later) mkdirSync(directory);
    const locks = await Promise.all(later.map((directory) => hold(directory)));
    expect(locks).toHaveLength(20);
  });

  test('that is let go twice is let go', async () => {
    const directory = tempDir();
    const lock = await hold(directory);
    await lock.release();
    await lock.release();
    const next = await hold(directory);
    await lock.release();
    expect((await take(directory)).kind).toBe('refused');
    await next.release();
  });

  const canUnshare = spawnSync('unshare', ['-Ur', 'true']).status === 0;

  test('excludes another user of the same directory, root above all', async (context) => {
    if (!canUnshare) {
      console.warn('SKIPPED: to be another user needs unprivileged `unshare -Ur`');
      context.skip();
    }
    const directory = tempDir();
    await hold(directory, 'run', 'ab12cd34');
    const script = `
      import { acquireLock } from ${JSON.stringify(new URL('../../build/runs/lock.js', import.meta.url).href)};
      const result = await acquireLock({ directory: ${JSON.stringify(directory)}, lock: 'run', holder: '' });
      console.log(process.getuid(), JSON.stringify(result));`;
    const uid = process.getuid?.() === 0 ? 1234 : 0;
    const args = [`--map-user=${uid}`, process.execPath, '--input-type=module', '-e', script];
    const other = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    other.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(other, 'close');
    expect(said).toBe(`${uid} {"kind":"refused","holder":"ab12cd34"}\n`);
  });

  test('in the hands of a stranger that never ends its sentence refuses within a second or so', async () => {
    const directory = tempDir();
    await squat(directory, (socket) => {
      const drip = setInterval(() => socket.write('x'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    const began = performance.now();
    expect(await take(directory, 'run', 100)).toEqual({ kind: 'refused', holder: null });
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test('whose holder hangs up on everybody does not make a hot loop of the wait', async () => {
    const directory = tempDir();
    let calls = 0;
    await squat(directory, (socket) => {
      calls += 1;
      socket.destroy();
    });
    expect(await take(directory, 'run', 300)).toEqual({ kind: 'refused', holder: null });
    expect(calls).toBeGreaterThan(1);
    expect(calls).toBeLessThan(200);
  });
});

/** Takes the name of the run lock without being Looper. */
async function squat(
  directory: string,
  onConnection: (socket: import('node:net').Socket) => void,
): Promise<Server> {
  const { dev, ino } = statSync(directory, { bigint: true });
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen({ path: `\0looper-run-${dev}-${ino}` });
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return server;
}
