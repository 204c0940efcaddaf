import type { MiddlewareHandler } from 'hono';
import type { HttpEnv } from './answers.ts';
import { LooperError } from '../errors.ts';
import { problemResponse } from './problem.ts';

/** Far more than a person's slips, far less than what guessing or a flood needs. */
const MAX_FAILURES = 30;
const WINDOW_MS = 60_000;

const HOOK_PATH = /^\/hooks\/[^/]+$/;

/**
 * Middleware around the guard and the hooks: who keeps sending wrong tokens or signatures is
 * answered 429 until the window of a minute is over. It counts for each hook, and for all other
 * routes together, in fixed windows.
 *
 * Only what fails is refused: everybody may come from one address (a proxy's), and an outsider must
 * not be able to lock the owner out. Guessing stays hopeless because secrets are long; a token that
 * is not is a warning at start, or a refusal where other machines reach the port.
 */
export function createFailureLimit({
  maxFailures = MAX_FAILURES,
  windowMs = WINDOW_MS,
  now = () => performance.now(),
}: {
  readonly maxFailures?: number;
  readonly windowMs?: number;
  readonly now?: () => number;
} = {}): MiddlewareHandler<HttpEnv> {
  // Bounded: names of hooks count only where the hook exists.
  const windows = new Map<string, { startedAt: number; failures: number }>();

  return async (c, next) => {
    await next();
    const key = keyOf(c.req.method, c.req.path, c.error);
    if (key === null) return;
    const time = now();
    const last = windows.get(key);
    const window =
      last === undefined || time - last.startedAt >= windowMs
        ? { startedAt: time, failures: 0 }
        : last;
    window.failures += 1;
    windows.set(key, window);
    if (window.failures <= maxFailures) return;
    const error = new LooperError(
      'TOO_MANY_FAILURES',
      'too many requests with a wrong token or signature: correct it, then try again',
      { retryAfterSeconds: Math.max(1, (window.startedAt + windowMs - time) / 1000) },
    );
    c.res = problemResponse(error, c.get('requestId'));
  };
}

/** What a failed request counts for; null when it did not fail in a way that is counted. */
function keyOf(method: string, path: string, error: Error | undefined): string | null {
  if (!(error instanceof LooperError)) return null;
  const isHook = method === 'POST' && HOOK_PATH.test(path);
  if (error.code === 'UNAUTHORISED') return isHook ? path : 'token';
  // Somebody who looks for hooks.
  return isHook && error.code === 'NOT_FOUND' ? 'unknown hooks' : null;
}
