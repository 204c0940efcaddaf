import { parseResetTime } from './reset-time.ts';
import type { TurnReport } from './turn-report.ts';

export interface TurnVerdict {
  readonly kind:
    | 'completed'
    | 'failed'
    /** The account has no more to spend; nothing helps but time (or money). */
    | 'usage_limited'
    /** The provider or the way there; trying again later may help. */
    | 'network_error'
    /** Credentials are missing or refused: a person has to act. */
    | 'auth_error'
    /** The thread is too long; a new one may succeed. */
    | 'context_overflow'
    /** The thread to resume cannot be used; a new one can. */
    | 'resume_failed'
    /** No command could run at all, although codex calls the turn completed. */
    | 'sandbox_unusable';
  /** One line for people. */
  readonly message: string;
  /** When a usage limit ends (ISO 8601 UTC), where the provider said so. */
  readonly resetsAt: string | null;
  readonly warning?: string;
}

/** How the agent's process ended; both null: nobody saw it end. */
export interface AgentExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/**
 * Codex 0.169 reports why a turn failed as prose only. Each pattern stands at the start of that
 * prose, so that a provider's answer quoted further on decides nothing. A 429 without a word about
 * quota counts as a usage limit without a known end: codex does not retry it either.
 */
const CAUSES: readonly (readonly [TurnVerdict['kind'], RegExp])[] = [
  ['usage_limited', /^you['’]ve (?:hit|reached) your usage limit/i],
  ['usage_limited', /^usage limit reached/i],
  ['usage_limited', /^quota exceeded/i],
  ['usage_limited', /^you exceeded your current quota/i],
  ['usage_limited', /^(?:you['’]re|your workspace is) out of credits/i],
  ['usage_limited', /^you hit your spend cap/i],
  ['usage_limited', /^rate limit reached/i],
  ['usage_limited', /^(?:exceeded retry limit, last status:|unexpected status) 429\b/i],
  ['usage_limited', /^to use codex with your chatgpt plan, upgrade/i],
  ['auth_error', /^(?:exceeded retry limit, last status:|unexpected status) 40[13]\b/i],
  ['auth_error', /^missing environment variable/i],
  ['auth_error', /^your access token could not be refreshed/i],
  ['auth_error', /^failed to refresh token/i],
  ['context_overflow', /^codex ran out of room/i],
  ['context_overflow', /^your input exceeds the context window/i],
  ['network_error', /^(?:exceeded retry limit, last status:|unexpected status) (?:408|5\d\d)\b/i],
  ['network_error', /^(?:stream disconnected|connection (?:failed|error|refused|reset))/i],
  ['network_error', /^(?:error sending request|request timed out|timeout\b|idle timeout)/i],
  ['network_error', /^we['’]re currently experiencing high demand/i],
  ['network_error', /^(?:selected model is at capacity|policy-restricted capacity)/i],
  ['network_error', /^reconnecting/i],
];

/** `error.code` of a provider's JSON answer. */
const CODES: ReadonlyMap<unknown, TurnVerdict['kind']> = new Map([
  ['context_length_exceeded', 'context_overflow'],
  ['insufficient_quota', 'usage_limited'],
  ['usage_limit_reached', 'usage_limited'],
  ['invalid_api_key', 'auth_error'],
]);

/** On stderr, before there is a session: exit code 1 and nothing on stdout. */
const RESUME_REFUSED =
  /no rollout found for (?:thread|conversation) id|already has an active writer/;
/** What codex says on stderr in runs that end well, too. */
const NOTICE = /^(?:Reading (?:additional input|prompt) from stdin|warning: )/i;
const MAX_MESSAGE_CHARS = 500;
const MAX_SEARCHED_CHARS = 4000;

/**
 * Judges a turn by codex's terminal events and the exit code alone. Words in the agent's messages
 * or in the output of its commands decide nothing, except that bubblewrap's complaint from every
 * single command means that there was no usable sandbox.
 */
export function classifyTurn(
  report: TurnReport,
  exit: AgentExit,
  now: Date = new Date(),
): TurnVerdict {
  if (report.terminal === 'failed') return failure(report.errorMessage ?? '', now);
  if (exit.signal !== null) return verdict('failed', `codex was ended by ${exit.signal}`);
  if (exit.exitCode === 0 || (exit.exitCode === null && report.terminal === 'completed')) {
    return success(report, exit);
  }
  if (report.terminal === 'completed') {
    return verdict('failed', `codex completed its turn, yet exited with code ${exit.exitCode}`);
  }
  if (report.errorMessage !== null) return failure(report.errorMessage, now);
  if (exit.exitCode === null) return verdict('failed', 'nobody saw how codex ended');
  return silentFailure(report, exit.exitCode);
}

function success(report: TurnReport, exit: AgentExit): TurnVerdict {
  const { total, sandboxFailed } = report.commands;
  if (total > 0 && sandboxFailed === total) {
    return verdict(
      'sandbox_unusable',
      `codex could not set up its sandbox, so none of its ${total} commands ran; ` +
        'allow unprivileged user namespaces on this machine or set LOOPER_CODEX_SANDBOX',
    );
  }
  const completed = verdict('completed', oneLine(report.finalMessage ?? 'the turn completed'));
  if (report.terminal === 'completed') {
    return exit.exitCode === null
      ? { ...completed, warning: 'its exit code is unknown' }
      : completed;
  }
  if (report.finalMessage !== null) {
    return { ...completed, warning: 'codex exited with code 0 but never said that it completed' };
  }
  return verdict('failed', 'codex exited with code 0 but said nothing and completed no turn');
}

function failure(reason: string, now: Date): TurnVerdict {
  const answer = providerAnswer(reason);
  const message = oneLine(answer?.message ?? reason) || 'codex gave no reason';
  const kind =
    answer === null
      ? (CAUSES.find(([, pattern]) => pattern.test(message))?.[0] ?? 'failed')
      : (CODES.get(answer.code) ?? 'failed');
  // The reason may be longer than what is shown of it; the end of the limit may stand behind.
  const resetsAt =
    kind === 'usage_limited' ? parseResetTime(reason.slice(0, MAX_SEARCHED_CHARS), now) : null;
  return { kind, message, resetsAt };
}

/** For a status 400, codex's reason is the provider's JSON answer itself; only its code decides. */
function providerAnswer(reason: string): { code: unknown; message: string } | null {
  if (!reason.startsWith('{')) return null;
  try {
    const answer = JSON.parse(reason) as { error?: Record<string, unknown> | null };
    const message = answer.error?.['message'];
    return {
      code: answer.error?.['code'] ?? answer.error?.['type'],
      message: typeof message === 'string' ? message : reason,
    };
  } catch {
    return null;
  }
}

/** No event says why: what stands on stderr does, and only before the session is it codex's own. */
function silentFailure(report: TurnReport, exitCode: number): TurnVerdict {
  const inSession = report.threadId !== null || report.turnStarted;
  const lines = report.textTail.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => !NOTICE.test(line));
  const said = oneLine((errors.length > 0 ? errors : lines).join('\n'));
  const kind = !inSession && RESUME_REFUSED.test(report.textTail) ? 'resume_failed' : 'failed';
  return verdict(kind, `codex exited with code ${exitCode}${said === '' ? '' : `: ${said}`}`);
}

function verdict(kind: TurnVerdict['kind'], message: string): TurnVerdict {
  return { kind, message, resetsAt: null };
}

/** Runs of blanks and control characters become one blank: the message ends up in logs and chats. */
function oneLine(text: string): string {
  const flat = text.slice(0, MAX_SEARCHED_CHARS).replace(/[\s\p{Cc}]+/gu, ' ');
  const trimmed = flat.trim();
  return trimmed.length <= MAX_MESSAGE_CHARS
    ? trimmed
    : `${trimmed.slice(0, MAX_MESSAGE_CHARS - 1)}…`;
}
