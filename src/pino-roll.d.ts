declare module 'pino-roll' {
  import type { pino } from 'pino';

  /** The options that Looper uses; those of the underlying sonic-boom go to the same place. */
  interface RollOptions {
    /** Path and start of the name; a number and the extension follow. */
    readonly file: string;
    readonly extension: string;
    /** `'<n>b'` for bytes, `k`, `m`, `g`. */
    readonly size: string;
    readonly limit: { readonly count: number; readonly removeOtherLogFiles: boolean };
    readonly sync: boolean;
    readonly mode: number;
    readonly mkdir: boolean;
    readonly maxLength: number;
  }

  /** A stream to the current file, which `file` names; `ready` follows each rotation. */
  export default function openRollingFile(
    options: RollOptions,
  ): Promise<ReturnType<typeof pino.destination> & { readonly file: string; destroyed: boolean }>;
}
