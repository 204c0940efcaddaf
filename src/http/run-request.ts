import { z } from 'zod';
import { isPlainName } from '../plain-name.ts';
import type { Config } from '../config.ts';
import { LooperError } from '../errors.ts';
import type { RunRequest } from '../run/request.ts';

const MAX_SECONDS = 3600;
/** What codex accepts as a prompt, in characters (measured with 0.169). */
const MAX_PROMPT_CHARS = 1_048_576;
/** Summed, as in the original, when `codex_exec_delay_seconds` is absent. */
const LEGACY_DELAYS = [
  'startup_delay_seconds',
  'sidebar_delay_seconds',
  'new_task_delay_seconds',
  'prompt_send_delay_seconds',
] as const;

const seconds = z
  .number('must be a number of seconds')
  .min(0, 'must be at least 0')
  .max(MAX_SECONDS, `must be at most ${MAX_SECONDS}`);
const text = z.string('must be a string');
const filled = text.refine((value) => value.trim() !== '', 'must not be blank');
const prompt = text
  .max(MAX_PROMPT_CHARS, `must be at most ${MAX_PROMPT_CHARS} characters long`)
  .refine(
    (value) => value === '' || value.trim() !== '',
    'must not be blank; send "" to announce and clean up only',
  );
const name = text.refine(
  isPlainName,
  'must be up to 128 letters, digits and . _ : / @ + - , beginning with a letter or a digit',
);

/** The body of `POST /run`. */
export const runBodySchema = z.object({
  zulip_message: filled.optional(),
  message: filled.optional(),
  codex_prompt: prompt.optional(),
  prompt: prompt.optional(),
  workspace: filled.optional(),
  codex_exec_binary: filled.optional(),
  codex_exec_delay_seconds: seconds.optional(),
  codex_exec_startup_check_seconds: seconds.optional(),
  startup_delay_seconds: seconds.optional(),
  sidebar_delay_seconds: seconds.optional(),
  new_task_delay_seconds: seconds.optional(),
  prompt_send_delay_seconds: seconds.optional(),
  on_busy: z
    .enum(['replace', 'reject', 'queue'], "must be 'replace', 'reject' or 'queue'")
    .optional(),
  model: name.optional(),
  reasoning: name.optional(),
});

type Body = z.output<typeof runBodySchema>;

/**
 * Checks the body of `POST /run`. Throws `REQUEST_INVALID` with a sentence that names the field;
 * fields that Looper does not know are ignored and named in the answer's `warnings`.
 */
export function parseRunRequest(
  body: Readonly<Record<string, unknown>>,
  context: {
    readonly runs: Config['runs'];
    readonly requestId: string;
    readonly callerRunId: string | null;
    readonly trigger: 'http' | 'cli';
    readonly allowBinary: boolean;
  },
): RunRequest {
  const parsed = runBodySchema.safeParse(body);
  if (!parsed.success) throw invalid(parsed.error.issues[0], body);
  const given = parsed.data;
  const message = given.zulip_message ?? given.message;
  if (message === undefined) throw new LooperError('REQUEST_INVALID', "missing 'zulip_message'");
  if (given.codex_exec_binary !== undefined && !context.allowBinary) {
    throw new LooperError(
      'FORBIDDEN',
      "'codex_exec_binary' is refused: whoever may name it may run any program. Set CODEX_EXEC_BINARY for the service, or LOOPER_ALLOW_REQUEST_BINARY=1.",
    );
  }
  return {
    message,
    prompt: given.codex_prompt ?? given.prompt ?? null,
    workspace: given.workspace ?? null,
    binary: given.codex_exec_binary ?? null,
    delayMs: delayOf(given) ?? context.runs.delayMs,
    startupCheckMs:
      milliseconds(given.codex_exec_startup_check_seconds) ?? context.runs.startupCheckMs,
    onBusy: given.on_busy ?? context.runs.onBusy,
    model: given.model ?? null,
    reasoning: given.reasoning ?? null,
    trigger: context.trigger,
    requestId: context.requestId,
    callerRunId: context.callerRunId,
    announceStart: true,
    warnings: Object.keys(body)
      .filter((field) => !Object.hasOwn(runBodySchema.shape, field))
      .map((field) => `field '${field.slice(0, 100)}' is unknown and was ignored`),
  };
}

/** The body of `POST /runs/:id/reply`. */
export const replyBodySchema = z.object({
  text: filled.max(64 * 1024, 'must be at most 65536 characters long'),
});

/** Checks the body of `POST /runs/:id/reply` and returns the answer's text. */
export function parseReply(body: Readonly<Record<string, unknown>>): string {
  const parsed = replyBodySchema.safeParse(body);
  if (!parsed.success) throw invalid(parsed.error.issues[0], body);
  return parsed.data.text;
}

function delayOf(given: Body): number | undefined {
  const own = milliseconds(given.codex_exec_delay_seconds);
  const legacy = LEGACY_DELAYS.map((field) => given[field]).filter((value) => value !== undefined);
  if (own !== undefined || legacy.length === 0) return own;
  const sum = legacy.reduce((total, value) => total + value, 0);
  if (sum > MAX_SECONDS) {
    const names = LEGACY_DELAYS.map((field) => `'${field}'`).join(', ');
    throw new LooperError(
      'REQUEST_INVALID',
      `the sum of ${names} is ${sum}; it must be at most ${MAX_SECONDS}`,
    );
  }
  return milliseconds(sum);
}

function milliseconds(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 1000);
}

function invalid(issue: z.core.$ZodIssue | undefined, body: Readonly<Record<string, unknown>>) {
  const field = String(issue?.path[0]);
  const shown = JSON.stringify(body[field])?.slice(0, 100) ?? 'nothing';
  return new LooperError(
    'REQUEST_INVALID',
    `'${field}' ${issue?.message ?? 'is not valid'} (it was ${shown})`,
    { details: { field } },
  );
}
