/** Holds the table of the fault catalogue in tests/README.md to the tests that it names. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROWS = 75;
const page = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** A test as the page names it: `folder/file` and a part of a title in typographic quotes. */
const NAMED = /`((?:unit|integration|e2e)\/[\w-]+)` “([^”]+)”/g;

interface Row {
  readonly number: number;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

const rows: Row[] = [...page.matchAll(/^\| (\d+) +\|.*$/gm)].map(([line, number]) => ({
  number: Number(number),
  tests: testsIn(line),
}));

function testsIn(text: string): Row['tests'] {
  return [...text.matchAll(NAMED)].map(([, file = '', title = '']) => ({ file, title }));
}

const codes = new Map<string, string>();
function codeOf(file: string): string {
  const path = new URL(`../${file}.test.ts`, import.meta.url);
  const code = codes.get(file) ?? (existsSync(path) ? readFileSync(path, 'utf8') : '');
  codes.set(file, code);
  return code;
}

test('every row is there, in order, and names a test', () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1));
  expect(rows.filter(({ tests }) => tests.length === 0)).toEqual([]);
});

test('the titles carry the numbers of the rows', () => {
  const carried = ({ tests }: Row): Set<number> => {
    const code = tests.map(({ file }) => codeOf(file)).join('\n');
    const lists = [...code.matchAll(/\brows? (\d+(?:(?:, | and )\d+)*)/g)];
    return new Set(lists.flatMap(([, list = '']) => list.split(/\D+/).map(Number)));
  };
  expect(rows.filter((row) => !carried(row).has(row.number))).toEqual([]);
});

test('every test that the page names exists', () => {
  const named = testsIn(page);
  const gone = named.filter(({ file, title }) => !codeOf(file).includes(title));
  expect(named.length).toBeGreaterThanOrEqual(ROWS);
  expect(gone).toEqual([]);
});
