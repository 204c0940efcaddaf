import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFolder } from '../../src/tickets/folder.ts';
import { listMessages } from '../../src/tickets/message-archive.ts';
import {
  MAX_MESSAGES,
  outboxPath,
  prepareOutbox,
  removeOutbox,
  takeMessage,
} from '../../src/tickets/outbox.ts';
import type { TakeMessageOptions, TakenMessage } from '../../src/tickets/outbox.ts';
import { tempDir } from '../support/temp-dir.ts';

const RUN = '0a1b2c3d';
const QUESTION = '---\nmode: pause\ntitle: Which?\n---\nA or B?\n';

function setUp() {
  const workspace = tempDir();
  const archiveDirectory = join(tempDir(), 'base.messages');
  const outbox = join(workspace, outboxPath(RUN));
  expect(prepareOutbox(workspace, RUN)).toBeNull();
  const take = (more: Partial<TakeMessageOptions> = {}): Promise<TakenMessage> =>
    takeMessage({ workspace, runId: RUN, archiveDirectory, isAgentGone: true, ...more });
  const put = (files: Record<string, string>): void => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(outbox, name), text);
  };
  return { workspace, archiveDirectory, outbox, take, put };
}

describe('takeMessage', () => {
  it('moves the message and what lies beside it into the archive', async () => {
    const { archiveDirectory, outbox, put, take } = setUp();
    expect(await take()).toEqual({ kind: 'none' });
    put({ 'report.txt': 'r', 'a b\nc.txt': 'odd', 'half.tmp': 'x', 'MESSAGE.md': QUESTION });
    const taken = await take({ now: () => Date.UTC(2026, 0, 2) });
    expect(taken).toEqual({
      kind: 'taken',
      message: {
        number: 1,
        mode: 'pause',
        title: 'Which?',
        text: 'A or B?',
        attachments: [
          { name: 'a b\nc.txt', stored_as: '01-a_b_c.txt', bytes: 3 },
          { name: 'report.txt', stored_as: '02-report.txt', bytes: 1 },
        ],
        warnings: [],
        taken_at: '2026-01-02T00:00:00.000Z',
      },
    });
    expect(readdirSync(outbox)).toEqual(['half.tmp']);
    const folder = join(archiveDirectory, '0001');
    expect(readFileSync(join(folder, 'MESSAGE.md'), 'utf8')).toBe(QUESTION);
    expect(readFileSync(join(folder, 'files', '02-report.txt'), 'utf8')).toBe('r');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'files', '02-report.txt')).mode & 0o777).toBe(0o600);
    expect(taken.kind === 'taken' && listMessages(archiveDirectory)).toEqual([
      taken.kind === 'taken' ? taken.message : null,
    ]);
    expect(await take()).toEqual({ kind: 'none' });
  });

  it('numbers messages in the order in which they were taken', async () => {
    const { archiveDirectory, put, take } = setUp();
    for (let index = 1; index <= 11; index += 1) {
      put({ 'MESSAGE.md': `---\ntitle: m${index}\n---\n` });
      expect(await take()).toMatchObject({ kind: 'taken', message: { number: index } });
    }
    expect(listMessages(archiveDirectory).map(({ title }) => title)).toEqual(
      Array.from({ length: 11 }, (_, index) => `m${index + 1}`),
    );
  });

  it('waits while the agent may still be writing', async () => {
    const { outbox, put, take } = setUp();
    const running = { isAgentGone: false };
    const later = { isAgentGone: false, now: () => Date.now() + 10_000 };
    put({ 'MESSAGE.tmp': QUESTION });
    expect(await take(later)).toEqual({ kind: 'none' });
    put({ 'MESSAGE.md': '---\nmode: pause\n' });
    expect(await take(later)).toEqual({ kind: 'unfinished' });
    put({ 'MESSAGE.md': '' });
    expect(await take(later)).toEqual({ kind: 'unfinished' });
    put({ 'MESSAGE.md': QUESTION });
    expect(await take(running)).toEqual({ kind: 'unfinished' });
    expect(readdirSync(outbox).sort()).toEqual(['MESSAGE.md', 'MESSAGE.tmp']);
    expect(await take(later)).toMatchObject({ kind: 'taken', message: { title: 'Which?' } });
  });

  it('takes a half message once its writer is gone, but not an empty one', async () => {
    const { put, take } = setUp();
    put({ 'MESSAGE.md': '---\nmode: pause\nShall I' });
    expect(await take()).toMatchObject({ kind: 'taken', message: { mode: 'pause' } });
    put({ 'MESSAGE.md': ' \n' });
    expect(await take()).toEqual({ kind: 'refused', why: 'MESSAGE.md is empty' });
  });

  it('does not wait for ever for a time stamp in the future', async () => {
    const { outbox, put, take } = setUp();
    put({ 'MESSAGE.md': QUESTION });
    const future = new Date(Date.now() + 86_400_000);
    utimesSync(join(outbox, 'MESSAGE.md'), future, future);
    expect(await take({ isAgentGone: false })).toEqual({ kind: 'unfinished' });
    expect(await take()).toMatchObject({ kind: 'taken' });
  });

  it('asks the same question twice when the agent does', async () => {
    const { put, take } = setUp();
    put({ 'MESSAGE.md': QUESTION });
    expect(await take()).toMatchObject({ message: { number: 1 } });
    put({ 'MESSAGE.md': QUESTION });
    expect(await take()).toMatchObject({ message: { number: 2 } });
  });
});

