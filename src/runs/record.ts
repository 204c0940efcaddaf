import type { ProcessIdentity } from '../processes/identity.ts';

export const OUTCOMES = [
  'succeeded',
  'failed',
  'stopped',
  'shutdown',
  'replaced',
  'timed_out',
  'stalled',
  'usage_limited',
  'waiting',
  'no_progress',
  'limit_reached',
  'spawn_failed',
  'lost',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const RUN_STATUSES = ['queued', 'starting', 'running', 'stopping', 'finished'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

export type RunMode = 'tickets' | 'prompt';

/** How one turn ended, as judged from codex's event stream and exit code. */
export const TURN_OUTCOMES = [
  'finished',
  'unfinished',
  'failed',
  'broken_ticket',
  'uncommitted',
  'usage_limited',
  'network_error',
  'auth_error',
  'context_overflow',
  'resume_failed',
  'sandbox_unusable',
  'stalled',
  'timed_out',
  'log_limit',
  'stopped',
  'spawn_failed',
] as const;
export type TurnOutcome = (typeof TURN_OUTCOMES)[number];

/** Tokens of one turn (not codex's cumulative thread figures). */
export interface Usage {
  readonly input_tokens: number;
  readonly cached_input_tokens: number;
  readonly output_tokens: number;
  readonly reasoning_output_tokens: number;
}

/** One execution of the agent inside a run. Times are ISO 8601 UTC, offsets are bytes of the run log. */
export interface TurnRecord {
  readonly ticket: string | null;
  thread_id: string | null;
  exit_code: number | null;
  signal: string | null;
  outcome: TurnOutcome | null;
  usage: Usage | null;
  readonly log_start: number;
  log_end: number | null;
  readonly started_at: string;
  finished_at: string | null;
  final_message: string | null;
  /** File names of the replies that this turn's prompt carried. */
  replies?: readonly string[];
}

/** `<base>.json`: written atomically before the agent is spawned and at every change. */
export interface RunRecord {
  readonly version: 1;
  readonly run_id: string;
  readonly trigger: string;
  readonly mode: RunMode;
  readonly workspace: string;
  status: RunStatus;
  outcome: Outcome | null;
  /** One sentence for people: why it ended so, or the question it waits with. */
  reason: string | null;
  readonly created_at: string;
  started_at: string | null;
  finished_at: string | null;
  runner: ProcessIdentity | null;
  agent: ProcessIdentity | null;
  turns: TurnRecord[];
  readonly log_path: string;
  /** When a usage limit ends, where the provider said so. */
  resets_at?: string | null;
  /** Set when the run ended with a question to a person. */
  question?: RunQuestion | null;
  summary?: RunSummary | null;
  /** Whether the work tree or the tickets differ from what they were at the start; null: unknown. */
  changed?: boolean | null;
}

export interface RunQuestion {
  readonly ticket: string | null;
  readonly title: string;
  readonly text: string;
  readonly asked_at: string;
}

export interface RunSummary {
  readonly tickets_done: readonly string[];
  readonly tickets_waiting: readonly string[];
  readonly tickets_left: number;
  readonly turns: number;
  readonly usage: Usage;
  readonly usage_by_ticket: Readonly<Record<string, Usage>>;
  readonly duration_seconds: number;
  readonly commits: readonly string[];
  readonly warnings: readonly string[];
}
