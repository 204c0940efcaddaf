import { describe, expect, it } from 'vitest';
import { parseIndex, parseStatus } from '../../src/git/status.ts';
import { parseTreeDiff } from '../../src/git/write-commit.ts';

const ID = 'a'.repeat(40);
const bytes = (...records: string[]): Buffer => Buffer.from(`${records.join('\0')}\0`);

describe('parseStatus', () => {
  it('reads head, changes, conflicts and untracked paths, whatever their names hold', () => {
    const status = parseStatus(
      bytes(
        `# branch.oid ${ID}`,
        '# branch.head main',
        `1 .M N... 100644 100644 100644 ${ID} ${ID} with space and\nnewline`,
        `1 D. N... 100644 000000 000000 ${ID} ${ID} -dash`,
        `u UU N... 100644 100644 100644 100644 ${ID} ${ID} ${ID} both`,
        '? # no header',
        '? nested/',
      ),
    );
    expect(status).toEqual({
      head: ID,
      entries: [
        { kind: 'changed', path: 'with space and\nnewline', nameable: true },
        { kind: 'changed', path: '-dash', nameable: true },
        { kind: 'unmerged', path: 'both', nameable: true },
        { kind: 'untracked', path: '# no header', nameable: true },
        { kind: 'untracked', path: 'nested/', nameable: true },
      ],
    });
  });

  it('has no head before the first commit', () => {
    expect(parseStatus(bytes('# branch.oid (initial)', '# branch.head main'))).toEqual({
      head: null,
      entries: [],
    });
    expect(parseStatus(Buffer.alloc(0))).toEqual({ head: null, entries: [] });
  });

  it('keeps a name that is not UTF-8 apart', () => {
    const raw = Buffer.concat([Buffer.from('? caf'), Buffer.from([0xe9, 0])]);
    expect(parseStatus(raw).entries).toEqual([
      { kind: 'untracked', path: 'caf\uFFFD', nameable: false },
    ]);
  });

  it.each(['2 R. N... a', '1 .M N...', '! ignored', 'nonsense'])('refuses %j', (record) => {
    expect(() => parseStatus(bytes(record))).toThrow(/unknown record/);
  });
});

describe('parseIndex', () => {
  it('maps paths to mode and id', () => {
    expect(parseIndex(bytes(`100755 ${ID} 0\ta b\tc`, `160000 ${ID} 0\tsub`))).toEqual(
      new Map([
        ['a b\tc', { mode: '100755', id: ID }],
        ['sub', { mode: '160000', id: ID }],
      ]),
    );
  });
});

describe('parseTreeDiff', () => {
  it('gives the new side, and mode 0 for what is gone', () => {
    const none = '0'.repeat(40);
    expect(
      parseTreeDiff(
        bytes(`:000000 100755 ${none} ${ID} A`, 'new', `:100644 000000 ${ID} ${none} D`, 'gone'),
      ),
    ).toEqual([
      { path: 'new', mode: '100755', id: ID },
      { path: 'gone', mode: '0', id: none },
    ]);
  });
});
