import type { StopReason } from '../runs/stop-file.ts';
import type { RunMode } from '../runs/record.ts';

/** A trigger, wherever it came from, checked and with every default filled in. */
export interface RunRequest {
  /** The announcement. */
  readonly message: string;
  /** `''`: announce and clean up only; null: what there is to do (tickets, default prompt). */
  readonly prompt: string | null;
  readonly workspace: string | null;
  readonly binary: string | null;
  readonly delayMs: number;
  readonly startupCheckMs: number;
  readonly onBusy: 'replace' | 'reject' | 'queue';
  readonly model: string | null;
  readonly reasoning: string | null;
  /** `http`, `cli`, `autopoll`, `reply`, … as in the run record. */
  readonly trigger: string;
  readonly requestId: string;
  /** The run that the caller says it works in (`X-Looper-Run-Id`). */
  readonly callerRunId: string | null;
  /** False for automatic runs, of which only the end is announced. */
  readonly announceStart: boolean;
  readonly warnings: readonly string[];
}

export interface AgentBinary {
  readonly path: string;
  readonly source: 'request' | 'env' | 'local' | 'path';
}

/** What a trigger came to. */
export interface RunAnswer {
  readonly runId: string | null;
  readonly mode: RunMode | 'none';
  /** Null: none was named, and none was needed. */
  readonly workspace: string | null;
  readonly binary: AgentBinary | null;
  readonly killedPids: readonly number[];
  readonly remainingPids: readonly number[];
  /** Whose record says `replaced`: null where the active run ended for another reason just then. */
  readonly replacedRunId: string | null;
  readonly notified: boolean;
  readonly announcement: string;
  readonly agent: StartedAgent | null;
  readonly warnings: readonly string[];
}

export interface StartedAgent {
  readonly pid: number;
  readonly command: string;
  readonly logPath: string;
  /** Of the first agent, when it ended within the startup check; null: it works. */
  readonly startupReturnCode: number | null;
}

export type { StopReason };
