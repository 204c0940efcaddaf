import { LooperError, systemErrorCode } from '../errors.ts';

/** What the command line ends with; a wrapper script may rely on each. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** `serve`: already running, or the port is in use. `stop`: nothing runs. */
  unreachable: 3,
  busy: 4,
  unauthorised: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What ends a command early: a sentence for stderr (none when it is blank) and the exit code. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** Null for what is nobody's fault but ours. */
export function exitCodeOf(error: unknown): ExitCode | null {
  if (error instanceof CliError) return error.exitCode;
  if (!(error instanceof LooperError)) return null;
  const isTaken = error.code === 'ALREADY_RUNNING' || systemErrorCode(error.cause) === 'EADDRINUSE';
  if (isTaken) return EXIT.unreachable;
  return error.code === 'CONFIG_INVALID' ? EXIT.usage : EXIT.failed;
}
