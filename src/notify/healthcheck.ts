import type { NotifyLog } from './index.ts';
import { failureOf } from './failure.ts';
import { createPoster } from './post.ts';
import { cutToBytes } from './text.ts';

/** Healthchecks keeps at least so much of a ping's body. */
const MAX_BODY_BYTES = 10_000;

/** Pings that somebody misses when Looper, or its machine, is no more. */
export interface Healthcheck {
  started(text: string): void;
  ended(text: string, outcome: 'success' | 'failure'): void;
  /** Waits for what is being sent; each ping has its own deadline. */
  drain(): Promise<void>;
}

/**
 * Healthchecks' convention: `<url>/start`, `<url>`, `<url>/fail`, with a few words as the body. One
 * after the other, in the background: a ping never delays or fails a run. `url` undefined: none.
 */
export function createHealthcheck(
  url: string | undefined,
  options: {
    readonly timeoutMs: number;
    readonly log: NotifyLog;
    /** Takes secrets out of what is sent. */
    readonly redact: (text: string) => string;
  },
): Healthcheck {
  const { timeoutMs, log, redact } = options;
  let last: Promise<void> = Promise.resolve();

  const ping = (suffix: '' | '/start' | '/fail', text: string): void => {
    if (url === undefined) return;
    const poster = createPoster({
      url: withSuffix(url, suffix),
      setting: 'LOOPER_HEALTHCHECK_URL',
      secrets: [url, ...pathOf(url)],
      timeoutMs,
      log,
      objection: () => null,
    });
    const headers = { 'Content-Type': 'text/plain; charset=utf-8' };
    const body = cutToBytes(redact(text), MAX_BODY_BYTES, '…');
    last = last
      .then(() => poster.post(body, headers, AbortSignal.timeout(timeoutMs)))
      .then(() => undefined)
      .catch((error: unknown) => {
        const failure = failureOf(error);
        const about = failure === null ? { err: error } : { error: failure.sentence };
        log.warn({ ping: suffix, ...about }, 'healthcheck.failed');
      });
  };

  return {
    started: (text) => ping('/start', text),
    ended: (text, outcome) => ping(outcome === 'success' ? '' : '/fail', text),
    drain: () => last,
  };
}

/** A check's id or key. */
function pathOf(url: string): string[] {
  const { pathname } = new URL(url);
  return pathname === '/' ? [] : [pathname];
}

/** In front of the query: `?create=1` may stand there. */
function withSuffix(url: string, suffix: string): string {
  const parsed = new URL(url);
  parsed.pathname = parsed.pathname.replace(/\/+$/u, '') + suffix;
  return parsed.href;
}
