import { z } from 'zod';
import { createRedactor } from '../redact.ts';
import { encodeMultipart, exchange, type HttpOutcome } from './http.ts';
import type { NotifyLog } from './index.ts';
import { cutToLimit, neutraliseControls } from './text.ts';
import {
  DEFAULT_RETRY_MS,
  parseRetryAfter,
  tryTwice,
  type Deadline,
  type Verdict,
} from './try-twice.ts';

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

export interface ZulipApi {
  /** The answer with `result: "success"`; everything else is a `NOTIFY_FAILED`. */
  call(call: ApiCall, deadline: Deadline): Promise<Readonly<Record<string, unknown>>>;
  /** The text without the API key, in whichever form it was sent. */
  redact(text: string): string;
}

/** Zulip's REST API: Basic authentication, `tryTwice`, every error a sentence. */
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

  async function once(call: ApiCall, signal: AbortSignal): Promise<Verdict<Answer>> {
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
    const isLate = signal.aborted && outcome.kind !== 'answered';
    const verdict = isLate ? tooLate(site, outcome) : judge(site, outcome, excerpt);
    if (verdict.kind === 'success') return verdict;
    // Only what is posted can arrive.
    const isInDoubt = verdict.isInDoubt && call.method === 'POST';
    return { ...verdict, isInDoubt, sentence: clean(verdict.sentence) };
  }

  return {
    redact: (text) => redactor.text(text),
    call: (call, deadline) =>
      tryTwice(
        (signal) => once(call, signal),
        deadline,
        (error) => log.warn({ path: call.path, error }, 'notify.zulip.retry'),
      ),
  };
}

type Answer = Readonly<Record<string, unknown>>;

function tooLate(site: string, outcome: HttpOutcome): Verdict<Answer> {
  return {
    kind: 'failed',
    sentence: `Zulip at ${site} did not answer in time`,
    isInDoubt: outcome.kind !== 'unreachable' || outcome.mayHaveArrived,
    isRefusal: false,
    retryAfterMs: null,
  };
}

function judge(
  site: string,
  outcome: HttpOutcome,
  excerpt: (text: string, limit: number) => string,
): Verdict<Answer> {
  if (outcome.kind === 'unreachable') {
    return {
      kind: 'failed',
      sentence: `cannot reach Zulip at ${site}: ${outcome.reason}. Check ZULIP_SITE and the network`,
      isInDoubt: outcome.mayHaveArrived,
      isRefusal: false,
      retryAfterMs: outcome.mayHaveArrived ? null : DEFAULT_RETRY_MS,
    };
  }
  const { status } = outcome;
  const isInDoubt = outcome.kind === 'cut' || status === 504;
  const isTransient = !isInDoubt && (status === 429 || status >= 500);
  const failed = (sentence: string, retryAfterMs = DEFAULT_RETRY_MS): Verdict<Answer> => ({
    kind: 'failed',
    sentence,
    isInDoubt,
    isRefusal: status === 400 || status === 413,
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
