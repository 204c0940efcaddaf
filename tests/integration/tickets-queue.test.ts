import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveTicketsDirectory } from '../../src/tickets/directory.ts';
import { fixTickets } from '../../src/tickets/fix.ts';
import { formatFinding, lintQueue } from '../../src/tickets/lint.ts';
import { createQueueCache, firstOpen, loadQueue, nextNumber } from '../../src/tickets/queue.ts';
import type { QueueEntry } from '../../src/tickets/queue.ts';
import { readTicketFile, writeTicketFile } from '../../src/tickets/ticket-file.ts';
import { writeCarPack } from '../support/car-pack.ts';
import { tempDir } from '../support/temp-dir.ts';

const OPEN = '---\nagent: codex\ndone: false\n---\n\n# Title\n';
const DONE = OPEN.replace('false', 'true');

function write(directory: string, files: Record<string, string | Buffer>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}

function problemsOf(entry: QueueEntry | undefined): string {
  if (entry?.kind !== 'bad') throw new Error(`not a bad ticket: ${JSON.stringify(entry)}`);
  return entry.problems.map(({ message }) => message).join('; ');
}

describe('loadQueue', () => {
  it('orders by number, not by name, and names what is first open', async () => {
    const directory = tempDir();
    write(directory, {
      'TICKET-1000.md': OPEN,
      'ticket-999-last.md': OPEN,
      'TICKET-0002-x.md': DONE,
      'TICKET-010.md': OPEN,
      'TICKET-001.md': DONE,
    });
    const queue = await loadQueue({ directory });
    expect(queue.entries.map(({ number }) => number)).toEqual([1, 2, 10, 999, 1000]);
    expect(firstOpen(queue)?.number).toBe(10);
    expect(nextNumber(queue)).toBe(1001);
    expect(queue.findings).toEqual([]);
    expect(queue.remarks).toEqual([]);
  });

  it('is empty, with nothing open, where there is no ticket', async () => {
    const queue = await loadQueue({ directory: tempDir() });
    expect(queue.entries).toEqual([]);
    expect(firstOpen(queue)).toBeNull();
    expect(nextNumber(queue)).toBe(1);
  });

  it('says so when the folder cannot be listed', async () => {
    const directory = join(tempDir(), 'gone');
    await expect(loadQueue({ directory })).rejects.toMatchObject({ code: 'TICKETS_UNREADABLE' });
  });

  it('mentions stray files and leaves hidden ones alone', async () => {
    const directory = tempDir();
    write(directory, {
      'AGENTS.md': '',
      'TICKET-01.md': OPEN,
      '.gitignore': '*',
      'TICKET-001.md': OPEN,
    });
    for (let index = 0; index < 30; index += 1) write(directory, { [`zz-${index}.txt`]: '' });
    mkdirSync(join(directory, 'archive'));
    const queue = await loadQueue({ directory });
    expect(queue.entries).toHaveLength(1);
    expect(queue.findings).toEqual([]);
    expect(queue.remarks.map(({ fileName }) => fileName)).toEqual(
      expect.arrayContaining(['AGENTS.md', 'TICKET-01.md', 'archive', '…']),
    );
    expect(queue.remarks).toHaveLength(21);
  });

  it('lets one bad ticket stop only itself, and be named when its turn comes', async () => {
    const directory = tempDir();
    write(directory, {
      'TICKET-001.md': OPEN,
      'TICKET-002.md': '---\ndone: yes\n---\n',
      'TICKET-003.md': OPEN,
      'TICKET-000.md': '---\ndone: true\nticket_id: x\n---\n',
    });
    const queue = await loadQueue({ directory });
    expect(queue.entries.map(({ kind }) => kind)).toEqual(['bad', 'ticket', 'bad', 'ticket']);
    expect(firstOpen(queue)?.number).toBe(1);
    writeFileSync(join(directory, 'TICKET-001.md'), DONE);
    const bad = firstOpen(await loadQueue({ directory }));
    expect(bad).toMatchObject({ kind: 'bad', number: 2, fileName: 'TICKET-002.md', done: null });
    expect(queue.findings.map(formatFinding)).toContain(
      'TICKET-002.md:2: "done" is "yes", not true or false; instead: done: false (or true when the work is finished)',
    );
  });

  it('stops open tickets that share a number or an id, not the finished ones', async () => {
    const directory = tempDir();
    const withId = (done: boolean): string => `---\ndone: ${done}\nticket_id: same-id\n---\n`;
    write(directory, {
      'TICKET-001-a.md': DONE,
      'TICKET-001-b.md': OPEN,
      'TICKET-002.md': withId(true),
      'TICKET-003.md': withId(false),
      'TICKET-004.md': '---\ndone: false\nticket_id: TICKET-005\n---\n',
      'TICKET-005.md': OPEN,
    });
    const queue = await loadQueue({ directory });
    expect(queue.entries.map(({ kind }) => kind)).toEqual([
      'ticket',
      'bad',
      'ticket',
      'bad',
      'bad',
      'bad',
    ]);
    expect(problemsOf(firstOpen(queue) ?? undefined)).toBe(
      'number 1 is also that of TICKET-001-a.md; ticket_id TICKET-001 is also that of TICKET-001-a.md',
    );
    expect(queue.findings.map(({ fileName }) => fileName)).toHaveLength(8);
  });
});