describe('a crash while a message is taken', () => {
  it('after the rename: the message is taken, and then the next', async () => {
    const { outbox, put, take } = setUp();
    put({ 'MESSAGE.md': QUESTION });
    renameSync(join(outbox, 'MESSAGE.md'), join(outbox, '.MESSAGE.taking.md'));
    put({ 'MESSAGE.md': '---\ntitle: newer\n---\n' });
    expect(await take()).toMatchObject({ message: { number: 1, title: 'Which?' } });
    expect(await take()).toMatchObject({ message: { number: 2, title: 'newer' } });
    expect(await take()).toEqual({ kind: 'none' });
  });

  it('while copying: what was staged is thrown away and copied again', async () => {
    const { archiveDirectory, put, take } = setUp();
    mkdirSync(join(archiveDirectory, '.staging', 'files'), { recursive: true });
    writeFileSync(join(archiveDirectory, '.staging', 'files', '01-a.txt'), 'torn');
    writeFileSync(join(archiveDirectory, '.staging', 'message.json'), '{');
    put({ 'a.txt': 'whole', 'MESSAGE.md': QUESTION });
    expect(listMessages(archiveDirectory)).toEqual([]);
    expect(await take()).toMatchObject({ message: { number: 1 } });
    expect(readdirSync(archiveDirectory)).toEqual(['0001']);
    expect(readFileSync(join(archiveDirectory, '0001', 'files', '01-a.txt'), 'utf8')).toBe('whole');
  });

  it.each([
    ['nothing was removed', ['a.txt', 'b.txt']],
    ['one attachment was removed', ['b.txt']],
    ['all attachments were removed', []],
  ])('after the copy, when %s: it is not taken again', async (_, left) => {
    const { archiveDirectory, outbox, put, take } = setUp();
    put({ 'a.txt': '1', 'b.txt': '2', 'MESSAGE.md': QUESTION });
    const aside = tempDir();
    for (const name of readdirSync(outbox)) linkSync(join(outbox, name), join(aside, name));
    expect(await take()).toMatchObject({ kind: 'taken' });
    // The very same files are back, as if the process had died before removing them.
    for (const name of left) linkSync(join(aside, name), join(outbox, name));
    linkSync(join(aside, 'MESSAGE.md'), join(outbox, '.MESSAGE.taking.md'));
    put({ 'new.txt': 'for the next message' });
    expect(await take()).toEqual({ kind: 'none' });
    expect(readdirSync(outbox)).toEqual(['new.txt']);
    expect(listMessages(archiveDirectory)).toHaveLength(1);
  });

  it('after the copy, when the agent has replaced an attachment: that one stays', async () => {
    const { outbox, put, take } = setUp();
    put({ 'a.txt': '1', 'MESSAGE.md': QUESTION });
    const aside = join(tempDir(), 'm');
    linkSync(join(outbox, 'MESSAGE.md'), aside);
    await take();
    linkSync(aside, join(outbox, '.MESSAGE.taking.md'));
    put({ 'a.txt': 'another' });
    expect(await take()).toEqual({ kind: 'none' });
    expect(readFileSync(join(outbox, 'a.txt'), 'utf8')).toBe('another');
  });
});

