import { linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LooperError, systemErrorCode } from '../errors.ts';
import { readRegularFile, syncFolder, writeSynced } from './files.ts';

export const MAX_REPLY_BYTES = 64 * 1024;
export const MAX_REPLIES = 1000;

export interface Reply {
  /** `0001.md`: what a turn's record names. */
  readonly name: string;
  readonly text: string;
}

/**
 * Stores a person's answer in `<base>.replies/` under the next number, synced to disk, and returns
 * it: acknowledge only afterwards. Two writers at once get two numbers. Throws `REQUEST_INVALID`
 * for a blank or overlong text.
 */
export function storeReply(directory: string, text: string): Reply {
  const bytes = Buffer.byteLength(text, 'utf8');
  if (text.trim() === '') {
    throw new LooperError('REQUEST_INVALID', 'The reply is blank. Write an answer in "text".');
  }
  if (bytes > MAX_REPLY_BYTES) {
    throw new LooperError(
      'REQUEST_INVALID',
      `The reply has ${bytes} bytes, more than ${MAX_REPLY_BYTES}. Put the rest into a file of the workspace and name it.`,
    );
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const temporary = join(directory, `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    writeSynced(temporary, text);
    let number = Number.parseInt(listNames(directory).at(-1) ?? '0', 10);
    for (;;) {
      number += 1;
      if (number > MAX_REPLIES) {
        throw new LooperError(
          'REQUEST_INVALID',
          `This run already has ${MAX_REPLIES} replies. Trigger a new run instead.`,
        );
      }
      const name = `${String(number).padStart(4, '0')}.md`;
      if (linked(temporary, join(directory, name))) {
        syncFolder(directory);
        return { name, text };
      }
    }
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** All replies of a run, oldest first; none when the folder does not exist. */
export function listReplies(directory: string): Reply[] {
  return listNames(directory).flatMap((name) => {
    const file = readRegularFile(join(directory, name), MAX_REPLY_BYTES);
    return file.kind === 'read' ? [{ name, text: file.bytes.toString('utf8') }] : [];
  });
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d{4}\.md$/.test(name))
      .sort();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A hard link, unlike a rename, fails when the name is taken: no reply replaces another. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
}
