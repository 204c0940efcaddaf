import { chmodSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fingerprint } from '../../src/git/fingerprint.ts';
import { gitFor, newRepository, person, place, write } from '../support/git-repo.ts';

describe('fingerprint in a repository', () => {
  it('changes with every kind of work, and with nothing else', async () => {
    const here = place();
    const work = newRepository(here, { a: '1', b: '1', '.gitignore': 'ignored\n' });
    const git = await gitFor(here, work);
    const now = () => fingerprint(git, work, ['notes']);
    let last = await now();
    expect(last).toMatch(/^[0-9a-f]{64}$/);

    const changes: Record<string, () => void> = {
      'a change': () => write(join(work, 'a'), '2'),
      'a change of the same length': () => write(join(work, 'a'), '3'),
      'a staged change': () => void person(here, work, 'add', 'a'),
      'a commit': () => void person(here, work, 'commit', '--quiet', '--message=x'),
      'a new file': () => write(join(work, 'new'), '1'),
      'new content of it': () => write(join(work, 'new'), '2'),
      'a mode': () => chmodSync(join(work, 'new'), 0o755),
      'a deletion': () => rmSync(join(work, 'b')),
      'a link': () => symlinkSync('a', join(work, 'link')),
      'a nested repository': () => void newRepository(here, {}, 'work/nested'),
      'work in it': () => write(join(work, 'nested/file'), '1'),
    };
    for (const [what, change] of Object.entries(changes)) {
      change();
      const next = await now();
      expect({ what, seen: next !== last }).toEqual({ what, seen: true });
      expect({ what, again: await now() }).toEqual({ what, again: next });
      last = next;
    }

    const others: Record<string, () => void> = {
      'the same content again': () => write(join(work, 'new'), '2'),
      'a touch': () => utimesSync(join(work, 'a'), 1, 1),
      'what is ignored': () => write(join(work, 'ignored'), '1'),
      tickets: () => write(join(work, '.looper/tickets/TICKET-001.md'), '1'),
      'a pack of tickets': () => write(join(work, '.codex-autorunner/tickets/x'), '1'),
      'what is excluded': () => write(join(work, 'notes/x'), '1'),
    };
    for (const [what, change] of Object.entries(others)) {
      change();
      expect({ what, now: await now() }).toEqual({ what, now: last });
    }
  });

  it('sees work in a submodule without opening it', async () => {
    const here = place();
    const library = newRepository(here, { 'lib.txt': 'x' }, 'library');
    const work = newRepository(here);
    const allow = ['-c', 'protocol.file.allow=always'];
    person(here, work, ...allow, 'submodule', '--quiet', 'add', library, 'sub');
    person(here, work, 'commit', '--quiet', '--message=sub');
    const git = await gitFor(here, work);
    const first = await fingerprint(git, work);
    write(join(work, 'sub/lib.txt'), 'y');
    expect(await fingerprint(git, work)).not.toBe(first);
  });

  it('is unknown once the repository is not the one that was resolved', async () => {
    const here = place();
    const work = newRepository(here);
    const git = await gitFor(here, work);
    write(join(work, '.git/commondir'), '/elsewhere');
    expect(await fingerprint(git, work)).toBeNull();
  });

  it('is quick', async () => {
    const here = place();
    const files = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, number) => [`d${number % 100}/f${number}`, `${number}`]),
    );
    const work = newRepository(here, files);
    const git = await gitFor(here, work);
    await fingerprint(git, work);
    const start = performance.now();
    await fingerprint(git, work);
    // Some 30 ms on two cores; the bound only catches a look at every file.
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe('fingerprint without a repository', () => {
  it('goes by path, size and time, and knows when it is too much', async () => {
    const here = place();
    const folder = join(here.root, 'plain');
    write(join(folder, 'deep/er/a'), '1');
    mkdirSync(join(folder, 'empty'));
    symlinkSync('/', join(folder, 'root'));
    const now = () => fingerprint(null, folder, ['notes']);
    const first = await now();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    write(join(folder, 'node_modules/x/y'), '1');
    write(join(folder, '.looper/tickets/TICKET-001.md'), '1');
    write(join(folder, 'notes/x'), '1');
    // Nobody's repository appears during a run: it is not asked.
    person(here, folder, 'init', '--quiet');
    expect(await now()).toBe(first);
    write(join(folder, 'deep/er/b'), '1');
    const second = await now();
    expect(second).not.toBe(first);
    writeFileSync(join(folder, 'deep/er/b'), '22');
    expect(await now()).not.toBe(second);
    expect(await fingerprint(null, folder, [], { maxFiles: 2, timeoutMs: 10_000 })).toBeNull();
    expect(await fingerprint(null, folder, [], { maxFiles: 100, timeoutMs: -1 })).toBeNull();
  });
});