// Rows 48 to 52 of the fault catalogue.
describe('files that are no tickets', () => {
  it('row 48: never opens a FIFO, a directory or a device', async () => {
    const directory = tempDir();
    for (const number of ['001', '002', '003', '004', '005']) {
      execFileSync('mkfifo', [join(directory, `TICKET-${number}.md`)]);
    }
    mkdirSync(join(directory, 'TICKET-006.md'));
    symlinkSync('/dev/zero', join(directory, 'TICKET-007.md'));
    write(directory, { 'TICKET-008.md': OPEN });
    const started = performance.now();
    const queue = await loadQueue({ directory });
    expect(performance.now() - started).toBeLessThan(2000);
    expect(problemsOf(queue.entries[0])).toBe('it is a FIFO');
    expect(problemsOf(queue.entries[5])).toBe('it is a directory');
    expect(problemsOf(queue.entries[6])).toBe('it is a symbolic link');
    expect(queue.entries[7]?.kind).toBe('ticket');
  });

  it('row 49: refuses links out of the folder, loops, dangling ones and those inside', async () => {
    const outside = join(tempDir(), 'secret.md');
    writeFileSync(outside, OPEN);
    const directory = tempDir();
    write(directory, { 'TICKET-005.md': DONE });
    symlinkSync(outside, join(directory, 'TICKET-001.md'));
    symlinkSync('TICKET-002.md', join(directory, 'TICKET-002.md'));
    symlinkSync('nowhere', join(directory, 'TICKET-003.md'));
    symlinkSync('TICKET-005.md', join(directory, 'TICKET-004.md'));
    const queue = await loadQueue({ directory });
    for (const entry of queue.entries.slice(0, 4)) {
      expect(problemsOf(entry)).toBe('it is a symbolic link');
    }
    expect(queue.findings).toHaveLength(4);
  });

  it('row 50: bounds what it reads and names what it cannot', async () => {
    const directory = tempDir();
    write(directory, {
      'TICKET-001.md': '',
      'TICKET-002.md': `\ufeff${OPEN.replaceAll('\n', '\r\n')}`,
      'TICKET-003.md': Buffer.concat([Buffer.from(OPEN), Buffer.from([0x61, 0xff, 0x62])]),
      'TICKET-004.md': OPEN,
      'TICKET-005.md': OPEN + 'x'.repeat(1024 * 1024 - OPEN.length),
    });
    truncateSync(join(directory, 'TICKET-004.md'), 1024 ** 3);
    const before = process.memoryUsage().rss;
    const queue = await loadQueue({ directory });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    expect(problemsOf(queue.entries[0])).toContain('the first line is not "---"');
    expect(queue.entries[1]).toMatchObject({ kind: 'ticket', ticket: { title: 'Title' } });
    expect(queue.findings.map(formatFinding)).toContain(
      'TICKET-003.md:7: the text is not UTF-8; instead: save the file as UTF-8',
    );
    expect(problemsOf(queue.entries[3])).toBe(
      'it is too large: 1073741824 bytes, more than 1048576',
    );
    expect(queue.entries[4]?.kind).toBe('ticket');
  });

  it('row 51: leaves out what vanished, and finds it at the next look', async () => {
    const directory = tempDir();
    const path = join(directory, 'TICKET-002.md');
    write(directory, { 'TICKET-001.md': OPEN, 'TICKET-002.md': OPEN });
    // The clock is asked between listing and reading: there the file goes away.
    const vanish = (): number => {
      rmSync(path, { force: true });
      return Date.now();
    };
    const cache = createQueueCache();
    const queue = await loadQueue({ directory, cache, now: vanish });
    expect(queue.entries.map(({ number }) => number)).toEqual([1]);
    expect(queue.findings).toEqual([]);
    writeFileSync(path, OPEN);
    expect((await loadQueue({ directory, cache })).entries).toHaveLength(2);
    expect(readTicketFile(directory, 'TICKET-009.md')).toEqual({ kind: 'gone' });
  });

  // Other file systems normalise names or refuse what is not UTF-8.
  it.runIf(process.platform === 'linux')('row 52: is safe with any name', async () => {
    const directory = tempDir();
    const long = `TICKET-004-${'x'.repeat(241)}.md`;
    expect(Buffer.byteLength(long)).toBe(255);
    write(directory, {
      '-rf': 'x',
      '--help.md': 'x',
      'TICKET-001-a\nb.md': OPEN,
      'TICKET-002 -rf.md': OPEN,
      'TICKET-003-...md': OPEN,
      [long]: OPEN,
      'TICKET-005-\u00e9.md': OPEN,
      'TICKET-005-e\u0301.md': OPEN,
      'TICKET-006-\u001b[31m.md': OPEN,
      'TICKET-007-$(touch x);`id`.md': OPEN,
    });
    const raw = Buffer.concat([
      Buffer.from(`${directory}/TICKET-008-`),
      Buffer.from([0xff]),
      Buffer.from('.md'),
    ]);
    writeFileSync(raw, OPEN);
    const queue = await loadQueue({ directory });
    const [newline, dash, dots, longest, twin, otherTwin, escape, shell, notUtf8] = queue.entries;
    expect(problemsOf(newline)).toContain('cannot be shown');
    expect(dash).toMatchObject({ kind: 'ticket', number: 2 });
    expect(dots).toMatchObject({ kind: 'ticket', number: 3 });
    expect(longest).toMatchObject({ kind: 'ticket', number: 4 });
    expect(problemsOf(twin)).toContain('number 5 is also that of');
    expect(problemsOf(otherTwin)).toContain('number 5 is also that of');
    expect(problemsOf(escape)).toContain('cannot be shown');
    expect(shell).toMatchObject({ kind: 'ticket', number: 7 });
    expect(problemsOf(notUtf8)).toContain('not UTF-8');
    const said = [...queue.findings, ...queue.remarks].map(formatFinding).join('|');
    // eslint-disable-next-line no-control-regex
    expect(said).not.toMatch(/[\u0000-\u001f]/);
    expect(existsSync(join(directory, 'x'))).toBe(false);
  });
});

