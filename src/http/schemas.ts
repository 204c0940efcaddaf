import { z } from 'zod';
import { runRecordSchema } from '../runs/schema.ts';
import { replyBodySchema, runBodySchema } from './run-request.ts';

/** What the routes take and answer, for `GET /openapi.json` and for tests that hold us to it. */

const problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().describe('A word for programs.'),
    ok: z.literal(false),
    error: z.string().describe('What failed, with the value, and what to do next.'),
  })
  .describe('RFC 9457, with the fields of the original Looper. May hold further members.');

const startedAgent = z.object({
  pid: z.int(),
  command: z.string(),
  log_path: z.string(),
  startup_return_code: z
    .int()
    .nullable()
    .describe('Of an agent that ended within the startup check.'),
});

const runAnswer = z.object({
  ok: z.literal(true),
  run_id: z.string().nullable(),
  mode: z.enum(['tickets', 'prompt', 'none']),
  workspace: z.string().nullable(),
  notified: z.boolean(),
  zulip_output: z.string(),
  killed_codex_exec_pids: z.array(z.int()),
  remaining_codex_exec_pids: z.array(z.int()),
  replaced_run_id: z.string().nullable(),
  codex_exec_binary: z.string().nullable(),
  codex_exec_binary_source: z.enum(['request', 'env', 'local', 'path']).nullable(),
  codex_exec_started: z.boolean(),
  codex_exec_result: startedAgent.nullable(),
  codex_exec_approval_policy: z.string(),
  codex_exec_sandbox: z.string(),
  warnings: z.array(z.string()),
  killed_vscode_pids: z.array(z.int()).describe('An old name of killed_codex_exec_pids.'),
  remaining_vscode_pids: z.array(z.int()).describe('An old name of remaining_codex_exec_pids.'),
  codex_prompt_sent: z.boolean().describe('An old name of codex_exec_started.'),
  codex_send_result: startedAgent.nullable().describe('An old name of codex_exec_result.'),
});

const autopollStatus = z.object({
  enabled: z.boolean(),
  paused: z.boolean(),
  interval_seconds: z.number().nullable(),
  cron: z.string().nullable(),
  next_tick_at: z.string().nullable(),
  waiting: z
    .object({ reason: z.string(), detail: z.string() })
    .nullable()
    .describe('Why the last look started nothing.'),
  failures: z.int(),
  runs_today: z.int(),
  max_runs_per_day: z.int(),
});

const finding = z.object({
  file: z.string(),
  line: z.int().nullable(),
  message: z.string(),
  instead: z.string().describe('What to write instead.'),
});

const ticket = z.object({
  file: z.string(),
  number: z.int(),
  id: z.string(),
  title: z.string(),
  agent: z.string().nullable(),
  state: z
    .enum(['done', 'active', 'waiting', 'open', 'bad'])
    .describe('waiting: its turn has come, and it needs a person first.'),
  goal: z.string().nullable(),
});

const ok = z.literal(true);

/** By the name that they have in the OpenAPI document. */
export const SCHEMAS = {
  Problem: problem,
  Health: z.object({ ok, service: z.literal('looper'), version: z.string() }),
  Ready: z.object({ ok: z.boolean(), missing: z.array(z.string()) }),
  RunBody: runBodySchema,
  RunAnswer: runAnswer,
  Accepted: z.object({ ok, run_id: z.string().nullable(), warnings: z.array(z.string()) }),
  ReplyBody: replyBodySchema,
  RunRecord: runRecordSchema,
  Run: z.object({ ok, run: runRecordSchema }),
  Runs: z.object({ ok, runs: z.array(runRecordSchema) }),
  Tickets: z.object({
    ok,
    workspace: z.string(),
    directory: z.string().describe('Where the tickets are, or would go.'),
    source: z.enum(['looper', 'car', 'named', 'none']),
    tickets: z.array(ticket),
    findings: z.array(finding).describe('What has to be changed before a ticket can run.'),
    remarks: z.array(finding).describe('What may be meant so.'),
  }),
  TicketText: z.object({
    ok,
    file: z.string(),
    text: z.string().describe('Terminal escapes and characters that deceive are made visible.'),
  }),
  Autopoll: z.object({ ok, autopoll: autopollStatus }),
  LogEvent: z
    .object({
      offset: z.int(),
      text: z.string(),
      truncated: z.literal(true).optional(),
    })
    .describe('Data of a `log` event: a finished line of the run log.'),
  RunEvent: z
    .looseObject({ type: z.string(), at: z.string(), run_id: z.string() })
    .describe('Data of a lifecycle event; the name of the event is its type.'),
  Status: z
    .object({
      at: z.string(),
      active: runRecordSchema.nullable(),
      queued: z.boolean().describe('A trigger waits behind the active run.'),
      launching: z.boolean(),
      autopoll: autopollStatus,
    })
    .describe('Data of the `status` event that opens GET /events.'),
  HookAnswer: z.looseObject({
    ok: z.literal(true).optional(),
    hook: z.string().optional(),
    fired: z.boolean().optional(),
    reason: z.string().optional(),
  }),
} as const satisfies Record<string, z.ZodType>;

export type SchemaName = keyof typeof SCHEMAS;
