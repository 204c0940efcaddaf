import { hostName, isLoopbackName } from '../host-name.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';

/** Nobody answers at the service's address, or not in time. */
export class Unreachable extends CliError {
  constructor(url: string, why: string, options: ErrorOptions = {}) {
    const next = isOfThisMachine(url)
      ? 'Start it with "looper serve", or name its address in LOOPER_URL.'
      : 'Look whether it runs there, and whether LOOPER_URL is right.';
    super(`No Looper service answers at ${url} (${why}). ${next}`, EXIT.unreachable, options);
  }
}

/** What the service refused, in its own words. */
export class Refused extends CliError {
  readonly status: number;
  /** `RUN_IN_PROGRESS`, …; '' where the answer holds none. */
  readonly code: string;

  constructor(message: string, exitCode: ExitCode, status: number, code: string) {
    super(message, exitCode);
    this.status = status;
    this.code = code;
  }
}

/** What a script is told about a refusal. */
export function exitCodeFor(status: number, code: string): ExitCode {
  if (code === 'RUN_IN_PROGRESS') return EXIT.busy;
  // What the caller wrote, not what happened to it.
  return [400, 413, 415].includes(status) ? EXIT.usage : EXIT.failed;
}

/** Whether an address can only mean this machine. */
export function isOfThisMachine(url: string): boolean {
  return isLoopbackName(hostName(new URL(url).host) ?? '');
}
