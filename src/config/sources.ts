import { join, resolve } from 'node:path';

/** Where settings come from. The entries read these once from the process and pass them on. */
export interface ConfigSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The directory that holds Looper's `package.json`. */
  readonly looperDirectory: string;
  /** Whether that directory is a clone; logs stay inside it then. */
  readonly isClone: boolean;
  readonly homeDirectory: string;
  /** Relative paths in variables start here. */
  readonly currentDirectory: string;
  /** The operating system's temporary directory, which others may write to. */
  readonly temporaryDirectory: string;
}

/** Variables that have a value; a blank one counts as unset. */
export type Given = Readonly<Record<string, string>>;

export function givenVariables(env: Readonly<Record<string, string | undefined>>): Given {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const trimmed = value?.trim() ?? '';
    if (trimmed !== '') given[name] = trimmed;
  }
  return given;
}

/** `~/` is the home directory (an env file has no shell to expand it), relative paths start at the current one. */
export function absolutePath(given: string, sources: ConfigSources): string {
  if (given === '~' || given.startsWith('~/')) return join(sources.homeDirectory, given.slice(1));
  return resolve(sources.currentDirectory, given);
}
