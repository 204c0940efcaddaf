import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeLeftovers } from '../../src/daemon/leftovers.ts';
import { createHeardLog } from '../support/runs.ts';
import { tempDir } from '../support/temp-dir.ts';

const baseOf = (n: number): string => `codex-exec-20260301-10000${n}-0badcaf${n}`;

test('what killed writers left is removed, what a living one writes is not', () => {
  const directory = tempDir();
  const { pid: dead } = spawnSync('true');
  const left = [
    `autopoll.json.${dead}.tmp`,
    `workspaces/a.json.${dead}.tmp`,
    // Killed before the record of a new run, and in the middle of writing it.
    `${baseOf(1)}.end`,
    `${baseOf(2)}.end`,
    `${baseOf(2)}.json.${dead}.tmp`,
  ];
  const kept = [
    'autopoll.json',
    'workspaces/a.json',
    'notes.end',
    `${baseOf(3)}.end`,
    `${baseOf(3)}.json`,
    `${baseOf(3)}.json.${process.pid}.tmp`,
    // An attachment of the agent's, under a name of its choice.
    `${baseOf(3)}.messages/notes.${dead}.tmp`,
    `${baseOf(4)}.end`,
    `${baseOf(4)}.json.unreadable`,
  ];
  for (const name of ['workspaces', `${baseOf(3)}.messages`]) mkdirSync(join(directory, name));
  for (const name of [...left, ...kept]) writeFileSync(join(directory, name), '');
  const { log, names } = createHeardLog();
  removeLeftovers(directory, log);
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const found = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(directory.length + 1));
  expect(found.toSorted()).toEqual(kept.toSorted());
  expect(names()).toEqual([]);
});

test('a directory that cannot be read is told of, and keeps nobody from starting', () => {
  const { log, names } = createHeardLog();
  removeLeftovers(join(tempDir(), 'missing'), log);
  expect(names()).toEqual(['server.leftovers_kept']);
});
