import type { Config } from '../config.ts';
import type { Output } from './output.ts';

/** What every verb is given: the process it runs in, as far as a verb may know of it. */
export interface Cli {
  readonly version: string;
  /** The file that runs as this command: what a service manager has to start. */
  readonly entry: string;
  readonly homeDirectory: string;
  /** Read at the first use. Throws `CONFIG_INVALID`. */
  readonly config: () => Config;
  readonly currentDirectory: string;
  /** Where the configuration file's secrets may come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  readonly input: {
    readonly isTerminal: boolean;
    /** All of stdin as text; throws when it is longer than a request may be. */
    readonly read: () => Promise<string>;
  };
  /** Aborts at Ctrl-C; a second one ends the process. From the first call on. */
  readonly interrupted: () => AbortSignal;
}
