import { verify as verifyGitHub } from '@octokit/webhooks-methods';
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { parsePayload } from './body.ts';
import type { Hook, HookRequest } from './hook.ts';
import { textAt, valuesAt } from './paths.ts';

export const VERIFY_TYPES = [
  'github',
  'gitlab',
  'standard-webhooks',
  'slack',
  'zulip',
  'bearer',
] as const;
export type VerifyType = (typeof VERIFY_TYPES)[number];

/** What Slack and Standard Webhooks recommend; standardwebhooks has the same one built in. */
const MAX_CLOCK_SKEW_SECONDS = 5 * 60;

/** So that nobody can guess one, however fast the guesses come. */
const MIN_SECRET_LENGTH = 16;

/**
 * `ids` recognise the same delivery when it comes again: what its sender calls it, and, where the
 * signature covers the content but not that name, the content itself. None: it may come again.
 */
export type Verification =
  | { readonly kind: 'verified'; readonly ids: readonly string[] }
  /** In words, for the log and the sender: the schemes are no secret. */
  | { readonly kind: 'refused'; readonly why: string };

type Verifier = (
  secret: string,
  request: HookRequest,
  nowMs: number,
) => Verification | Promise<Verification>;

const VERIFIERS: Readonly<Record<VerifyType, Verifier>> = {
  github: verifyGitHubRequest,
  gitlab: verifyGitLabRequest,
  'standard-webhooks': verifyStandardWebhook,
  slack: verifySlackRequest,
  zulip: verifyZulipRequest,
  bearer: verifyBearerRequest,
};

/**
 * Whether a request was sent by who holds the secret. Signatures are over the body's bytes as they
 * came; everything secret is compared in constant time. `nowMs` is since the epoch.
 */
export async function verifyRequest(
  { type, secret }: Hook['verify'],
  request: HookRequest,
  nowMs: number = Date.now(),
): Promise<Verification> {
  return VERIFIERS[type](secret, request, nowMs);
}

/** As much work as a verification is, for a hook that does not exist. */
export function verifyNothing(body: Uint8Array): void {
  createHmac('sha256', randomBytes(32)).update(body).digest();
}

/** What is wrong with a secret for this type, in one sentence that does not show it; null: nothing. */
export function secretProblem(type: VerifyType, secret: string): string | null {
  if (type !== 'standard-webhooks') {
    return secret.length < MIN_SECRET_LENGTH
      ? `is too short: a secret needs at least ${MIN_SECRET_LENGTH} characters (openssl rand -hex 32)`
      : null;
  }
  const bytes =
    /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret) && Buffer.from(secret.slice(6), 'base64');
  return bytes && bytes.length >= MIN_SECRET_LENGTH
    ? null
    : `is no secret of Standard Webhooks: write "whsec_" and at least ${MIN_SECRET_LENGTH} random bytes in base64 (echo "whsec_$(openssl rand -base64 32)")`;
}

async function verifyGitHubRequest(secret: string, request: HookRequest): Promise<Verification> {
  const signature = request.headers['x-hub-signature-256'];
  if (signature === undefined) return refused('there is no X-Hub-Signature-256 header');
  const text = decode(request.body);
  if (text === null || text === '') return refused('the body is empty or not UTF-8');
  if (!(await verifyGitHub(secret, text, signature)))
    return refused('the signature does not match');
  // The delivery's id is not signed: who has seen a request could send it again under another one.
  return verified([
    ...named('github', request.headers['x-github-delivery']),
    `content ${digest(request.body)}`,
  ]);
}

function verifyGitLabRequest(secret: string, { headers, body }: HookRequest): Verification {
  const token = headers['x-gitlab-token'];
  if (token === undefined) return refused('there is no X-Gitlab-Token header');
  if (!isSame(token, secret)) return refused('the token does not match');
  const ids = named('gitlab', headers['idempotency-key'] ?? headers['x-gitlab-event-uuid']);
  return verified(ids.length > 0 ? ids : [`content ${digest(body)}`]);
}

function verifyStandardWebhook(secret: string, { headers, body }: HookRequest): Verification {
  const text = decode(body);
  if (text === null) return refused('the body is not UTF-8');
  try {
    // Throws for whatever does not fit: headers, time, signature.
    new Webhook(secret).verify(text, headers, { jsonParse: false });
  } catch (error) {
    return refused(error instanceof Error ? error.message : String(error));
  }
  return verified(named('standard', headers['webhook-id']));
}

function verifySlackRequest(
  secret: string,
  { headers, body }: HookRequest,
  nowMs: number,
): Verification {
  const time = headers['x-slack-request-timestamp'] ?? '';
  const signature = headers['x-slack-signature'];
  if (signature === undefined || !/^\d{1,12}$/.test(time)) {
    return refused('there is no X-Slack-Signature or X-Slack-Request-Timestamp header');
  }
  const expected = createHmac('sha256', secret).update(`v0:${time}:`).update(body).digest('hex');
  if (!isSame(signature, `v0=${expected}`)) return refused('the signature does not match');
  if (Math.abs(nowMs / 1000 - Number(time)) > MAX_CLOCK_SKEW_SECONDS) {
    return refused(`it was signed at ${time}, more than 5 minutes from now: check both clocks`);
  }
  // Slack has no id for a delivery; when it repeats one that failed, it signs it anew.
  const payload = parsePayload(headers['content-type'], body);
  const event = payload && textAt(payload, 'event_id');
  return verified([`content ${digest(Buffer.from(expected))}`, ...named('slack', event)]);
}

function verifyZulipRequest(secret: string, { headers, body }: HookRequest): Verification {
  const payload = parsePayload(headers['content-type'], body);
  const token = payload && textAt(payload, 'token');
  if (payload === null || token === null) return refused('the body holds no "token"');
  if (!isSame(token, secret)) return refused('the token does not match');
  const [id] = valuesAt(payload, 'message.id');
  return verified(typeof id === 'number' ? [`zulip ${id}`] : [`content ${digest(body)}`]);
}

function verifyBearerRequest(secret: string, { headers }: HookRequest): Verification {
  const token = /^bearer +(\S+)$/i.exec(headers['authorization'] ?? '')?.[1];
  if (token === undefined) return refused('there is no Authorization: Bearer header');
  if (!isSame(token, secret)) return refused('the token does not match');
  // Nothing is signed, so equal requests are no sign of a replay: a cron job sends the same every day.
  return verified(named('key', headers['idempotency-key']));
}

function named(scheme: string, id: string | null | undefined): string[] {
  return id === undefined || id === null || id === '' ? [] : [`${scheme} ${id}`];
}

function verified(ids: readonly string[]): Verification {
  return { kind: 'verified', ids };
}

function refused(why: string): Verification {
  return { kind: 'refused', why };
}

/** Exactly the bytes' text: a byte order mark is signed like everything else. */
function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Compares digests, in constant time: the lengths of what is compared may differ. */
function isSame(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}
