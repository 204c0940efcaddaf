import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { commitTicket, type CommitResult } from '../../src/git/commit.ts';
import { commitsSince, newDirt, readDirty } from '../../src/git/dirty.ts';
import type { DirtyPaths } from '../../src/git/repository.ts';
import type { Git } from '../../src/git/safe-git.ts';
import { gitFor, newRepository, person, place, write, type Place } from '../support/git-repo.ts';

const ticket = { title: 'Add a login', id: 'TICKET-007', runId: '0a1b2c3d' };

async function begin(git: Git): Promise<DirtyPaths> {
  return JSON.parse(JSON.stringify(await readDirty(git))) as DirtyPaths;
}

function finish(git: Git, before: DirtyPaths, ticketPath = '/none'): Promise<CommitResult> {
  return commitTicket(git, { ...ticket, before, ticketPath });
}

async function committed(git: Git, before: DirtyPaths, ticketPath?: string) {
  const result = await finish(git, before, ticketPath);
  if (result.kind !== 'committed') throw new Error(JSON.stringify(result));
  return { ...result, files: [...result.files].sort() };
}

/** Path, mode and content id of everything in a commit. */
function tree(here: Place, work: string, commit = 'HEAD'): string[] {
  return person(here, work, 'ls-tree', '-r', '-z', commit)
    .split('\0')
    .filter((line) => line !== '');
}

