import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { LooperError } from '../../src/errors.ts';
import { type DaemonLog, type LogRotation, startLogger } from '../../src/logger.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

interface TestLog extends DaemonLog {
  readonly directory: string;
  readonly link: string;
}

async function start(
  root: string,
  { secrets = [] as string[], rotation = undefined as LogRotation | undefined } = {},
): Promise<TestLog> {
  const directory = join(root, 'server');
  const link = join(root, 'looper-server.log');
  const logs = { level: 'info', serverLogDirectory: directory, serverLogPath: link } as const;
  const log = await startLogger(logs, secrets, rotation);
  onTestFinished(() => log.close());
  return { ...log, directory, link };
}

const linesOf = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const mode = (path: string): number => statSync(path).mode & 0o777;

test('a line is on disk when the call returns, private to the user', async () => {
  const { log, directory, link } = await start(tempDir());
  log.info({ runId: 'ab12cd34', childPid: 7 }, 'run.started');
  log.debug('run.detail');
  expect(linesOf(link)).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      pid: process.pid,
      runId: 'ab12cd34',
      childPid: 7,
      msg: 'run.started',
    },
  ]);
  expect(mode(directory)).toBe(0o700);
  expect(mode(link)).toBe(0o600);
});

test('secrets are replaced by their value, wherever they stand (row 71)', async () => {
  const secrets = ['canary', 'canary-"quoted"'];
  const { log, link, redactor } = await start(tempDir(), { secrets });
  redactor.add('from-a-file');
  const error = new Error('POST failed for canary-"quoted"');
  log.error({ err: error, headers: { authorization: 'Bearer canary' } }, 'notify.failed');
  log.info({ list: ['from-a-file'], canary: 1 }, 'told canary-"quoted" and from-a-file');
  const text = readFileSync(link, 'utf8');
  expect(text).not.toMatch(/canary|from-a-file|quoted/);
  expect(linesOf(link)[0]).toMatchObject({ headers: { authorization: 'Bearer [redacted]' } });
  expect(linesOf(link)[1]).toMatchObject({ msg: 'told [redacted] and [redacted]' });
});

test('the link follows the rotation, and files of earlier starts count towards the kept ones', async () => {
  const root = tempDir();
  const rotation = { maxFileBytes: 2000, keptFiles: 3 };
  for (let round = 0; round < 2; round += 1) {
    const { log, directory, link, close } = await start(root, { rotation });
    for (let i = 0; i < 60; i += 1) {
      log.info({ round, i, filling: 'x'.repeat(100) }, 'test.line');
      await turn();
    }
    const newest = readdirSync(directory)
      .map((name) => Number(/\.(\d+)\.log$/.exec(name)?.[1]))
      .sort((a, b) => a - b)
      .at(-1);
    await waitFor('the link', () => readlinkSync(link) === `server/looper-server.${newest}.log`);
    await waitFor('the pruning', () => readdirSync(directory).length <= 3);
    log.info({ last: round }, 'test.end');
    expect(linesOf(link).at(-1)).toMatchObject({ last: round });
    await close();
  }
});

test("a file in the link's place is left alone, with a warning", async () => {
  const root = tempDir();
  writeFileSync(join(root, 'looper-server.log'), 'of the original Looper\n');
  const { directory, link } = await start(root);
  expect(readFileSync(link, 'utf8')).toBe('of the original Looper\n');
  expect(linesOf(join(directory, 'looper-server.1.log'))).toMatchObject([
    { level: 'warn', path: link, msg: 'log.link_failed' },
  ]);
});

test('a directory that cannot be made is an error that says what to do (row 43)', async () => {
  const root = tempDir();
  writeFileSync(join(root, 'server'), '');
  const error = await start(root).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LooperError);
  expect(error).toMatchObject({ code: 'LOG_DIR_UNUSABLE' });
  expect(String(error)).toContain('LOOPER_LOG_DIR');
});

test('a log whose directory is replaced by a file goes on, and rotates again later (row 43)', async () => {
  const root = tempDir();
  const { log, directory, link } = await start(root, {
    rotation: { maxFileBytes: 2000, keptFiles: 10 },
  });
  const filled = async (count: number) => {
    for (let i = 0; i < count; i += 1) {
      log.info({ filling: 'x'.repeat(100) }, 'test.line');
      await turn();
    }
  };
  rmSync(directory, { recursive: true });
  writeFileSync(directory, '');
  await filled(60);
  rmSync(directory);
  mkdirSync(directory);
  await filled(30);
  await waitFor('a new file', () => readdirSync(directory).length > 0);
  log.info('test.end');
  expect(linesOf(link).at(-1)).toMatchObject({ msg: 'test.end' });
  // A descriptor that is closed twice, which may be another file's by then, is told of as EBADF.
  const written = readdirSync(directory).flatMap((name) => linesOf(join(directory, name)));
  expect(written.filter((line) => line['problem'] !== undefined)).toEqual([]);
});

test('a late line after close fails nobody, and closing twice is fine', async () => {
  const { log, link, close } = await start(tempDir());
  log.info('test.line');
  await close();
  await close();
  log.info('test.late');
  expect(linesOf(link)).toHaveLength(1);
});

const canMount = spawnSync('unshare', ['-Urm', 'true']).status === 0;

test('a full disk fails no caller, and no line is torn or lost after it (row 42)', (context) => {
  if (!canMount) {
    console.warn('SKIPPED: a small disk needs unprivileged `unshare -Urm`');
    context.skip();
  }
  const fixture = new URL('../fixtures/full-disk-log.mjs', import.meta.url).pathname;
  const command = ['-Urm', process.execPath, fixture, tempDir()];
  const result = spawnSync('unshare', command, { encoding: 'utf8', timeout: 20_000 });
  expect(result.stderr).toBe('');
  const report = JSON.parse(result.stdout) as Record<string, unknown[]>;
  expect(report).toMatchObject({ logged: 400, threw: 0 });
  expect(report['numbers']).toEqual(Array.from({ length: 400 }, (_, i) => i));
  expect(report['recovered']).toMatchObject([{ level: 'warn', droppedLines: 0 }]);
});
