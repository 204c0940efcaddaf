import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDirty } from '../../src/git/dirty.ts';
import { gitDirectoriesToOpen, resolveRepository } from '../../src/git/repository.ts';
import { createGit } from '../../src/git/safe-git.ts';
import {
  gitFor,
  newRepository,
  person,
  place,
  resolved,
  write,
  type Place,
} from '../support/git-repo.ts';

async function refusal(here: Place, workspace: string, uid?: number): Promise<string> {
  const warnings: string[] = [];
  const repository = await resolveRepository(workspace, {
    env: here.env,
    scratch: here.scratch,
    warn: (sentence) => warnings.push(sentence),
    ...(uid === undefined ? {} : { uid }),
  });
  expect(repository).toBeNull();
  return warnings.join('\n');
}

describe('resolveRepository', () => {
  it('finds the root, and the root of a folder below it', async () => {
    const here = place();
    const work = newRepository(here, { 'deep/er/a.txt': 'a' });
    const plain = { workTree: work, gitDir: join(work, '.git'), commonDir: join(work, '.git') };
    expect(await resolved(here, work)).toMatchObject({ ...plain, prefix: '' });
    expect(await resolved(here, join(work, 'deep/er'))).toMatchObject({
      ...plain,
      prefix: 'deep/er',
    });
    expect(gitDirectoriesToOpen(await resolved(here, work))).toEqual([join(work, '.git')]);
  });

  it('finds a linked worktree with its two directories', async () => {
    const here = place();
    const main = newRepository(here);
    const linked = join(here.root, 'linked');
    person(here, main, 'worktree', 'add', '--quiet', linked);
    const repository = await resolved(here, linked);
    expect(repository).toMatchObject({
      workTree: linked,
      gitDir: join(main, '.git/worktrees/linked'),
      commonDir: join(main, '.git'),
    });
    expect(gitDirectoriesToOpen(repository)).toEqual([repository.commonDir, repository.gitDir]);
    write(join(linked, 'new'), 'x');
    const git = createGit(repository, { timeoutMs: 20_000, scratch: here.scratch });
    const dirty = await readDirty(git);
    expect(dirty.paths.map(([path]) => path)).toEqual(['new']);
    expect(dirty.head).toBe(person(here, linked, 'rev-parse', 'HEAD'));
  });

  it('finds a submodule', async () => {
    const here = place();
    const library = newRepository(here, { 'lib.txt': 'x' }, 'library');
    const main = newRepository(here);
    person(
      here,
      main,
      '-c',
      'protocol.file.allow=always',
      'submodule',
      '--quiet',
      'add',
      library,
      'sub',
    );
    const sub = join(main, 'sub');
    expect(await resolved(here, sub)).toMatchObject({
      workTree: sub,
      gitDir: join(main, '.git/modules/sub'),
      commonDir: join(main, '.git/modules/sub'),
    });
  });

  it('reads SHA-256 repositories and those without a commit', async () => {
    const here = place();
    const work = join(here.root, 'sha256');
    mkdirSync(work);
    person(here, work, 'init', '--quiet', '--object-format=sha256');
    write(join(work, 'new'), 'x');
    const dirty = await readDirty(await gitFor(here, work));
    expect(dirty.head).toBeNull();
    expect(dirty.paths.map(([path]) => path)).toEqual(['new']);
  });

  it('takes the person’s conditional settings', async () => {
    const here = place();
    const work = newRepository(here);
    appendFileSync(
      join(here.home, '.gitconfig'),
      `[includeIf "gitdir:${work}/"]\n\tpath = ~/work.config\n`,
    );
    write(join(here.home, 'work.config'), '[user]\n\temail = ada@work.example\n');
    const { settings } = await resolved(here, work);
    expect(settings).toContainEqual(['user.email', 'ada@work.example']);
  });

  it('says nothing where there is no repository', async () => {
    const here = place();
    expect(await refusal(here, here.root)).toBe('');
  });

  it('passes by the empty .git that a killed sandbox leaves, before the run and during it', async () => {
    const here = place();
    const work = newRepository(here);
    const below = join(work, 'below');
    mkdirSync(join(below, '.git'), { recursive: true });
    const repository = await resolved(here, below);
    expect(repository).toMatchObject({ workTree: work, prefix: 'below' });
    const git = createGit(repository, { timeoutMs: 10_000, scratch: here.scratch });
    rmdirSync(join(below, '.git'));
    await git.run(['rev-parse', 'HEAD']);
    mkdirSync(join(below, '.git'));
    await git.run(['rev-parse', 'HEAD']);
    writeFileSync(join(below, '.git', 'HEAD'), 'ref: refs/heads/main\n');
    await expect(git.run(['rev-parse', 'HEAD'])).rejects.toThrow(/no longer what it was/);
  });

  it('refuses another user’s repository unless safe.directory names it', async () => {
    const here = place();
    const work = newRepository(here);
    // Root trusts root's files whoever asks, so they must be somebody's: only root can see to that.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) execFileSync('chown', ['-R', '4000001', work]);
    const uid = isRoot ? 0 : 4_000_001;
    expect(await refusal(here, work, uid)).toMatch(/belongs to another user.*safe\.directory/);

    const options = { env: here.env, scratch: here.scratch, uid };
    const config = ['config', '--global', '--add', 'safe.directory'];
    person(here, here.root, ...config, work);
    expect(await resolveRepository(work, options)).toMatchObject({ workTree: work });
    person(here, here.root, ...config, '');
    expect(await refusal(here, work, uid)).toMatch(/belongs to another user/);
  });

  it('refuses a .git file whose directory does not point back', async () => {
    const here = place();
    const other = newRepository(here, {}, 'other');
    const work = join(here.root, 'work');
    write(join(work, '.git'), `gitdir: ${other}/.git\n`);
    expect(await refusal(here, work)).toMatch(/does not point back/);

    person(here, other, 'worktree', 'add', '--quiet', join(here.root, 'linked'));
    write(join(work, '.git'), `gitdir: ${other}/.git/worktrees/linked\n`);
    expect(await refusal(here, work)).toMatch(/does not point back/);
  });

  it('refuses links, stray commondir files, bare and unknown repositories', async () => {
    const here = place();
    const other = newRepository(here, {}, 'other');
    const link = join(here.root, 'link');
    mkdirSync(link);
    symlinkSync(join(other, '.git'), join(link, '.git'));
    expect(await refusal(here, link)).toMatch(/link or a special file/);

    const sent = newRepository(here, {}, 'sent');
    write(join(sent, '.git/commondir'), join(other, '.git'));
    expect(await refusal(here, sent)).toMatch(/commondir/);

    const hollow = newRepository(here, {}, 'hollow');
    renameSync(join(hollow, '.git/objects'), join(here.root, 'objects'));
    symlinkSync(join(here.root, 'objects'), join(hollow, '.git/objects'));
    expect(await refusal(here, hollow)).toMatch(/no usable objects/);

    const bare = newRepository(here, {}, 'bare');
    person(here, bare, 'config', 'core.bare', 'true');
    expect(await refusal(here, bare)).toMatch(/bare/);

    const future = newRepository(here, {}, 'future');
    appendFileSync(join(future, '.git/config'), '[extensions]\n\tfuturething = true\n');
    expect(await refusal(here, future)).toMatch(/futurething/);
  });

  it('never takes git from the work tree', async () => {
    const here = place();
    const work = newRepository(here);
    write(join(work, 'bin/git'), `#!/bin/sh\ntouch ${here.root}/canary\n`);
    execFileSync('chmod', ['+x', join(work, 'bin/git')]);
    here.env['PATH'] = `${join(work, 'bin')}:bin:${here.env['PATH']}`;
    expect((await resolved(here, work)).searchPath).not.toContain(join(work, 'bin'));
    here.env['PATH'] = join(work, 'bin');
    expect((await resolved(here, work)).searchPath).toBe('/usr/bin:/bin');
  });

  it('says what is missing where there is no git', async () => {
    const here = place();
    const work = newRepository(here);
    here.env['PATH'] = here.root;
    expect(await refusal(here, work)).toMatch(/install git/);
  });
});

