import { createRedactor } from '../redact.ts';
import { exchange, type HttpOutcome } from './http.ts';
import type { NotifyLog } from './index.ts';
import { cutToLimit, neutraliseControls } from './text.ts';
import { DEFAULT_RETRY_MS, parseRetryAfter, tryTwice, type Verdict } from './try-twice.ts';

/** Of an answer; the documented ones are a word or a small object. */
const MAX_ANSWER_BYTES = 64 * 1024;
const SHOWN_CHARACTERS = 120;

export interface PosterOptions {
  /** Where the messages go. Only its origin is ever shown: the path of a webhook is its password. */
  readonly url: string;
  /** What a person has to check when nobody answers there, e.g. `url_file`. */
  readonly setting: string;
  readonly secrets?: readonly string[];
  readonly timeoutMs: number;
  readonly log: NotifyLog;
  /** Of a 2xx: null, or why it is no success after all, continuing "… said 200 with ". */
  readonly objection: (body: string) => string | null;
}

export interface Poster {
  /** Posts once, and a second time where `tryTwice` allows it. Returns the body of the answer. */
  post(
    body: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: string }>;
}

/** Posts to one address: no redirects, a deadline, answers bounded and judged, secrets never shown. */
export function createPoster(options: PosterOptions): Poster {
  const { url, timeoutMs, log } = options;
  const { origin, pathname, search } = new URL(url);
  const path = pathname.length > 1 ? [url, pathname + search, pathname] : [];
  const redactor = createRedactor([...path, ...(options.secrets ?? [])]);
  const clean = (text: string): string => redactor.text(neutraliseControls(text));

  return {
    async post(body, headers, signal) {
      const payload = Buffer.from(body, 'utf8');
      const request = {
        method: 'POST' as const,
        url,
        headers: {
          'User-Agent': 'Looper',
          ...headers,
          'Content-Length': String(payload.length),
        },
        body: payload,
        maxBytes: MAX_ANSWER_BYTES,
      };
      return tryTwice(
        async (attemptSignal) => {
          const outcome = await exchange(request, attemptSignal);
          const verdict = judge(outcome, { ...options, origin, clean }, attemptSignal.aborted);
          return verdict.kind === 'success'
            ? verdict
            : { ...verdict, sentence: clean(verdict.sentence) };
        },
        { signal, endsAt: performance.now() + timeoutMs },
        (error) => log.warn({ origin, error }, 'notify.retry'),
      );
    },
  };
}

interface Context extends PosterOptions {
  readonly origin: string;
  readonly clean: (text: string) => string;
}

type Answer = { readonly status: number; readonly body: string };

function judge(outcome: HttpOutcome, context: Context, isAborted: boolean): Verdict<Answer> {
  const { origin, setting, objection, clean } = context;
  if (outcome.kind !== 'answered' && isAborted) {
    const isInDoubt = outcome.kind === 'cut' || outcome.mayHaveArrived;
    return failed(`${origin} did not answer in time`, { isInDoubt });
  }
  if (outcome.kind === 'unreachable') {
    const { reason, mayHaveArrived: isInDoubt } = outcome;
    return failed(`cannot reach ${origin}: ${reason}. Check the network and ${setting}`, {
      isInDoubt,
      retryAfterMs: isInDoubt ? null : DEFAULT_RETRY_MS,
    });
  }
  const { status } = outcome;
  if (outcome.kind === 'cut') {
    return failed(`${origin} said ${status}: ${outcome.reason}`, { isInDoubt: true });
  }
  const start = cutToLimit(clean(outcome.body), SHOWN_CHARACTERS, '…').replace(/\s+/gu, ' ').trim();
  const said = `${origin} said ${status}${start === '' ? '' : `: "${start}"`}`;
  if (status >= 200 && status < 300) {
    const why = objection(outcome.body);
    if (why === null) return { kind: 'success', answer: { status, body: outcome.body } };
    return failed(`${origin} said ${status} with ${why}. Check ${setting}`);
  }
  if (status >= 300 && status < 400) {
    const target = originOf(outcome.headers.location, origin);
    return failed(
      `${origin} said ${status} and redirects to ${target}; redirects are not followed. Put the final address into ${setting}`,
    );
  }
  // Behind a gateway that gave up, the message may have arrived.
  if (status === 504) return failed(said, { isInDoubt: true });
  const askedMs = parseRetryAfter(outcome.headers['retry-after']);
  if (status === 429 || status >= 500) {
    return failed(said, { retryAfterMs: askedMs ?? DEFAULT_RETRY_MS });
  }
  const isKnown = [401, 403, 404, 410].includes(status);
  return failed(isKnown ? `${said}. Check ${setting}` : said, {
    isRefusal: status === 400 || status === 413 || status === 422,
  });
}

function failed(sentence: string, about: object = {}): Verdict<never> {
  return {
    kind: 'failed',
    sentence,
    isInDoubt: false,
    isRefusal: false,
    retryAfterMs: null,
    ...about,
  };
}

function originOf(location: string | undefined, base: string): string {
  if (location === undefined) return 'nowhere';
  return URL.canParse(location, base) ? new URL(location, base).origin : 'something unreadable';
}

/** A page for people (a log-in, a proxy's error) where a program was expected; a success never is one. */
export function webPage(body: string): string | null {
  return /^\s*<(?:!doctype|html)/iu.test(body) ? 'a web page, so this is not the address' : null;
}
