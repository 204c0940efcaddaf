import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MAX_REPLY_BYTES, listReplies, storeReply } from '../../src/tickets/replies.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('replies', () => {
  it('are stored in order under names of their own, for the owner only', () => {
    const directory = join(tempDir(), 'base.replies');
    expect(listReplies(directory)).toEqual([]);
    for (const [index, text] of ['Yes, go on\n', 'ünd 2', '---\nmode: x\n---'].entries()) {
      expect(storeReply(directory, text)).toEqual({ name: `000${index + 1}.md`, text });
    }
    expect(listReplies(directory).map(({ text }) => text)).toEqual([
      'Yes, go on\n',
      'ünd 2',
      '---\nmode: x\n---',
    ]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, '0001.md')).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toHaveLength(3);
  });

  it('never replace one another, whoever was first', () => {
    const directory = tempDir();
    // What a second writer leaves between our look and our link.
    writeFileSync(join(directory, '0001.md'), 'theirs');
    mkdirSync(join(directory, '0002.md'));
    expect(storeReply(directory, 'ours').name).toBe('0003.md');
    expect(listReplies(directory)).toEqual([
      { name: '0001.md', text: 'theirs' },
      { name: '0003.md', text: 'ours' },
    ]);
  });

  it.each([
    ['blank', ' \n\t'],
    ['overlong', 'x'.repeat(MAX_REPLY_BYTES + 1)],
  ])('refuse a %s text and store nothing', (_, text) => {
    const directory = tempDir();
    expect(() => storeReply(directory, text)).toThrow(
      expect.objectContaining({ code: 'REQUEST_INVALID' }),
    );
    expect(readdirSync(directory)).toEqual([]);
  });

  it('leave no temporary file behind when the numbers are used up', () => {
    const directory = tempDir();
    writeFileSync(join(directory, '1000.md'), 'last');
    expect(() => storeReply(directory, 'one more')).toThrow(/1000 replies/);
    expect(readdirSync(directory)).toEqual(['1000.md']);
  });

  it('are regular files of that name and nothing else', () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'notes.md'), 'x');
    writeFileSync(join(directory, '.a.tmp'), 'x');
    symlinkSync('notes.md', join(directory, '0001.md'));
    expect(listReplies(directory)).toEqual([]);
  });
});