describe('commitTicket', () => {
  it('commits changes, additions, deletions, modes and links, and nothing that is ignored', async () => {
    const here = place();
    const work = newRepository(here, {
      changed: '1',
      deleted: '1',
      renamed: 'some text that is long enough',
      'script.sh': '#!/bin/sh\n',
      'folder/file': '1',
      'becomes-folder': '1',
      '.gitignore': '*.log\n',
    });
    const git = await gitFor(here, work);
    const before = await begin(git);
    write(join(work, 'changed'), '2');
    rmSync(join(work, 'deleted'));
    renameSync(join(work, 'renamed'), join(work, 'new name'));
    chmodSync(join(work, 'script.sh'), 0o755);
    rmSync(join(work, 'folder'), { recursive: true });
    write(join(work, 'folder'), 'now a file');
    rmSync(join(work, 'becomes-folder'));
    write(join(work, 'becomes-folder/file'), '1');
    symlinkSync('/etc/passwd', join(work, 'link'));
    write(join(work, 'debug.log'), 'x');
    const result = await committed(git, before);
    expect(result.files).toEqual(
      [
        'becomes-folder',
        'becomes-folder/file',
        'changed',
        'deleted',
        'folder',
        'folder/file',
        'link',
        'new name',
        'renamed',
        'script.sh',
      ].sort(),
    );
    expect(result.leftAlone).toEqual([]);
    expect(person(here, work, 'status', '--porcelain')).toBe('');
    expect(person(here, work, 'rev-parse', 'refs/heads/main')).toBe(result.commit);
    const entries = tree(here, work);
    expect(entries.find((entry) => entry.endsWith('\tlink'))).toMatch(/^120000/);
    expect(entries.find((entry) => entry.endsWith('\tscript.sh'))).toMatch(/^100755/);
    expect(person(here, work, 'show', 'HEAD:link')).toBe('/etc/passwd');
    expect(person(here, work, 'log', '-1', '--format=%an <%ae> %cn%n%B')).toBe(
      'Ada <ada@example.org> Ada\nAdd a login\n\nTicket: TICKET-007\nLooper-Run: 0a1b2c3d',
    );
    expect(person(here, work, 'reflog', '-1', '--format=%gs')).toBe('commit: Add a login');
    expect(person(here, work, 'fsck', '--strict')).toBe('');
    expect(readdirSync(here.scratch)).toEqual([]);
  });

  it('takes any name literally', async () => {
    const here = place();
    const work = newRepository(here);
    const git = await gitFor(here, work);
    const before = await begin(git);
    const names = [
      '-dash',
      '--all',
      ':(exclude)*',
      '*',
      'new\nline',
      ' blank ',
      'ümlaut',
      '"q"',
      '#x',
    ];
    for (const name of names) writeFileSync(join(work, name), name);
    const result = await committed(git, before);
    expect(result.files).toEqual(names.sort());
    expect(person(here, work, 'status', '--porcelain')).toBe('');
  });

  it('leaves what a person had begun, and what they staged, exactly as it was', async () => {
    const here = place();
    const work = newRepository(here, { mine: '1', staged: '1', both: '1', agents: '1' });
    write(join(work, 'mine'), 'half done');
    write(join(work, 'both'), 'half done');
    write(join(work, 'untracked'), 'half done');
    write(join(work, 'staged'), 'staged');
    person(here, work, 'add', 'staged');
    write(join(work, 'staged'), 'staged, then more');
    write(join(work, 'intended'), 'x');
    person(here, work, 'add', '--intent-to-add', 'intended');
    person(here, work, 'rm', '--quiet', '--cached', 'a.txt', '--ignore-unmatch');
    const git = await gitFor(here, work);
    const before = await begin(git);
    const stagedBefore = person(here, work, 'diff', '--cached', '--raw');

    write(join(work, 'both'), 'half done, and the agent');
    write(join(work, 'agents'), '2');
    const result = await committed(git, before);
    expect(result.files).toEqual(['agents']);
    expect(result.leftAlone).toEqual([
      { path: 'both', why: 'was not committed when the ticket began, and has changed since' },
    ]);
    expect(person(here, work, 'diff', '--cached', '--raw')).toBe(stagedBefore);
    const state = person(here, work, 'status', '--porcelain', '-z').split('\0');
    expect(state.map((line) => line.trim()).sort()).toEqual(
      ['', '?? untracked', 'A intended', 'M both', 'M mine', 'MM staged'].sort(),
    );
    expect(readFileSync(join(work, 'both'), 'utf8')).toBe('half done, and the agent');
  });

  it('makes the first commit, and works on a detached HEAD', async () => {
    const here = place();
    const work = join(here.root, 'fresh');
    mkdirSync(work);
    person(here, work, 'init', '--quiet', '--initial-branch=main');
    const git = await gitFor(here, work);
    const before = await begin(git);
    write(join(work, 'first'), '1');
    const first = await committed(git, before);
    expect(person(here, work, 'rev-parse', 'main')).toBe(first.commit);
    expect(await commitsSince(git, before.head)).toEqual([first.commit]);

    person(here, work, 'checkout', '--quiet', '--detach');
    const then = await begin(git);
    write(join(work, 'second'), '2');
    const second = await committed(git, then);
    expect(person(here, work, 'rev-parse', 'HEAD')).toBe(second.commit);
    expect(person(here, work, 'rev-parse', 'main')).toBe(first.commit);
    expect(await commitsSince(git, then.head)).toEqual([second.commit]);
    expect(await commitsSince(git, second.commit)).toEqual([]);
  });

  it('commits in a linked worktree, to its branch only', async () => {
    const here = place();
    const main = newRepository(here);
    const linked = join(here.root, 'linked');
    person(here, main, 'worktree', 'add', '--quiet', linked);
    const git = await gitFor(here, linked);
    const before = await begin(git);
    write(join(linked, 'new'), '1');
    const { commit } = await committed(git, before);
    expect(person(here, main, 'rev-parse', 'linked')).toBe(commit);
    expect(person(here, main, 'rev-parse', 'main')).not.toBe(commit);
    expect(person(here, linked, 'status', '--porcelain')).toBe('');
  });

  it('commits in a SHA-256 repository, deletions too', async () => {
    const here = place();
    const work = join(here.root, 'sha256');
    mkdirSync(work);
    person(here, work, 'init', '--quiet', '--object-format=sha256');
    write(join(work, 'a'), '1');
    person(here, work, 'add', 'a');
    person(here, work, 'commit', '--quiet', '--message=start');
    const git = await gitFor(here, work);
    const before = await begin(git);
    rmSync(join(work, 'a'));
    write(join(work, 'b'), '1');
    expect((await committed(git, before)).commit).toHaveLength(64);
    expect(person(here, work, 'status', '--porcelain')).toBe('');
  });

  it('stays inside a workspace below the root', async () => {
    const here = place();
    const work = newRepository(here, { 'sub[1]/in': '1', 'sub1/out': '1' });
    const git = await gitFor(here, join(work, 'sub[1]'));
    const before = await begin(git);
    write(join(work, 'sub[1]/in'), '2');
    write(join(work, 'sub[1]/.looper/x'), '2');
    write(join(work, 'sub1/out'), '2');
    const result = await committed(git, before);
    expect(result.files).toEqual(['sub[1]/in']);
    expect(person(here, work, 'status', '--porcelain')).toBe('M sub1/out\n?? sub[1]/.looper/');
  });

  it('counts a ticket only where git tracks it', async () => {
    const here = place();
    const work = newRepository(here, {
      '.looper/tickets/TICKET-001.md': 'done: false',
      '.looper/tickets/TICKET-002.md': 'done: false',
    });
    const git = await gitFor(here, work);
    const before = await begin(git);
    const first = join(work, '.looper/tickets/TICKET-001.md');
    write(first, 'done: true');
    write(join(work, '.looper/tickets/TICKET-002.md'), 'goal: changed');
    write(join(work, '.looper/tickets/TICKET-003.md'), 'done: false');
    write(join(work, '.codex-autorunner/x'), 'x');
    expect((await committed(git, before, first)).files).toEqual(['.looper/tickets/TICKET-001.md']);
    const third = join(work, '.looper/tickets/TICKET-003.md');
    expect(await finish(git, before, third)).toEqual({ kind: 'nothing', leftAlone: [] });
  });

  it('says so when there is nothing to commit', async () => {
    const here = place();
    const work = newRepository(here, { a: '1' });
    const git = await gitFor(here, work);
    const before = await begin(git);
    expect(await finish(git, before)).toEqual({ kind: 'nothing', leftAlone: [] });
    // A touched file is no change.
    writeFileSync(join(work, 'a'), '1');
    expect(await finish(git, before)).toEqual({ kind: 'nothing', leftAlone: [] });
  });

  it('signs as Looper where the person has no name, and never runs a signing program', async () => {
    const here = place();
    const work = newRepository(here);
    write(
      join(here.home, '.gitconfig'),
      `[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = touch ${here.root}/canary; false\n`,
    );
    const git = await gitFor(here, work);
    const before = await begin(git);
    write(join(work, 'new'), '1');
    await committed(git, before);
    expect(person(here, work, 'log', '-1', '--format=%an <%ae> %cn <%ce>')).toBe(
      'Looper <looper@localhost> Looper <looper@localhost>',
    );
    expect(readdirSync(here.root)).not.toContain('canary');
  });

  it('commits nothing while a merge, a rebase or a cherry-pick waits for a person', async () => {
    const here = place();
    const work = newRepository(here, { a: '1' });
    person(here, work, 'checkout', '--quiet', '-b', 'other');
    write(join(work, 'a'), 'other');
    person(here, work, 'commit', '--quiet', '-a', '-m', 'other');
    person(here, work, 'checkout', '--quiet', 'main');
    write(join(work, 'a'), 'main');
    person(here, work, 'commit', '--quiet', '-a', '-m', 'main');
    const git = await gitFor(here, work);
    const before = await begin(git);
    for (const command of ['merge', 'rebase', 'cherry-pick']) {
      expect(() => person(here, work, command, 'other')).toThrow(/./);
      write(join(work, 'new'), '1');
      const head = person(here, work, 'rev-parse', 'HEAD');
      const result = await finish(git, before);
      expect(result).toMatchObject({ kind: 'failed' });
      expect(result).toHaveProperty(
        'message',
        expect.stringContaining(`a ${command} is under way`),
      );
      expect(person(here, work, 'rev-parse', 'HEAD')).toBe(head);
      person(here, work, command, '--abort');
    }
    expect(await finish(git, before)).toMatchObject({ kind: 'committed', files: ['new'] });
  });

  it('leaves alone what git cannot take, and commits the rest', async () => {
    const here = place();
    const work = newRepository(here, {
      tracked: '1',
      '.gitattributes': '*.bin filter=lfs\n*.u16 text working-tree-encoding=UTF-16\n',
    });
    const git = await gitFor(here, work);
    const before = await begin(git);
    write(join(work, 'big.bin'), 'raw content');
    write(join(work, 'good'), '1');
    write(join(work, 'text.u16'), 'no byte order mark');
    rmSync(join(work, 'tracked'));
    execFileSync('mkfifo', [join(work, 'tracked')]);
    newRepository(here, {}, 'work/nested');
    const result = await committed(git, before);
    expect(result.files).toEqual(['good']);
    expect(Object.fromEntries(result.leftAlone.map(({ path, why }) => [path, why]))).toEqual({
      'big.bin': expect.stringContaining('"lfs"'),
      'text.u16': expect.stringContaining('not taken by git'),
      'nested/': 'is a repository of its own',
      tracked: 'is no regular file',
    });
    expect(await newDirt(git, before)).not.toContain('big.bin');
  });

  it('never follows a link out of the work tree', async () => {
    const here = place();
    const work = newRepository(here, { 'folder/secret': 'inside' });
    write(join(here.root, 'outside/secret'), 'outside');
    const git = await gitFor(here, work);
    const before = await begin(git);
    rmSync(join(work, 'folder'), { recursive: true });
    symlinkSync(join(here.root, 'outside'), join(work, 'folder'));
    expect((await committed(git, before)).files).toEqual(['folder', 'folder/secret']);
    expect(tree(here, work).map((entry) => entry.replace(/ .*\t/s, ' '))).toEqual([
      '120000 folder',
    ]);
  });

  it('waits for a person’s index lock, and changes nothing when it cannot move HEAD', async () => {
    const here = place();
    const work = newRepository(here, { a: '1' });
    const git = await gitFor(here, work);
    const before = await begin(git);
    write(join(work, 'a'), '2');
    write(join(work, 'new'), '1');
    const index = person(here, work, 'ls-files', '--stage');
    const refLock = join(work, '.git/refs/heads/main.lock');
    writeFileSync(refLock, '');
    const failed = await finish(git, before);
    expect(failed).toMatchObject({ kind: 'failed' });
    expect(failed).toHaveProperty('message', expect.stringContaining('main.lock'));
    expect(person(here, work, 'ls-files', '--stage')).toBe(index);
    rmSync(refLock);

    const indexLock = join(work, '.git/index.lock');
    writeFileSync(indexLock, '');
    const [result] = await Promise.all([
      finish(git, before),
      delay(400).then(() => rmSync(indexLock)),
    ]);
    expect(result).toMatchObject({ kind: 'committed', files: ['a', 'new'] });
  });

  it('keeps line endings as the repository wants them', async () => {
    const here = place();
    const work = newRepository(here, { '.gitattributes': '*.txt text eol=crlf\n' });
    person(here, work, 'config', 'core.autocrlf', 'true');
    const git = await gitFor(here, work);
    const before = await begin(git);
    write(join(work, 'lines'), 'one\r\ntwo\r\n');
    write(join(work, 'lines.txt'), 'one\r\n');
    await committed(git, before);
    const blob = (path: string) =>
      execFileSync('git', ['cat-file', 'blob', `HEAD:${path}`], { cwd: work, env: here.env });
    expect(blob('lines').toString()).toBe('one\ntwo\n');
    expect(blob('lines.txt').toString()).toBe('one\n');
    expect(person(here, work, 'status', '--porcelain')).toBe('');
  });

  it('works in a partial clone without fetching', async () => {
    const here = place();
    const origin = newRepository(here, { a: '1', b: '1' }, 'origin');
    person(here, origin, 'config', 'uploadpack.allowFilter', 'true');
    person(
      here,
      here.root,
      'clone',
      '--quiet',
      '--no-checkout',
      '--filter=blob:none',
      `file://${origin}`,
      'partial',
    );
    const work = join(here.root, 'partial');
    person(here, work, 'sparse-checkout', 'set', '--no-cone', '/b');
    person(here, work, 'checkout', '--quiet', 'main');
    renameSync(origin, `${origin}-gone`);
    const git = await gitFor(here, work);
    const before = await begin(git);
    expect(before.paths).toEqual([]);
    write(join(work, 'b'), '2');
    expect((await committed(git, before)).files).toEqual(['b']);
    expect(tree(here, work).map((entry) => entry.slice(entry.indexOf('\t') + 1))).toEqual([
      'a',
      'b',
    ]);
    expect(person(here, work, 'status', '--porcelain', '--no-renames')).toBe('');
  });
});

describe('newDirt', () => {
  it('is what the agent left uncommitted, not what was there before', async () => {
    const here = place();
    const work = newRepository(here, { mine: '1', both: '1', done: '1' });
    write(join(work, 'mine'), '2');
    write(join(work, 'both'), '2');
    const git = await gitFor(here, work);
    const before = await begin(git);
    write(join(work, 'both'), '3');
    write(join(work, 'left'), '1');
    write(join(work, 'done'), '2');
    person(here, work, 'commit', '--quiet', '--message=agent', 'done');
    expect((await newDirt(git, before)).sort()).toEqual(['both', 'left']);
    expect(await commitsSince(git, before.head)).toHaveLength(1);
    expect(await commitsSince(git, 'f'.repeat(40))).toHaveLength(2);
  });

  it('ends with the repository', async () => {
    const here = place();
    const work = newRepository(here);
    const git = await gitFor(here, work);
    const before = await begin(git);
    appendFileSync(join(work, '.git/commondir'), '../elsewhere\n');
    await expect(newDirt(git, before)).rejects.toMatchObject({ kind: 'moved' });
    expect(await finish(git, before)).toMatchObject({ kind: 'failed' });
  });
});
