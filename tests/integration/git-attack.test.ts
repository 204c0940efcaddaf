import { appendFileSync, chmodSync, existsSync, mkdirSync, rmSync, utimesSync } from 'node:fs';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commitTicket } from '../../src/git/commit.ts';
import { commitsSince, newDirt, readDirty } from '../../src/git/dirty.ts';
import { fingerprint } from '../../src/git/fingerprint.ts';
import { resolveRepository } from '../../src/git/repository.ts';
import type { Git } from '../../src/git/safe-git.ts';
import { gitFor, newRepository, person, place, write, type Place } from '../support/git-repo.ts';

const HOOKS = [
  'applypatch-msg',
  'commit-msg',
  'fsmonitor-watchman',
  'post-applypatch',
  'post-checkout',
  'post-commit',
  'post-index-change',
  'post-merge',
  'post-rewrite',
  'post-update',
  'pre-applypatch',
  'pre-auto-gc',
  'pre-commit',
  'pre-merge-commit',
  'pre-push',
  'pre-rebase',
  'pre-receive',
  'prepare-commit-msg',
  'proc-receive',
  'push-to-checkout',
  'reference-transaction',
  'sendemail-validate',
  'update',
];

/** A script that proves by a file of its name that it ran, and then behaves like `cat`. */
function trap(here: Place, name: string): string {
  const script = join(here.root, 'traps', name);
  write(script, `#!/bin/sh\ntouch '${join(here.root, 'canaries', name)}'\nexec cat\n`);
  chmodSync(script, 0o755);
  return script;
}

function canaries(here: Place): string[] {
  return readdirSync(join(here.root, 'canaries'));
}

/** Everything in a repository's own directory that makes git run something. */
function plant(here: Place, work: string): void {
  mkdirSync(join(here.root, 'canaries'), { recursive: true });
  const set = (key: string, value: string) => {
    const [, section, , sub, name] = /^(\w+)(\.(.+))?\.([\w-]+)$/.exec(key) ?? [];
    const head = sub === undefined ? `[${section}]` : `[${section} "${sub}"]`;
    appendFileSync(join(work, '.git/config'), `${head}\n\t${name} = "${value}"\n`);
  };
  for (const hook of HOOKS) {
    write(join(work, '.git/hooks', hook), `#!/bin/sh\nexec '${trap(here, `hook-${hook}`)}'\n`);
    chmodSync(join(work, '.git/hooks', hook), 0o755);
    write(join(work, 'planted-hooks', hook), `#!/bin/sh\nexec '${trap(here, `path-${hook}`)}'\n`);
    chmodSync(join(work, 'planted-hooks', hook), 0o755);
  }
  set('core.hooksPath', join(work, 'planted-hooks'));
  set('core.fsmonitor', trap(here, 'fsmonitor'));
  set('core.pager', trap(here, 'pager'));
  set('core.editor', trap(here, 'editor'));
  set('sequence.editor', trap(here, 'sequence-editor'));
  set('core.sshCommand', trap(here, 'ssh'));
  set('core.gitProxy', trap(here, 'proxy'));
  set('core.askPass', trap(here, 'askpass'));
  set('core.alternateRefsCommand', trap(here, 'alternate-refs'));
  set('credential.helper', trap(here, 'credential'));
  set('commit.gpgSign', 'true');
  set('gpg.program', trap(here, 'gpg'));
  set('gpg.ssh.program', trap(here, 'gpg-ssh'));
  set('gpg.x509.program', trap(here, 'gpg-x509'));
  set('diff.external', trap(here, 'external-diff'));
  set('diff.evil.command', trap(here, 'diff-command'));
  set('diff.evil.textconv', trap(here, 'textconv'));
  set('merge.evil.driver', trap(here, 'merge-driver'));
  set('filter.evil.clean', trap(here, 'clean'));
  set('filter.evil.smudge', trap(here, 'smudge'));
  set('filter.process.process', trap(here, 'process'));
  set('filter.process.required', 'true');
  for (const name of ['status', 'commit-tree', 'update-index', 'ls-files', 'rev-parse']) {
    set(`alias.${name}`, `!${trap(here, `alias-${name}`)}`);
  }
  set('status.showUntrackedFiles', 'no');
  set('remote.origin.url', `ext::${trap(here, 'ext-remote')}`);
  set('remote.origin.promisor', 'true');
  set('remote.origin.uploadpack', trap(here, 'uploadpack'));
  set('extensions.partialClone', 'origin');
  set('protocol.allow', 'always');
  set('trace2.eventTarget', join(here.root, 'canaries', 'trace2'));
  set('core.worktree', join(here.root, 'foreign'));
  set('user.name', 'Somebody Else');
  write(join(work, 'planted.config'), `[core]\n\tfsmonitor = ${trap(here, 'included')}\n`);
  set('include.path', join(work, 'planted.config'));
  set('includeIf.gitdir:/.path', join(work, 'planted.config'));
  write(join(work, '.git/info/attributes'), '*.process filter=process diff=evil merge=evil\n');
  write(join(work, '.gitattributes'), '*.evil filter=evil diff=evil merge=evil\n* diff=evil\n');
  write(join(work, '.git/config.worktree'), `[core]\n\tfsmonitor = ${trap(here, 'worktree')}\n`);
  set('extensions.worktreeConfig', 'true');
}