describe('the cache', () => {
  const later = (): number => Date.now() + 60_000;

  it('reads again only what changed', async () => {
    const directory = tempDir();
    write(directory, { 'TICKET-001.md': OPEN, 'TICKET-002.md': OPEN, 'TICKET-003.md': OPEN });
    const cache = createQueueCache();
    const first = await loadQueue({ directory, cache, now: later });
    writeFileSync(join(directory, 'TICKET-002.md'), DONE);
    rmSync(join(directory, 'TICKET-003.md'));
    const reads: string[] = [];
    const second = await loadQueue({
      directory,
      cache,
      now: () => {
        reads.push('read');
        return later();
      },
    });
    expect(reads).toHaveLength(1);
    expect(second.entries[0]).toBe(first.entries[0]);
    expect(second.entries).toMatchObject([{ ticket: { done: false } }, { ticket: { done: true } }]);
  });

  it('sees a change of the same size with the same modification time', async () => {
    const directory = tempDir();
    const path = join(directory, 'TICKET-001.md');
    const when = new Date(1_700_000_000_000);
    writeFileSync(path, OPEN);
    utimesSync(path, when, when);
    const cache = createQueueCache();
    await loadQueue({ directory, cache, now: later });
    writeFileSync(path, DONE.replace('true', 'true '));
    utimesSync(path, when, when);
    const queue = await loadQueue({ directory, cache, now: later });
    expect(queue.entries).toMatchObject([{ ticket: { done: true } }]);
  });

  it('does not trust what it read within the granularity of file times', async () => {
    const directory = tempDir();
    write(directory, { 'TICKET-001.md': OPEN });
    const cache = createQueueCache();
    await loadQueue({ directory, cache });
    expect(cache.files.size).toBe(0);
    await loadQueue({ directory, cache, now: later });
    expect(cache.files.size).toBe(1);
  });

  it('does not mix two directories', async () => {
    const [one, other] = [tempDir(), tempDir()];
    write(one, { 'TICKET-001.md': OPEN });
    write(other, { 'TICKET-001.md': DONE, 'TICKET-002.md': OPEN });
    const cache = createQueueCache();
    const queues = await Promise.all(
      [one, other].map((directory) => loadQueue({ directory, cache, now: later })),
    );
    expect(queues.map((queue) => firstOpen(queue)?.number)).toEqual([1, 2]);
    expect(firstOpen(await loadQueue({ directory: one, cache, now: later }))?.number).toBe(1);
  });
});

