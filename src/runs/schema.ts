import { z } from 'zod';
import { OUTCOMES, RUN_STATUSES, TURN_OUTCOMES, type RunRecord } from './record.ts';

const identity = z.object({ pid: z.number().int().positive(), start_time: z.string() });

const usage = z.object({
  input_tokens: z.number(),
  cached_input_tokens: z.number(),
  output_tokens: z.number(),
  reasoning_output_tokens: z.number(),
});

const turn = z.object({
  ticket: z.string().nullable(),
  thread_id: z.string().nullable(),
  exit_code: z.number().nullable(),
  signal: z.string().nullable(),
  outcome: z.enum(TURN_OUTCOMES).nullable(),
  usage: usage.nullable(),
  log_start: z.number(),
  log_end: z.number().nullable(),
  started_at: z.string(),
  finished_at: z.string().nullable(),
  final_message: z.string().nullable(),
  replies: z.array(z.string()).exactOptional(),
});

const question = z.object({
  ticket: z.string().nullable(),
  title: z.string(),
  text: z.string(),
  asked_at: z.string(),
});

const summary = z.object({
  tickets_done: z.array(z.string()),
  tickets_waiting: z.array(z.string()),
  tickets_left: z.number(),
  turns: z.number(),
  usage,
  usage_by_ticket: z.record(z.string(), usage),
  duration_seconds: z.number(),
  commits: z.array(z.string()),
  warnings: z.array(z.string()),
});

/** A record as it lies on disk. A later version, which may mean other things, is not read. */
export const runRecordSchema = z.object({
  version: z.literal(1),
  run_id: z.string(),
  trigger: z.string(),
  mode: z.enum(['tickets', 'prompt']),
  workspace: z.string(),
  status: z.enum(RUN_STATUSES),
  outcome: z.enum(OUTCOMES).nullable(),
  reason: z.string().nullable(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
  runner: identity.nullable(),
  agent: identity.nullable(),
  turns: z.array(turn),
  log_path: z.string(),
  resets_at: z.string().nullable().exactOptional(),
  question: question.nullable().exactOptional(),
  summary: summary.nullable().exactOptional(),
  changed: z.boolean().nullable().exactOptional(),
});

/** Null when the text is not a record that this version of Looper reads (torn, garbled, newer). */
export function parseRunRecord(text: string): RunRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = runRecordSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}
