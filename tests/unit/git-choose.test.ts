import { describe, expect, it } from 'vitest';
import { chooseWork } from '../../src/git/choose.ts';
import { commitMessage } from '../../src/git/message.ts';

describe('chooseWork', () => {
  it('takes what was clean, names what both have touched, passes over what nobody touched', () => {
    const chosen = chooseWork(
      [
        ['both', 'file 1'],
        ['untouched', 'file 1'],
        ['old-nested/', 'directory'],
      ],
      [
        ['both', 'file 2'],
        ['untouched', 'file 1'],
        ['old-nested/', 'directory'],
        ['new', 'file 3'],
        ['gone', 'absent'],
        ['nested/', 'directory'],
        ['pipe', 'other'],
        ['caf\uFFFD', 'not UTF-8'],
      ],
    );
    expect(chosen.work).toEqual(['new', 'gone']);
    expect(chosen.leftAlone.map(({ path }) => path)).toEqual([
      'both',
      'nested/',
      'pipe',
      'caf\uFFFD',
    ]);
  });

  it('lets nothing take the place of a person’s path', () => {
    const chosen = chooseWork(
      [
        ['file', 'file 1'],
        ['folder/within', 'file 1'],
      ],
      [
        ['file/below', 'file 2'],
        ['folder', 'file 2'],
        ['folder/beside', 'file 2'],
      ],
    );
    expect(chosen.work).toEqual(['folder/beside']);
    expect(chosen.leftAlone.map(({ path }) => path)).toEqual(['file/below', 'folder']);
  });
});

describe('commitMessage', () => {
  it('is a subject and two trailers', () => {
    expect(commitMessage({ title: 'Add a login', id: 'TICKET-007', runId: '0a1b2c3d' })).toBe(
      'Add a login\n\nTicket: TICKET-007\nLooper-Run: 0a1b2c3d\n',
    );
  });

  it('keeps a title to one bounded line without controls', () => {
    const message = commitMessage({
      title: `one\n\nSigned-off-by: x\u001b[31m\u202Etwo ${'x'.repeat(200)}`,
      id: 'T\n1',
      runId: 'r',
    });
    const [subject = '', ...rest] = message.split('\n');
    expect(subject).toMatch(/^one Signed-off-by: x \[31m two x+…$/);
    expect(Array.from(subject)).toHaveLength(100);
    expect(rest).toEqual(['', 'Ticket: T 1', 'Looper-Run: r', '']);
  });

  it('falls back to the id', () => {
    expect(commitMessage({ title: ' \t', id: 'TICKET-007', runId: 'r' })).toMatch(
      /^Ticket TICKET-007\n/,
    );
  });
});
