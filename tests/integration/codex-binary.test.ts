import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { resolveBinary } from '../../src/codex/binary.ts';
import { tempDir } from '../support/temp-dir.ts';

function executable(path: string, mode = 0o755): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, mode);
  return path;
}

function setUp() {
  const root = tempDir();
  const at = (path: string): string => join(root, path);
  mkdirSync(at('ws'));
  const options = {
    requested: null,
    configured: null,
    looperDirectory: at('looper'),
    path: `${at('bin1')}:${at('bin2')}`,
    workspace: at('ws'),
  };
  return { at, options };
}

describe('resolveBinary', () => {
  test('request, then environment, then a local build, then PATH', async () => {
    const { at, options } = setUp();
    const requested = executable(at('requested'));
    const configured = executable(at('configured'));
    const onPath = executable(at('bin2/codex'));
    expect(await resolveBinary(options)).toEqual({ path: onPath, source: 'path' });
    const debug = executable(at('looper/codex/codex-rs/target/debug/codex'));
    expect(await resolveBinary(options)).toEqual({ path: debug, source: 'local' });
    const local = executable(at('looper/codex/codex'));
    expect(await resolveBinary(options)).toEqual({ path: local, source: 'local' });
    const env = { ...options, configured };
    expect(await resolveBinary(env)).toEqual({ path: configured, source: 'env' });
    expect(await resolveBinary({ ...env, requested })).toEqual({
      path: requested,
      source: 'request',
    });
  });

  test('a bare name is looked up on PATH, past what cannot be run and relative entries', async () => {
    const { at, options } = setUp();
    executable(at('bin1/my-codex'), 0o644);
    mkdirSync(at('bin0/my-codex'), { recursive: true });
    const good = executable(at('bin2/my-codex'));
    const path = `.::${at('bin0')}:${process.getuid?.() === 0 ? '' : at('bin1')}:${at('bin2')}`;
    expect(await resolveBinary({ ...options, path, configured: 'my-codex' })).toEqual({
      path: good,
      source: 'env',
    });
  });

  test('a link is followed, and kept as it was named', async () => {
    const { at, options } = setUp();
    executable(at('lib/codex.js'));
    mkdirSync(at('bin1'));
    symlinkSync(at('lib/codex.js'), at('bin1/codex'));
    expect((await resolveBinary(options)).path).toBe(at('bin1/codex'));
  });

  test('nothing found says how to install or name one', async () => {
    const { options } = setUp();
    await expect(resolveBinary(options)).rejects.toMatchObject({
      code: 'CODEX_NOT_FOUND',
      message: expect.stringMatching(/npm install -g @openai\/codex.*CODEX_EXEC_BINARY/) as string,
    });
  });

  test.each([
    ['missing', 'does not exist'],
    ['folder', 'is not a regular file'],
    ['plain-file/inside', 'does not exist'],
    ['plain-file', 'is not executable'],
  ])(
    'a configured %s is an error, not a reason to look elsewhere (row 18)',
    async (name, words) => {
      const { at, options } = setUp();
      executable(at('bin1/codex'));
      mkdirSync(at('folder'));
      executable(at('plain-file'), 0o644);
      await expect(resolveBinary({ ...options, configured: at(name) })).rejects.toThrow(words);
    },
  );

  test('what lies in the workspace, or leads there or away from there, is never taken', async () => {
    const { at, options } = setUp();
    const inside = executable(at('ws/codex'));
    const outside = executable(at('outside'));
    symlinkSync(inside, at('link-in'));
    symlinkSync(outside, at('ws/link-out'));
    symlinkSync(at('ws'), at('ws-alias'));
    for (const configured of [inside, at('link-in'), at('ws/link-out'), at('ws-alias/codex')]) {
      await expect(resolveBinary({ ...options, configured })).rejects.toThrow(
        'inside the workspace',
      );
    }
    executable(at('ws-neighbour/codex'));
    const path = `${at('ws')}:${at('ws-neighbour')}`;
    expect((await resolveBinary({ ...options, path })).path).toBe(at('ws-neighbour/codex'));
    await expect(resolveBinary({ ...options, path: at('ws') })).rejects.toThrow('inside the work');
  });
});