describe('what an agent may put into its outbox', () => {
  it.each([
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path]), 'MESSAGE.md is a FIFO'],
    [
      'a link',
      (path: string) => symlinkSync('/etc/hostname', path),
      'MESSAGE.md is a symbolic link',
    ],
    ['a folder', (path: string) => mkdirSync(path), 'MESSAGE.md is a directory'],
  ])('%s is refused', async (_, make, why) => {
    const { archiveDirectory, outbox, take } = setUp();
    make(join(outbox, 'MESSAGE.md'));
    expect(await take()).toEqual({ kind: 'refused', why });
    expect(existsSync(archiveDirectory)).toBe(false);
  });

  it('attachments that are no files, too large or too many stay, with a warning', async () => {
    const { outbox, put, take } = setUp();
    for (let index = 10; index < 32; index += 1) put({ [`f${index}`]: 'x' });
    execFileSync('mkfifo', [join(outbox, 'a-fifo')]);
    symlinkSync('/etc/hostname', join(outbox, 'b-link'));
    writeFileSync(join(outbox, 'c-large'), '');
    truncateSync(join(outbox, 'c-large'), 11 * 1024 * 1024);
    put({ 'MESSAGE.md': QUESTION });
    const taken = await take();
    if (taken.kind !== 'taken') throw new Error(taken.kind);
    expect(taken.message.attachments).toHaveLength(17);
    expect(taken.message.warnings).toEqual([
      'The attachment a-fifo stays in the outbox: a FIFO.',
      'The attachment b-link stays in the outbox: a symbolic link.',
      'The attachment c-large stays in the outbox: it has 11534336 bytes, 10485760 are left.',
      '5 more attachments stay in the outbox: 20 fit.',
    ]);
    expect(readdirSync(outbox)).toHaveLength(8);
  });

  it('a message of a megabyte is cut', async () => {
    const { put, take } = setUp();
    put({ 'MESSAGE.md': `---\nmode: notify\n---\n${'x'.repeat(1024 * 1024)}` });
    const taken = await take();
    if (taken.kind !== 'taken') throw new Error(taken.kind);
    expect(taken.message.text.length).toBeLessThan(65_536);
    expect(taken.message.warnings).toEqual(['The message was cut at 65536 bytes.']);
  });

  it('messages without end are refused at some point', async () => {
    const { archiveDirectory, put, take } = setUp();
    put({ 'MESSAGE.md': QUESTION });
    await take();
    const first = readFileSync(join(archiveDirectory, '0001', 'message.json'));
    for (let number = 2; number <= MAX_MESSAGES; number += 1) {
      const folder = join(archiveDirectory, String(number).padStart(4, '0'));
      mkdirSync(folder);
      writeFileSync(join(folder, 'message.json'), first);
    }
    put({ 'MESSAGE.md': QUESTION });
    expect(await take()).toMatchObject({
      kind: 'refused',
      why: expect.stringContaining('200') as string,
    });
  });

  it('a link in the place of any folder of the chain is refused, and nothing behind it touched', async () => {
    for (const link of ['.looper', '.looper/outbox', `.looper/outbox/${RUN}`]) {
      const { workspace, take } = setUp();
      const outside = tempDir();
      const target = join(outside, 'real');
      renameSync(join(workspace, link), target);
      symlinkSync(target, join(workspace, link));
      writeFileSync(join(workspace, outboxPath(RUN), 'MESSAGE.md'), QUESTION);
      expect(await take()).toMatchObject({ kind: 'refused' });
      expect(prepareOutbox(workspace, RUN)).toContain('is a link or a file');
      removeOutbox(workspace, RUN);
      expect(existsSync(join(workspace, outboxPath(RUN), 'MESSAGE.md'))).toBe(true);
    }
  });

  it.runIf(process.platform === 'linux')(
    'a folder that is swapped for a link after it was opened leads nowhere else',
    () => {
      const { workspace, outbox, put } = setUp();
      const outside = tempDir();
      writeFileSync(join(outside, 'id_rsa'), 'precious');
      put({ id_rsa: 'bait' });
      const folder = openFolder(workspace, ['.looper', 'outbox', RUN]);
      if (folder.kind !== 'open') throw new Error(folder.kind);
      renameSync(outbox, join(workspace, 'moved'));
      symlinkSync(outside, outbox);
      unlinkSync(`${folder.path}/id_rsa`);
      folder.close();
      expect(readFileSync(join(outside, 'id_rsa'), 'utf8')).toBe('precious');
      expect(readdirSync(join(workspace, 'moved'))).toEqual([]);
    },
  );

  // Root writes into any folder.
  it.runIf(process.getuid?.() !== 0)('a folder that is closed to us is refused', async () => {
    const { outbox, put, take } = setUp();
    put({ 'MESSAGE.md': QUESTION });
    chmodSync(outbox, 0o500);
    expect(await take()).toEqual({
      kind: 'refused',
      why: 'the message cannot be moved out of the outbox (EACCES)',
    });
    chmodSync(outbox, 0o700);
    expect(await take()).toMatchObject({ kind: 'taken' });
  });
});

describe('the folder itself', () => {
  it('is made for the run, goes when it is empty, and stays when it is not', async () => {
    const { workspace, outbox, put, take } = setUp();
    expect(statSync(outbox).mode & 0o777).toBe(0o700);
    expect(prepareOutbox(workspace, RUN)).toBeNull();
    put({ 'left.txt': 'x' });
    removeOutbox(workspace, RUN);
    expect(existsSync(outbox)).toBe(true);
    rmSync(join(outbox, 'left.txt'));
    removeOutbox(workspace, RUN);
    removeOutbox(workspace, RUN);
    expect(existsSync(outbox)).toBe(false);
    expect(await take()).toEqual({ kind: 'none' });
  });

  it.each(['..', 'x/../../y', '', '0A1B2C3D', 'latest'])('is not made for %j', (runId) => {
    expect(() => outboxPath(runId)).toThrow(/no run id/);
  });

  it('leaves no descriptor open', async () => {
    const { put, take } = setUp();
    const count = (): number =>
      existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0;
    const before = count();
    for (let index = 0; index < 20; index += 1) {
      put({ a: 'x', 'MESSAGE.md': QUESTION });
      await take();
      await take();
    }
    expect(count()).toBeLessThanOrEqual(before + 2);
  });
});