describe('resolveTicketsDirectory', () => {
  it("prefers Looper's folder, else CAR's, else says where they would go", () => {
    const workspace = tempDir();
    const own = join(workspace, '.looper', 'tickets');
    const car = join(workspace, '.codex-autorunner', 'tickets');
    expect(resolveTicketsDirectory(workspace, undefined)).toEqual({ kind: 'none', expected: own });
    mkdirSync(car, { recursive: true });
    expect(resolveTicketsDirectory(workspace, undefined)).toEqual({
      kind: 'found',
      directory: car,
      source: 'car',
    });
    mkdirSync(own, { recursive: true });
    expect(resolveTicketsDirectory(workspace, undefined)).toEqual({
      kind: 'found',
      directory: own,
      source: 'looper',
    });
  });

  it('lets the operator name any folder, and nobody else', () => {
    const workspace = tempDir();
    const outside = tempDir();
    expect(resolveTicketsDirectory(workspace, outside)).toMatchObject({ directory: outside });
    mkdirSync(join(workspace, 'work'));
    expect(resolveTicketsDirectory(workspace, 'work')).toMatchObject({ source: 'named' });
    mkdirSync(join(workspace, '.looper'));
    symlinkSync(outside, join(workspace, '.looper', 'tickets'));
    expect(() => resolveTicketsDirectory(workspace, undefined)).toThrow(
      /leads out of the workspace/,
    );
  });

  it.each([
    ['a dangling link', (path: string) => symlinkSync('nowhere', path), /cannot be resolved/],
    ['a file', (path: string) => writeFileSync(path, ''), /is not a directory/],
  ])('refuses %s', (_, make, message) => {
    const workspace = tempDir();
    mkdirSync(join(workspace, '.looper'));
    make(join(workspace, '.looper', 'tickets'));
    expect(() => resolveTicketsDirectory(workspace, undefined)).toThrow(message);
  });

  it('follows a link that stays inside, and misses a named folder aloud', () => {
    const workspace = tempDir();
    mkdirSync(join(workspace, 'work'));
    mkdirSync(join(workspace, '.looper'));
    symlinkSync('../work', join(workspace, '.looper', 'tickets'));
    expect(resolveTicketsDirectory(workspace, undefined)).toMatchObject({
      directory: join(workspace, 'work'),
    });
    expect(() => resolveTicketsDirectory(workspace, 'absent')).toThrow(
      expect.objectContaining({ code: 'TICKETS_UNREADABLE' }),
    );
  });
});