describe('createGit', () => {
  it('stops calling git once anything that it stands on was swapped', async () => {
    const here = place();
    const foreign = newRepository(here, {}, 'foreign');
    const swaps: ((work: string) => void)[] = [
      (work) => {
        rmSync(join(work, '.git'), { recursive: true });
        writeFileSync(join(work, '.git'), `gitdir: ${foreign}/.git\n`);
      },
      (work) => {
        rmSync(join(work, '.git'), { recursive: true });
        symlinkSync(join(foreign, '.git'), join(work, '.git'));
      },
      (work) => {
        renameSync(join(work, '.git'), join(work, 'old'));
        person(here, work, 'init', '--quiet');
      },
      (work) => writeFileSync(join(work, '.git/commondir'), `${foreign}/.git\n`),
      (work) =>
        writeFileSync(join(work, '.git/objects/info/alternates'), `${foreign}/.git/objects\n`),
      (work) => {
        rmSync(join(work, '.git/objects'), { recursive: true });
        symlinkSync(join(foreign, '.git/objects'), join(work, '.git/objects'));
      },
      (work) => {
        rmSync(join(work, '.git/index'));
        symlinkSync(join(foreign, '.git/index'), join(work, '.git/index'));
      },
      (work) => {
        rmSync(join(work, '.git/HEAD'));
        symlinkSync(join(foreign, '.git/HEAD'), join(work, '.git/HEAD'));
      },
      (work) => {
        symlinkSync(join(foreign, '.git/refs/heads'), join(work, '.git/refs/heads/x'));
        writeFileSync(join(work, '.git/HEAD'), 'ref: refs/heads/x/main\n');
      },
      (work) => {
        renameSync(work, `${work}-old`);
        mkdirSync(work);
        renameSync(`${work}-old/.git`, join(work, '.git'));
      },
    ];
    for (const [number, swap] of swaps.entries()) {
      const work = newRepository(here, {}, `work${number}`);
      const git = await gitFor(here, work);
      await git.run(['rev-parse', 'HEAD']);
      swap(work);
      await expect(git.run(['rev-parse', 'HEAD']), `swap ${number}`).rejects.toMatchObject({
        kind: 'moved',
      });
    }
  });

  it('notices a repository that appears in a workspace below the root', async () => {
    const here = place();
    const work = newRepository(here, { 'sub/a.txt': 'a' });
    const git = await gitFor(here, join(work, 'sub'));
    person(here, join(work, 'sub'), 'init', '--quiet');
    await expect(git.run(['rev-parse', 'HEAD'])).rejects.toMatchObject({ kind: 'moved' });
  });

  it('names what git said, and ends at its deadline', async () => {
    const here = place();
    const repository = await resolved(here, newRepository(here));
    const git = createGit(repository, { timeoutMs: 20_000, scratch: here.scratch });
    await expect(git.run(['rev-parse', '--verify', 'nonsense'])).rejects.toThrow(
      /git rev-parse failed in .*work: fatal/,
    );
    const slow = join(here.root, 'slow');
    mkdirSync(slow);
    writeFileSync(join(slow, 'git'), '#!/bin/sh\nexec /bin/sleep 60\n', { mode: 0o755 });
    const hasty = createGit(
      { ...repository, searchPath: slow },
      { timeoutMs: 100, scratch: here.scratch },
    );
    await expect(hasty.run(['status'])).rejects.toMatchObject({ kind: 'timeout' });
  });
});