async function everyCall(git: Git, before: Awaited<ReturnType<typeof readDirty>>) {
  const { workTree } = git.repository;
  await fingerprint(git, workTree);
  await readDirty(git);
  await newDirt(git, before);
  const result = await commitTicket(git, {
    before,
    title: 'x',
    id: 'TICKET-001',
    runId: '0a1b2c3d',
    ticketPath: join(workTree, '.looper/tickets/TICKET-001.md'),
  });
  await commitsSince(git, before.head);
  return result;
}

describe('a repository full of traps', () => {
  it('springs none that the agent plants during the run', async () => {
    const here = place();
    newRepository(here, {}, 'foreign');
    const work = newRepository(here, { 'a.evil': '1', 'a.process': '1', 'a.txt': '1' });
    const git = await gitFor(here, work);
    const before = await readDirty(git);
    plant(here, work);
    for (const name of ['a.evil', 'a.process', 'a.txt', 'new.evil', 'new.process', 'new.txt']) {
      write(join(work, name), '2');
    }
    const result = await everyCall(git, before);
    expect(canaries(here)).toEqual([]);
    if (result.kind !== 'committed') throw new Error(JSON.stringify(result));
    expect(result.files).toEqual(expect.arrayContaining(['a.txt', 'new.txt', '.gitattributes']));
    expect(result.leftAlone.map(({ path }) => path).sort()).toEqual([
      'a.evil',
      'a.process',
      'new.evil',
      'new.process',
    ]);
    // Who commits was settled before the first turn.
    const author = await git.run(['log', '-1', '--format=%an']);
    expect(author.toString()).toBe('Ada\n');
  });

  it('springs none that were there before the run', async () => {
    const here = place();
    newRepository(here, {}, 'foreign');
    const work = newRepository(here, { 'a.evil': '1', 'a.process': '1', 'a.txt': '1' });
    plant(here, work);
    const warnings: string[] = [];
    const options = { env: here.env, scratch: here.scratch, warn: (w: string) => warnings.push(w) };
    expect(await resolveRepository(work, options)).toBeNull();
    expect(warnings.join()).toMatch(/does not point back/);

    appendFileSync(join(work, '.git/config'), `[core]\n\tworktree = ${work}\n`);
    const git = await gitFor(here, work);
    const before = await readDirty(git);
    for (const name of ['a.evil', 'a.process', 'a.txt', 'new.evil', 'new.process', 'new.txt']) {
      write(join(work, name), '2');
    }
    // Times that the index does not know make git read every file again, through its filters.
    for (const name of ['a.evil', 'a.process']) utimesSync(join(work, name), 1, 1);
    expect(await everyCall(git, before)).toMatchObject({ kind: 'committed' });
    expect(canaries(here)).toEqual([]);
  });

  it('would have been sprung by git itself', async () => {
    const here = place();
    newRepository(here, {}, 'foreign');
    const work = newRepository(here, { 'a.evil': '1' });
    plant(here, work);
    appendFileSync(join(work, '.git/config'), `[core]\n\tworktree = ${work}\n`);
    write(join(work, 'a.evil'), '2');
    expect(() => person(here, work, 'commit', '--all', '--message=x')).toThrow(/./);
    expect(canaries(here)).toEqual(expect.arrayContaining(['clean', 'gpg']));
    expect(
      canaries(here).some((name) => /^(path-|included$|worktree$|fsmonitor$)/.test(name)),
    ).toBe(true);
  });
});

describe('a foreign repository', () => {
  it('is never opened, wherever the agent points at it from', async () => {
    const here = place();
    const work = newRepository(here, { 'sub/a.txt': '1', 'a.txt': '1' });
    // A repository with an object store that is unreadable garbage and a config that git dies of:
    // whoever opens it fails.
    const foreign = newRepository(here, { secret: '1' }, 'foreign');
    appendFileSync(join(foreign, '.git/config'), '[broken\n');
    const git = await gitFor(here, work);
    const before = await readDirty(git);

    write(join(work, 'nested/.git'), `gitdir: ${foreign}/.git\n`);
    write(join(work, 'nested/file'), '1');
    write(join(work, 'a.txt'), '2');
    const result = await everyCall(git, before);
    expect(result).toMatchObject({ kind: 'committed', files: ['a.txt'] });
    expect(result).toHaveProperty('leftAlone', [
      { path: 'nested/', why: 'is a repository of its own' },
    ]);

    // A submodule whose .git file is turned to it.
    const id = person(here, work, 'rev-parse', 'HEAD');
    person(here, work, 'update-index', '--add', '--cacheinfo', `160000,${id},nested`);
    const then = await readDirty(git);
    write(join(work, 'a.txt'), '3');
    expect(await everyCall(git, then)).toMatchObject({ kind: 'committed', files: ['a.txt'] });

    // The repository itself.
    rmSync(join(work, '.git'), { recursive: true });
    write(join(work, '.git'), `gitdir: ${foreign}/.git\n`);
    await expect(readDirty(git)).rejects.toMatchObject({ kind: 'moved' });
    expect(await fingerprint(git, work)).toBeNull();
    expect(existsSync(join(foreign, '.git/index.lock'))).toBe(false);
  });
});
