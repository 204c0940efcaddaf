import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCodexExec } from '../../src/processes/codex-argv.ts';
import { splitCommand } from '../../src/processes/ps.ts';

const here = { workspace: null };

describe('parseCodexExec', () => {
  it.each([
    [['codex', 'exec'], here],
    [['/opt/codex/bin/codex', 'e', 'fix it'], here],
    [['node', '/usr/lib/bin/codex', 'exec', '-'], here],
    [['/usr/bin/node', '--no-warnings', '-r', './x.js', '/x/codex.js', 'exec'], here],
    [['codex', '--ask-for-approval', 'never', 'exec', '-C', '/ws'], { workspace: '/ws' }],
    [['codex', '-C', '/ws', '-a', 'never', 'exec', '--json'], { workspace: '/ws' }],
    [['codex', '-C', '/a', 'exec', '-C', '/b'], { workspace: '/b' }],
    [['codex', 'exec', '--cd=/ws', 'say -C /other'], { workspace: '/ws' }],
    [['codex', 'exec', '-C/ws', 'resume', 'id'], { workspace: '/ws' }],
    [['codex', 'exec', '-C=/ws'], { workspace: '/ws' }],
    [['codex', 'exec', '--', '-C', '/ws'], here],
    [['codex', '-c', 'model="exec"', '-mgpt-5', '--sandbox=read-only', 'exec'], here],
    [['codex', '-i=one.png', 'exec', 'look'], here],
    [['codex', '--enable', 'x', '--oss', '--remote', 'ws://h', '--add-dir', '/d', 'e'], here],
    [['codex', '--of-a-later-codex=1', '--another', '-m', 'x', 'exec'], here],
    [['codex', 'exec', '--of-a-later-codex', 'value', '-C', '/ws'], { workspace: '/ws' }],
  ])('takes %j for an agent', (argv, expected) => {
    expect(parseCodexExec(argv)).toEqual(expected);
  });

  it.each([
    [[]],
    [['codex']],
    [['codex', 'explain', 'exec']],
    [['codex', 'codex exec']],
    [['codex', '--', 'exec']],
    [['codex', '-m', 'exec']],
    [['codex', '-m', 'exec', 'e2e tests']],
    [['codex', '-i', 'one.png', 'exec', 'a prompt']],
    [['codex', '--of-a-later-codex', 'exec']],
    [['codex', 'exec-server']],
    [['codex', 'app-server', 'exec']],
    [['codex', 'resume', '--last']],
    [['codex-linux-sandbox', 'exec']],
    [['codex exec --json']],
    [['bash', '-c', 'sleep 60; : codex exec']],
    [['sh', '/usr/bin/codex', 'exec']],
    [['timeout', '100', 'codex', 'exec']],
    [['grep', 'codex', 'exec']],
    [['vim', 'codex exec.md']],
    [['tail', '-f', 'codex', 'exec']],
    [['pgrep', '-f', 'codex exec']],
    [['node', '-e', '0', 'codex', 'exec']],
    [['node', '--eval=0', 'codex', 'exec']],
    [['node', '-r', 'codex', 'exec']],
    [['node', 'codex.mjs', 'exec']],
    [['node']],
  ])('leaves %j alone', (argv) => {
    expect(parseCodexExec(argv)).toBeNull();
  });

  it('finds exec and its directory behind any global options, and never without the word', () => {
    const word = fc.stringMatching(/^[a-z0-9/.= ]{1,12}$/);
    const option = fc.oneof(
      fc.tuple(fc.constantFrom('-c', '--model', '-p', '--sandbox', '--enable'), word),
      fc.tuple(fc.constantFrom('--oss', '--search', '--yolo')),
      fc.tuple(word.map((value) => `--config=${value}`)),
    );
    const options = fc.array(option).map((list) => list.flat());
    fc.assert(
      fc.property(options, options, word, (before, behind, workspace) => {
        const cd = ['-C', workspace];
        const expected = { workspace };
        expect(parseCodexExec(['codex', ...before, ...cd, 'exec', ...behind])).toEqual(expected);
        expect(parseCodexExec(['codex', ...before, 'e', ...behind, ...cd])).toEqual(expected);
        expect(parseCodexExec(['codex', ...before, ...cd, 'resume', 'exec'])).toBeNull();
        expect(parseCodexExec(['codex', ...before, ...cd])).toBeNull();
      }),
    );
  });

  it('never throws, and takes only codex and node for codex', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (args) => {
        parseCodexExec(['codex', ...args]);
        parseCodexExec(['node', ...args]);
        expect(parseCodexExec(['bash', 'codex', 'exec', ...args])).toBeNull();
      }),
    );
  });
});

describe('splitCommand', () => {
  it('splits a line whose words can only be arguments', () => {
    expect(parseCodexExec(splitCommand('codex -a never exec --json -C /ws -'))).toEqual({
      workspace: '/ws',
    });
  });

  it('leaves a line whole that may be an interactive session with a prompt', () => {
    expect(parseCodexExec(splitCommand('codex exec the plan'))).toBeNull();
  });
});
