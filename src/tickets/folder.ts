import { closeSync, constants, existsSync, lstatSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';

export type OpenedFolder =
  | {
      readonly kind: 'open';
      /** `${path}/<name>` reaches a file of this folder; valid until `close()`. */
      readonly path: string;
      readonly close: () => void;
    }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly why: string };

const NO_LINK = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Opens `root/names[0]/names[1]/…` without following a symlink in any of the names, and holds it
 * open. Needed where Looper removes files from a folder that an agent writes at the same moment:
 * the agent could swap the folder for a link to a place that it may not write itself. On Linux the
 * returned path goes through the descriptor (`/proc/self/fd`), so a swap has no effect. Elsewhere
 * the names are only checked beforehand. With `create`, missing folders are made (0700).
 */
export function openFolder(
  root: string,
  names: readonly string[],
  options: { readonly create?: boolean } = {},
): OpenedFolder {
  const { create = false } = options;
  return process.platform === 'linux' && existsSync('/proc/self/fd')
    ? walkDescriptors(root, names, create)
    : walkPaths(root, names, create);
}

function walkDescriptors(root: string, names: readonly string[], create: boolean): OpenedFolder {
  let fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  for (const name of names) {
    const path = `/proc/self/fd/${fd}/${name}`;
    try {
      if (create) makeFolder(path);
      const next = openSync(path, NO_LINK);
      closeSync(fd);
      fd = next;
    } catch (error) {
      closeSync(fd);
      return refusal(name, error);
    }
  }
  return { kind: 'open', path: `/proc/self/fd/${fd}`, close: () => closeSync(fd) };
}

function walkPaths(root: string, names: readonly string[], create: boolean): OpenedFolder {
  let path = root;
  for (const name of names) {
    path = join(path, name);
    try {
      if (create) makeFolder(path);
      closeSync(openSync(path, NO_LINK));
      if (!lstatSync(path).isDirectory()) return { kind: 'refused', why: `${name} is no folder` };
    } catch (error) {
      return refusal(name, error);
    }
  }
  return { kind: 'open', path, close: () => undefined };
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  }
}

function refusal(name: string, error: unknown): OpenedFolder {
  const code = systemErrorCode(error);
  switch (code) {
    case 'ENOENT':
      return { kind: 'absent' };
    case 'ELOOP':
    case 'ENOTDIR':
      return { kind: 'refused', why: `${name} is a link or a file, not a folder` };
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return { kind: 'refused', why: `${name} cannot be opened or made (${code})` };
    default:
      throw error;
  }
}
