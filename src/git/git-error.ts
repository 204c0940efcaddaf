/**
 * - `absent`: no usable git binary
 * - `moved`: the repository is no longer what was resolved; git was not called
 * - `timeout`, `output`: git took too long, or said more than Looper reads
 * - `failed`: git ended with another code than 0
 */
export type GitErrorKind = 'absent' | 'moved' | 'timeout' | 'output' | 'failed';

/** A git call that did not work out. Never a reason to end a run: the work lies in the workspace. */
export class GitError extends Error {
  readonly kind: GitErrorKind;

  constructor(kind: GitErrorKind, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'GitError';
    this.kind = kind;
  }
}
