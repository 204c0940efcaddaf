import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { LooperError } from '../errors.ts';
import { createRedactor } from '../redact.ts';
import { encodeMultipart, exchange, type HttpOutcome } from './http.ts';
import type { NotifyLog } from './index.ts';
import { cutToLimit, neutraliseControls } from './text.ts';

/** Before the second attempt, where the answer does not say how long. */
const DEFAULT_RETRY_MS = 250;

/** `result` and `msg` are in every answer of Zulip, `code` in most of the errors. */
const answerSchema = z.looseObject({
  result: z.string(),
  msg: z.string().optional(),
  code: z.string().optional(),
  'retry-after': z.number().nonnegative().optional(),
});

export interface ApiCall {
  readonly method: 'GET' | 'POST';
  /** Below `/api/v1`. */
  readonly path: string;
  readonly fields?: ReadonlyArray<readonly [name: string, value: string]>;
  readonly maxBytes: number;
}

/** When a call must have ended; `endsAt` is on the clock of `performance.now()`. */
export interface Deadline {
  readonly signal: AbortSignal;
  readonly endsAt: number;
}

export interface ZulipApi {
  /** The answer with `result: "success"`; everything else is a `NOTIFY_FAILED`. */
  call(call: ApiCall, deadline: Deadline): Promise<Readonly<Record<string, unknown>>>;
  /** The text without the API key, in whichever form it was sent. */
  redact(text: string): string;
}

/**
 * Zulip's REST API: Basic authentication, one retry where a retry can help (429, 5xx, no answer), every
 * error a sentence. A request that was lost on its way back is posted twice: better than not at all.
 */
export function createZulipApi(
  {
    site,
    email,
    apiKey,
  }: { readonly site: string; readonly email: string; readonly apiKey: string },
  { log }: { readonly log: NotifyLog },
): ZulipApi {
  const basic = Buffer.from(`${email}:${apiKey}`, 'utf8').toString('base64');
  const redactor = createRedactor([basic, apiKey]);
  // An answer or a redirect's target may repeat what we sent. Redacted before it is cut, since half a
  // key is not recognised any more.
  const clean = (text: string) => redactor.text(neutraliseControls(text));
  const excerpt = (text: string, limit: number) => cutToLimit(clean(text), limit, '…');
  const failure = (sentence: string, cause?: unknown) =>
    new LooperError('NOTIFY_FAILED', clean(sentence), { cause });

  async function once(call: ApiCall, signal: AbortSignal): Promise<Verdict> {
    const form = call.fields === undefined ? undefined : encodeMultipart(call.fields);
    const outcome = await exchange(
      {
        method: call.method,
        url: `${site}/api/v1${call.path}`,
        headers: {
          Authorization: `Basic ${basic}`,
          Accept: 'application/json',
          'User-Agent': 'Looper',
          ...(form && {
            'Content-Type': form.contentType,
            'Content-Length': String(form.body.length),
          }),
        },
        ...(form && { body: form.body }),
        maxBytes: call.maxBytes,
      },
      signal,
    );
    if (signal.aborted && outcome.kind !== 'answered') {
      throw failure(`Zulip at ${site} did not answer in time`, signal.reason);
    }
    return judge(site, outcome, excerpt);
  }

  return {
    redact: (text) => redactor.text(text),
    async call(call, { signal, endsAt }) {
      const first = await once(call, signal);
      if (first.kind === 'success') return first.answer;
      if (first.retryAfterMs === null) throw failure(first.sentence);
      if (performance.now() + first.retryAfterMs >= endsAt) {
        const seconds = first.retryAfterMs / 1000;
        throw failure(`${first.sentence} (a retry in ${seconds} s would be after the deadline)`);
      }
      log.warn({ path: call.path, error: failure(first.sentence).message }, 'notify.zulip.retry');
      try {
        await delay(first.retryAfterMs, undefined, { signal });
      } catch (error) {
        throw failure(first.sentence, error);
      }
      const second = await once(call, signal);
      if (second.kind === 'success') return second.answer;
      throw failure(`${second.sentence} (at the second attempt)`);
    },
  };
}

type Verdict =
  | { readonly kind: 'success'; readonly answer: Readonly<Record<string, unknown>> }
  /** `retryAfterMs` is null where asking again would get the same answer or post what was accepted. */
  | { readonly kind: 'failed'; readonly sentence: string; readonly retryAfterMs: number | null };

function judge(
  site: string,
  outcome: HttpOutcome,
  excerpt: (text: string, limit: number) => string,
): Verdict {
  if (outcome.kind === 'unreachable') {
    const sentence = `cannot reach Zulip at ${site}: ${outcome.reason}. Check ZULIP_SITE and the network`;
    return { kind: 'failed', sentence, retryAfterMs: DEFAULT_RETRY_MS };
  }
  const { status } = outcome;
  const isTransient = status === 429 || status >= 500;
  const failed = (sentence: string, retryAfterMs = DEFAULT_RETRY_MS): Verdict => ({
    kind: 'failed',
    sentence,
    retryAfterMs: isTransient ? retryAfterMs : null,
  });
  if (outcome.kind === 'cut') return failed(`Zulip at ${site} said ${status}: ${outcome.reason}`);
  if (status >= 300 && status < 400) {
    const target = excerpt(outcome.headers.location ?? 'nowhere', 200);
    return failed(
      `Zulip at ${site} said ${status} and redirects to ${target}; redirects are not followed. Set ZULIP_SITE to the final address`,
    );
  }
  const answer = answerSchema.safeParse(parseJson(outcome.body));
  if (!answer.success) {
    const start = excerpt(outcome.body, 80).replace(/\s+/gu, ' ').trim();
    return failed(
      `Zulip at ${site} said ${status} with ${start === '' ? 'an empty body' : `"${start}"`}, which is not an answer of Zulip. Check ZULIP_SITE`,
      parseRetryAfter(outcome.headers['retry-after']),
    );
  }
  const { result, msg = 'no message', code } = answer.data;
  if (result === 'success' && status < 300) return { kind: 'success', answer: answer.data };
  const seconds = answer.data['retry-after'];
  return failed(
    `Zulip at ${site} refused: ${excerpt(msg, 500)} (${[`HTTP ${status}`, code].filter(Boolean).join(', ')})${adviceFor(status)}`,
    parseRetryAfter(outcome.headers['retry-after']) ??
      (seconds === undefined ? undefined : seconds * 1000),
  );
}

function adviceFor(status: number): string {
  return status === 401 || status === 403 ? '. Check ZULIP_BOT_EMAIL and ZULIP_BOT_API_KEY' : '';
}

/** Milliseconds from a `Retry-After` in its two forms: seconds, or a date. */
export function parseRetryAfter(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+(\.\d+)?$/u.test(header.trim())) return Number(header) * 1000;
  // Date.parse alone would make a year of "-1".
  const date = /^[A-Z][a-z]+, /u.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