describe('lint and fix', () => {
  it('remarks on an agent that is not ours', async () => {
    const directory = tempDir();
    write(directory, {
      'TICKET-001.md': OPEN.replace('codex', 'opencode'),
      'TICKET-002.md': DONE.replace('codex', 'opencode'),
      'TICKET-003.md': OPEN.replace('codex', 'user'),
    });
    const { findings, remarks } = lintQueue(await loadQueue({ directory }));
    expect(findings).toEqual([]);
    expect(remarks).toMatchObject([{ fileName: 'TICKET-001.md' }]);
  });

  it('fixes what is safe, keeps modes, and leaves no temporary file', async () => {
    const directory = tempDir();
    write(directory, {
      'TICKET-001.md': OPEN.replace('false', 'no'),
      'TICKET-002.md': '---\ndone: false\n\n# Unclosed\n',
      'TICKET-003.md': OPEN.replace('false', 'perhaps'),
      'TICKET-004.md': OPEN,
    });
    chmodSync(join(directory, 'TICKET-001.md'), 0o640);
    const inode = statSync(join(directory, 'TICKET-004.md')).ino;
    const { fixed, failed } = fixTickets(await loadQueue({ directory }));
    expect(failed).toEqual([]);
    expect(fixed).toEqual([
      { fileName: 'TICKET-001.md', changes: ['done: "no" became false'] },
      { fileName: 'TICKET-002.md', changes: ['closed the front matter after line 2'] },
    ]);
    expect(readFileSync(join(directory, 'TICKET-001.md'), 'utf8')).toBe(OPEN);
    expect(statSync(join(directory, 'TICKET-001.md')).mode & 0o777).toBe(0o640);
    expect(statSync(join(directory, 'TICKET-004.md')).ino).toBe(inode);
    expect(readdirSync(directory)).toHaveLength(4);
    const { findings } = await loadQueue({ directory });
    expect(findings).toMatchObject([{ fileName: 'TICKET-003.md', line: 3 }]);
  });

  it("does not overwrite somebody else's edit", () => {
    const directory = tempDir();
    write(directory, { 'TICKET-001.md': OPEN });
    const file = readTicketFile(directory, 'TICKET-001.md');
    if (file.kind !== 'text') throw new Error(file.kind);
    appendFileSync(join(directory, 'TICKET-001.md'), 'more\n');
    expect(() => writeTicketFile(directory, 'TICKET-001.md', DONE, file.state)).toThrow(/changed/);
    renameSync(join(directory, 'TICKET-001.md'), join(directory, 'TICKET-002.md'));
    expect(() => writeTicketFile(directory, 'TICKET-001.md', DONE, file.state)).toThrow(/changed/);
    expect(existsSync(join(directory, 'TICKET-001.md'))).toBe(false);
  });

  it("takes a pack of CAR's as it is: 50 tickets, gaps, its own keys, ids absent", async () => {
    const directory = tempDir();
    const numbers = writeCarPack(directory, 50);
    const queue = await loadQueue({ directory });
    expect(lintQueue(queue)).toEqual({ findings: [], remarks: [] });
    expect(queue.entries.map(({ number }) => number)).toEqual(numbers);
    expect(queue.entries.every(({ kind }) => kind === 'ticket')).toBe(true);
    // Finishing them one by one visits them in order.
    const visited: number[] = [];
    for (let entry = firstOpen(queue); entry !== null && visited.length <= 50;) {
      visited.push(entry.number);
      const path = join(directory, entry.fileName);
      writeFileSync(path, readFileSync(path, 'utf8').replace(/^done: false/m, 'done: true'));
      entry = firstOpen(await loadQueue({ directory }));
    }
    expect(visited).toEqual(numbers);
  });
});
