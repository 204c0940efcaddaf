import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isInside, realLocation } from '../../src/paths.ts';
import { tempDir } from '../support/temp-dir.ts';

test('row 69: a name that starts alike, dots and links do not lead inside', () => {
  const root = tempDir();
  const workspace = join(root, 'ws');
  for (const name of ['ws/sub', 'ws/..hidden', 'ws-evil']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  symlinkSync(root, join(workspace, 'out'));
  symlinkSync(workspace, join(root, 'in'));
  const inside = ['ws', 'ws/sub', 'ws/..hidden', 'in', 'in/sub', 'ws/out/ws'];
  const outside = ['ws-evil', 'ws/../ws-evil', 'ws/out', 'ws/out/ws-evil', 'ws/..', '.'];
  const isInWorkspace = (child: string) => isInside(`${root}/${child}`, workspace);
  expect([...inside, ...outside].filter(isInWorkspace)).toEqual(inside);
  expect(isInside(workspace, join(root, 'in'))).toBe(true);
  expect(isInside(workspace, '/')).toBe(true);
  expect(isInside('/', workspace)).toBe(false);
});

test('paths that do not exist yet are judged by where they would come to lie', () => {
  const root = tempDir();
  const workspace = join(root, 'ws');
  mkdirSync(workspace);
  symlinkSync(workspace, join(root, 'link'));
  expect(isInside(join(root, 'link', 'a', 'b'), workspace)).toBe(true);
  // Creating the link's name creates its target.
  symlinkSync(join('ws', 'later'), join(root, 'dangling'));
  expect(isInside(join(root, 'dangling', 'logs'), workspace)).toBe(true);
  expect(isInside(join(root, 'missing'), join(root, 'missing', 'too'))).toBe(false);
});

test('a loop of links ends', () => {
  const root = tempDir();
  symlinkSync('b', join(root, 'a'));
  symlinkSync('a', join(root, 'b'));
  expect(realLocation(join(root, 'a', 'x'))).toContain(root);
});
