import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  CONTEXT_ENTRY_BYTES,
  CONTEXT_TOTAL_BYTES,
  DOCUMENT_CHARS,
  readTicketContext,
  readWorkspaceDocuments,
} from '../../src/tickets/context.ts';
import { tempDir } from '../support/temp-dir.ts';

const entry = (path: string, more: { max_bytes?: number; required?: boolean } = {}) => ({
  path,
  required: false,
  ...more,
});

describe('readTicketContext', () => {
  it('reads files in the order of the ticket, each within its bytes', () => {
    const workspace = tempDir();
    mkdirSync(join(workspace, 'docs'));
    writeFileSync(join(workspace, 'docs', 'b.md'), 'second');
    writeFileSync(join(workspace, 'a.txt'), 'x'.repeat(5000));
    symlinkSync('docs/b.md', join(workspace, 'link'));
    const { files, problems, warnings } = readTicketContext(workspace, [
      entry('docs/b.md', { required: true }),
      entry('a.txt'),
      entry('link', { max_bytes: 3 }),
    ]);
    expect(files.map(({ path, text, truncated }) => [path, text.length, truncated])).toEqual([
      ['docs/b.md', 6, false],
      ['a.txt', CONTEXT_ENTRY_BYTES, true],
      ['link', 3, true],
    ]);
    expect([problems, warnings]).toEqual([[], []]);
  });

  it('shows no more than 16384 bytes together and says what is left out', () => {
    const workspace = tempDir();
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) writeFileSync(join(workspace, name), 'x'.repeat(6000));
    const context = readTicketContext(
      workspace,
      names.map((name) => entry(name, { max_bytes: 6000 })),
    );
    expect(context.files.map(({ text }) => text.length)).toEqual([6000, 6000, 4384]);
    expect(context.files.reduce((sum, { text }) => sum + text.length, 0)).toBe(CONTEXT_TOTAL_BYTES);
    expect(context.warnings).toEqual([
      'The context file d is left out: 16384 bytes are shown in all.',
    ]);
  });

  it('cuts no character in two and shows what is not UTF-8', () => {
    const workspace = tempDir();
    writeFileSync(join(workspace, 'euro'), '€€€');
    writeFileSync(join(workspace, 'latin'), Buffer.from([0x61, 0xe4, 0x62]));
    const { files } = readTicketContext(workspace, [
      entry('euro', { max_bytes: 5 }),
      entry('latin'),
    ]);
    expect(files.map(({ text }) => text)).toEqual(['€', 'a\ufffdb']);
  });

  it('makes a required file that cannot be shown a problem, an optional one a warning', () => {
    const workspace = tempDir();
    const outside = tempDir();
    writeFileSync(join(outside, 'secret'), 'x');
    mkdirSync(join(workspace, 'folder'));
    symlinkSync(join(outside, 'secret'), join(workspace, 'out'));
    symlinkSync('loop', join(workspace, 'loop'));
    symlinkSync(outside, join(workspace, 'away'));
    execFileSync('mkfifo', [join(workspace, 'fifo')]);
    for (const [path, why] of [
      ['absent', 'is missing'],
      ['folder', 'is a directory'],
      ['out', 'leads out of the workspace'],
      ['away/secret', 'leads out of the workspace'],
      ['loop', 'cannot be resolved (ELOOP)'],
      ['fifo', 'is a FIFO'],
      ['../x', 'is no path inside the workspace'],
      ['out/x', 'is missing'],
      ['.', 'leads out of the workspace'],
    ] as const) {
      const required = readTicketContext(workspace, [entry(path, { required: true })]);
      expect(required.problems).toMatchObject([{ message: `context file ${path} ${why}` }]);
      expect(required.files).toEqual([]);
      const optional = readTicketContext(workspace, [entry(path)]);
      expect(optional).toEqual({
        files: [],
        problems: [],
        warnings: [`The context file ${path} ${why}.`],
      });
    }
  });
});

describe('readWorkspaceDocuments', () => {
  const names = (workspace: string, isCarPack: boolean): string[] =>
    readWorkspaceDocuments(workspace, { isCarPack }).documents.map(({ path }) => path);

  it("reads Looper's by name, else those of a CAR pack in CAR's order", () => {
    const workspace = tempDir();
    expect(names(workspace, true)).toEqual([]);
    const car = join(workspace, '.codex-autorunner', 'contextspace');
    mkdirSync(car, { recursive: true });
    for (const name of ['zz', 'aa', 'spec', 'decisions', 'active_context']) {
      writeFileSync(join(car, `${name}.md`), name);
    }
    writeFileSync(join(car, 'data.json'), '{}');
    expect(names(workspace, true)).toEqual(
      ['active_context', 'decisions', 'spec', 'aa', 'zz'].map(
        (name) => `.codex-autorunner/contextspace/${name}.md`,
      ),
    );
    expect(names(workspace, false)).toEqual([]);
    const own = join(workspace, '.looper', 'context');
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'b.md'), 'b');
    writeFileSync(join(own, 'a.md'), 'a');
    writeFileSync(join(own, '.hidden.md'), 'h');
    expect(names(workspace, true)).toEqual(['.looper/context/a.md', '.looper/context/b.md']);
  });

  it('bounds each document in characters and their number', () => {
    const workspace = tempDir();
    const own = join(workspace, '.looper', 'context');
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, '00.md'), '😀'.repeat(DOCUMENT_CHARS + 1));
    writeFileSync(join(own, '01.md'), 'é'.repeat(DOCUMENT_CHARS));
    mkdirSync(join(own, '02.md'));
    for (let index = 3; index < 22; index += 1) writeFileSync(join(own, `${index}.md`), '');
    const { documents, warnings } = readWorkspaceDocuments(workspace, { isCarPack: false });
    expect(documents[0]).toMatchObject({ text: '😀'.repeat(DOCUMENT_CHARS), truncated: true });
    expect(documents[1]).toMatchObject({ text: 'é'.repeat(DOCUMENT_CHARS), truncated: false });
    expect(documents).toHaveLength(19);
    expect(warnings).toEqual([
      'The document .looper/context/02.md is a directory.',
      '2 more documents are left out: 20 are shown.',
    ]);
  });

  it('takes none from a folder that leads out of the workspace', () => {
    const workspace = tempDir();
    const outside = tempDir();
    writeFileSync(join(outside, 'a.md'), 'x');
    mkdirSync(join(workspace, '.looper'));
    symlinkSync(outside, join(workspace, '.looper', 'context'));
    expect(names(workspace, false)).toEqual([]);
  });
});
