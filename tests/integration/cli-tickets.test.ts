import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jsonOf, runCli, type CliResult } from '../support/cli.ts';
import { tempDir } from '../support/temp-dir.ts';

function place() {
  const home = tempDir();
  const workspace = join(home, 'workspace');
  mkdirSync(workspace);
  const folder = join(workspace, '.looper/tickets');
  return {
    home,
    workspace,
    folder,
    tickets: (...args: string[]): Promise<CliResult> =>
      runCli(['tickets', ...args], { home, cwd: workspace }),
    read: (name: string): string => readFileSync(join(folder, name), 'utf8'),
    write: (name: string, text: string): void => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, name), text);
    },
  };
}

describe('looper tickets', () => {
  it('makes tickets, lists them, marks them done and opens them again', async () => {
    const { folder, tickets, read } = place();
    const first = await tickets('new', 'Write the Pärser: "nested" lists');
    expect(first).toMatchObject({
      code: 0,
      stdout: `${join(folder, 'TICKET-001-write-the-parser-nested-lists.md')}\n`,
    });
    await tickets('new', '日本');
    expect(readdirSync(folder).sort()).toEqual([
      'TICKET-001-write-the-parser-nested-lists.md',
      'TICKET-002.md',
    ]);
    expect((await tickets('done', '1')).stderr).toContain('is done now');
    const listed = await tickets();
    expect(listed.stdout).toMatch(
      /^✓ 001 Write the Pärser: "nested" lists\n· 002 日本\n1 open, 1 done · /,
    );
    expect(jsonOf(await tickets('list', '--json'))).toMatchObject({
      ok: true,
      directory: folder,
      tickets: [
        { number: 1, state: 'done', title: 'Write the Pärser: "nested" lists', agent: 'codex' },
        { number: 2, state: 'open', file: 'TICKET-002.md' },
      ],
      findings: [],
    });
    expect((await tickets('reopen', 'TICKET-001')).code).toBe(0);
    expect(read('TICKET-001-write-the-parser-nested-lists.md')).toContain('done: false');
    expect(await tickets('done', '7')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no ticket "7"'),
    });
    expect((await tickets('new', ' \n ')).code).toBe(2);
  });

  it('gives each of several tickets made at once a number of its own', async () => {
    const { folder, tickets } = place();
    const made = await Promise.all(
      Array.from({ length: 4 }, (_, n) => tickets('new', `Title ${n}`)),
    );
    expect(made.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    const numbers = readdirSync(folder).map((name) => name.slice(0, 'TICKET-000'.length));
    expect(new Set(numbers).size).toBe(4);
    expect(numbers.every((name) => name.startsWith('TICKET-'))).toBe(true);
  });

  it('lints, and mends what can be meant in one way only', async () => {
    const { tickets, write, read } = place();
    write('TICKET-001.md', '---\nagent: codex\ndone: yes\n---\nBody\n');
    write('TICKET-002.md', '---\nagent: codex\n---\nBody\n');
    write('TICKET-003.md', '---\nagent: user\ndone: false\n---\nLook\n');
    const found = await tickets('lint');
    expect(found.code).toBe(1);
    expect(found.stdout).toMatch(
      /^TICKET-001\.md:3: "done" is .*\nTICKET-002\.md:\d: "done" is missing/,
    );
    const fixed = await tickets('lint', '--fix', '--json');
    expect(fixed.code).toBe(1);
    expect(jsonOf(fixed)).toMatchObject({
      ok: false,
      fixed: [{ fileName: 'TICKET-001.md' }],
      findings: [{ file: 'TICKET-002.md' }],
    });
    expect(read('TICKET-001.md')).toContain('done: true');
    expect((await tickets()).stdout).toMatch(/✗ 002 .*broken[^]*· 003 .*a gate/);
  });

  it('works on --workspace, else LOOPER_WORKSPACE, and says so when that is none', async () => {
    const { home, workspace } = place();
    const other = join(home, 'other');
    mkdirSync(other);
    const named = await runCli(['tickets', 'new', 'A', '-w', workspace], { home, cwd: other });
    expect(named.stdout).toContain(join(workspace, '.looper'));
    const env = { LOOPER_WORKSPACE: workspace };
    const set = await runCli(['tickets', 'list', '--json'], { home, cwd: other, env });
    expect(jsonOf(set)).toMatchObject({ workspace, tickets: [{ title: 'A' }] });
    const absent = await runCli(['tickets', '-w', join(home, 'absent')], { home });
    expect(absent).toMatchObject({ code: 2, stderr: expect.stringContaining('absent') });
  });

  it('does not follow a link out of the workspace', async () => {
    const { home, workspace, tickets } = place();
    const outside = join(home, 'outside');
    mkdirSync(outside);
    symlinkSync(outside, join(workspace, '.looper'));
    expect(await tickets('new', 'A')).toMatchObject({ code: 1, stdout: '' });
    expect(readdirSync(outside)).toEqual([]);
  });
});
