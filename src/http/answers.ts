import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono, MiddlewareHandler } from 'hono';
import { randomUUID } from 'node:crypto';
import { problemAnswer, problemResponse, tellable } from './problem.ts';

/** What every handler finds in its context. `incoming` is missing when no socket is involved. */
export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { requestId: string };
}

const REQUEST_ID = /^[\w.-]{1,128}$/;

/** The caller's own request id when it is a plain word, so that its log and ours can be joined. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
}

/** For answers that are data: nothing in them may run, be framed, be guessed at or be kept. */
export const DATA_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

/** The outermost middleware: a request id and safe headers on every answer; a route may set its own. */
export const setAnswerHeaders: MiddlewareHandler<HttpEnv> = async (c, next) => {
  const requestId = requestIdOf(c.req.header('x-request-id'));
  c.set('requestId', requestId);
  await next();
  c.header('X-Request-Id', requestId);
  for (const [name, value] of Object.entries(DATA_HEADERS)) {
    if (!c.res.headers.has(name)) c.header(name, value);
  }
};

/**
 * Answers what a handler threw, 404 and 405 as problem documents. `onBug` gets what no caller can
 * mend, with its stack.
 */
export function answerProblems(
  app: Hono<HttpEnv>,
  onBug: (error: unknown, requestId: string) => void,
): void {
  app.onError((error, c) => {
    if (tellable(error) === null) onBug(error, c.get('requestId'));
    return problemResponse(error, c.get('requestId'));
  });
  app.notFound((c) => {
    const allowed = methodsOf(app, c);
    if (allowed.length === 0) {
      const sentence = `there is nothing at ${c.req.path}`;
      return problemAnswer({ status: 404, sentence, code: 'NOT_FOUND' }, c.get('requestId'));
    }
    const list = allowed.join(', ');
    const problem = {
      status: 405,
      sentence: `${c.req.method} is not possible at ${c.req.path}: use ${list}`,
      code: 'METHOD_NOT_ALLOWED',
      headers: { Allow: list },
    };
    return problemAnswer(problem, c.get('requestId'));
  });
}

/** The methods for which a route matches the path; middleware is registered for `ALL`. */
function methodsOf(app: Hono<HttpEnv>, c: Context<HttpEnv>): string[] {
  return ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) =>
    app.router.match(method, c.req.path)[0].some(([[, route]]) => route.method === method),
  );
}
