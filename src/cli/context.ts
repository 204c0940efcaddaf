import type { Config, InspectedConfig } from '../config.ts';
import type { Output } from './output.ts';

/** What every verb is given: the process it runs in, as far as a verb may know of it. */
export interface Cli {
  readonly version: string;
  /** The file that runs as this command: what a service manager has to start. */
  readonly entry: string;
  readonly homeDirectory: string;
  /** Holds Looper's `package.json`. */
  readonly looperDirectory: string;
  /** The detached process of a run; what else was built lies beside it. */
  readonly runnerEntry: string;
  /** Read at the first use. Throws `CONFIG_INVALID`. */
  readonly config: () => Config;
  /** The same read anew, with what is wrong in it; for a verb that helps to mend that. */
  readonly inspectConfig: () => InspectedConfig;
  readonly currentDirectory: string;
  /** Where the configuration file's secrets may come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  readonly input: {
    readonly isTerminal: boolean;
    /** All of stdin as text; throws when it is longer than a request may be. */
    readonly read: () => Promise<string>;
    /** Resolves when a person pressed Enter or Ctrl-C, or stdin has ended. */
    readonly enter: () => Promise<void>;
  };
  /**
   * Aborts at Ctrl-C, from the first call on; a second one ends the process. A verb that has to clean
   * up names the other signals that do the same, and then nothing ends it before that is done.
   */
  readonly interrupted: (others?: readonly NodeJS.Signals[]) => AbortSignal;
}
