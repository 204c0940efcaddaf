/**
 * What a user can cause or fix, and the HTTP status that tells them so. Anything that is not a
 * `LooperError` is a bug: it is logged with its stack and answered as 500 without detail.
 */
export const HTTP_STATUS = {
  CONFIG_INVALID: 500,
  ALREADY_RUNNING: 500,
  REQUEST_INVALID: 400,
  UNAUTHORISED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  RUN_IN_PROGRESS: 409,
  NOT_ACTIVE: 409,
  NOT_WAITING: 409,
  DELIVERY_REPEATED: 409,
  BODY_TOO_LARGE: 413,
  CONTENT_TYPE_UNSUPPORTED: 415,
  HOST_UNKNOWN: 421,
  IDEMPOTENCY_MISMATCH: 422,
  WORKSPACE_INVALID: 422,
  NOTHING_TO_RUN: 422,
  TICKETS_UNREADABLE: 422,
  TOO_MANY_FAILURES: 429,
  AGENT_FAILED: 500,
  RUNNER_FAILED: 500,
  NOTIFY_FAILED: 502,
  CODEX_NOT_FOUND: 503,
  STALE_RUN_SURVIVED: 503,
  LOG_DIR_UNUSABLE: 503,
  OUT_OF_RESOURCES: 503,
  SHUTTING_DOWN: 503,
} as const;

/** Idle connections are closed within that time. */
const SHORTAGE_RETRY_SECONDS = 10;

export type ErrorCode = keyof typeof HTTP_STATUS;

export interface LooperErrorOptions extends ErrorOptions {
  /** Extension members of the problem document, e.g. `{ active_run_id }`. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Seconds after which the caller may try again; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

/** The message says what failed, with the value, and what to do next. */
export class LooperError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: LooperErrorOptions = {}) {
    super(message, options);
    this.name = 'LooperError';
    this.code = code;
    this.details = options.details ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The `code` of a Node system error (`ENOENT`, `EPIPE`, …), or undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of whatever was thrown, for a log line or a sentence. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * What to say where an error means that no descriptor was free, for this process or on the machine
 * (`EMFILE`, `ENFILE`): no bug of ours, and soon over. Null for anything else.
 */
export function descriptorShortage(error: unknown): LooperError | null {
  const code = systemErrorCode(error);
  if (code !== 'EMFILE' && code !== 'ENFILE') return null;
  return new LooperError(
    'OUT_OF_RESOURCES',
    `Too many files and connections are open (${code}). Close connections to this service, or raise its limit (ulimit -n, LimitNOFILE), then try again.`,
    { cause: error, retryAfterSeconds: SHORTAGE_RETRY_SECONDS },
  );
}
