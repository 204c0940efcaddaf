import { STATUS_CODES } from 'node:http';
import { descriptorShortage, HTTP_STATUS, LooperError } from '../errors.ts';

export interface Problem {
  readonly status: number;
  /** What failed, with the value, and what to do next. */
  readonly sentence: string;
  /** A word for programs, of the closed set in `errors.ts` where there is one. */
  readonly code: string;
  /** Further members; those that every document has are not replaced. */
  readonly extensions?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a caller is told by name; null for a bug, whose details are nobody's business. */
export function tellable(error: unknown): LooperError | null {
  return error instanceof LooperError ? error : descriptorShortage(error);
}

/**
 * What an error answers: RFC 9457's members, and `ok` and `error` as the original Looper's callers
 * read them.
 */
export function problemOf(thrown: unknown): Problem {
  const error = tellable(thrown);
  if (error === null) return { status: 500, sentence: 'internal error', code: 'INTERNAL' };
  const headers: Record<string, string> = {};
  if (error.retryAfterSeconds !== undefined) {
    headers['Retry-After'] = String(Math.ceil(error.retryAfterSeconds));
  }
  // RFC 9110 asks for it with every 401.
  if (error.code === 'UNAUTHORISED') headers['WWW-Authenticate'] = 'Bearer realm="looper"';
  return {
    status: HTTP_STATUS[error.code],
    sentence: error.message,
    code: error.code,
    extensions: error.details,
    headers,
  };
}

/** The problem as a document of the type `application/problem+json`. */
export function problemDocument(problem: Problem): string {
  const { status, sentence, code } = problem;
  const document = {
    ...problem.extensions,
    // No page describes the problems one by one; RFC 9457 has this type for that case.
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: sentence,
    code,
    ok: false,
    error: sentence,
  };
  return `${JSON.stringify(document)}\n`;
}

export function problemAnswer(problem: Problem, requestId: string): Response {
  const headers = {
    ...problem.headers,
    'Content-Type': 'application/problem+json',
    'X-Request-Id': requestId,
  };
  return new Response(problemDocument(problem), { status: problem.status, headers });
}

/** The answer to whatever a handler threw. */
export function problemResponse(error: unknown, requestId: string): Response {
  return problemAnswer(problemOf(error), requestId);
}
