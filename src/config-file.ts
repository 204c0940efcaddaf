import { watchFiles } from './config-file/watch.ts';
import {
  type ConfigFileSources,
  type FileConfig,
  NO_CONFIG_FILE,
  readConfigFile,
} from './config-file/read.ts';
import { LooperError } from './errors.ts';
import type { Logger } from './logger.ts';

export { readConfigFile } from './config-file/read.ts';
export type { ConfigFileSources, FileConfig, Schedule } from './config-file/read.ts';

/** `LOOPER_CONFIG_FILE` while the service runs. */
export interface ConfigFile {
  /** The last good version. */
  current(): FileConfig;
  /**
   * Called with every later version. One that throws refuses that version: those that registered
   * before it must not mind.
   */
  onChange(apply: (config: FileConfig) => void): void;
  close(): void;
}

/**
 * Reads the file, throws what is wrong with it, and reads it again whenever it or a secret that it
 * names changes. A version with a problem is logged and the last good one stays in use.
 */
export function openConfigFile(
  sources: Omit<ConfigFileSources, 'path'> & { readonly path: string | undefined },
  { log, addSecret }: { readonly log: Logger; readonly addSecret: (value: string) => void },
): ConfigFile {
  const { path } = sources;
  if (path === undefined) {
    return {
      current: () => NO_CONFIG_FILE,
      onChange: () => undefined,
      close: () => undefined,
    };
  }
  let secretFiles: readonly string[] = [];
  const noteFiles = (paths: readonly string[]): void => {
    secretFiles = paths;
  };
  const read = (): FileConfig => {
    const config = readConfigFile({ ...sources, path, noteFiles });
    for (const secret of config.secretValues) addSecret(secret);
    for (const warning of config.warnings) log.warn({ warning }, 'config.warning');
    return config;
  };
  let current = read();
  const listeners: ((config: FileConfig) => void)[] = [];
  const reload = (): void => {
    try {
      const next = read();
      for (const apply of listeners) apply(next);
      current = next;
      log.info({ path, ...namesOf(current) }, 'config_file.reloaded');
    } catch (error) {
      // Whatever it is, the service goes on as it was configured.
      const problem = error instanceof LooperError ? { problem: error.message } : { err: error };
      log.error({ path, ...problem }, 'config_file.invalid');
    }
  };
  log.info({ path, ...namesOf(current) }, 'config_file.loaded');
  const watching = watchFiles({
    files: () => [path, ...secretFiles],
    onChange: reload,
    log,
  });
  return {
    current: () => current,
    onChange: (apply) => {
      listeners.push(apply);
    },
    close: () => watching.close(),
  };
}

function namesOf({ hooks, schedules, channels }: FileConfig) {
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
  return { hooks: names(hooks), schedules: names(schedules), channels: names(channels) };
}
