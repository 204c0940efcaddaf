import type { Repository } from '../git/repository.ts';
import type { AgentCommandOptions } from '../codex/command.ts';
import type { RunRecord } from '../runs/record.ts';
import type { CarriedTicket } from './carry.ts';

/** What the daemon tells a waiting runner, as one JSON line through its gate. */
export interface RunOrder {
  /** Of the Looper that gives it: another one may mean something else by the rest. */
  readonly version: string;
  readonly record: RunRecord;
  readonly base: string;
  readonly logDirectory: string;
  readonly requestId: string;
  /** The agent's whole environment but for `LOOPER_TICKET`, which differs by turn. */
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: RunLimits;
  /** The agent command of every turn; model, thread and last-message file are filled in by turn. */
  readonly command: AgentCommandTemplate;
  readonly firstTurn: TurnPlan;
  /** Null in a prompt run. */
  readonly loop: LoopOrder | null;
  /** Looper's own folder for git calls, where no agent can write. */
  readonly scratch: string;
  /** For a prompt run that tells whether it changed anything; null: it does not. */
  readonly watchedWork: WatchedWork | null;
}

export interface WatchedWork {
  readonly repository: Repository | null;
  readonly fingerprint: string;
}

export interface RunLimits {
  readonly graceMs: number;
  readonly turnTimeoutMs: number;
  readonly stallMs: number;
  readonly runTimeoutMs: number | null;
  readonly maxLogBytes: number;
  readonly maxTurns: number;
  readonly maxTurnsPerTicket: number;
}

export type AgentCommandTemplate = Omit<
  AgentCommandOptions,
  'lastMessagePath' | 'resumeThreadId' | 'model' | 'reasoning'
> & { readonly model: string | null; readonly reasoning: string | null };

/** One turn that is ready to be executed: its prompt lies in `<base>.turn<N>.prompt`. */
export interface TurnPlan {
  readonly ticket: string | null;
  readonly model: string | null;
  readonly reasoning: string | null;
  readonly resumeThreadId: string | null;
  readonly replies: readonly string[];
}

/** What a ticket loop needs beyond its first turn. */
export interface LoopOrder {
  readonly ticketsDirectory: string;
  readonly isCarPack: boolean;
  readonly commit: 'looper' | 'agent' | 'off';
  /** Null: no repository, or nothing is to be committed and nothing to be compared. */
  readonly repository: Repository | null;
  /** The first ticket as it stands, maybe begun in an earlier run. */
  readonly ticket: CarriedTicket;
  /** Tickets and work tree before the first turn; null where that cannot be told. */
  readonly fingerprint: string | null;
  readonly replies: readonly KnownReply[];
  /** Made at the launch for tickets that an earlier run had finished. */
  readonly commits: readonly string[];
  readonly warnings: readonly string[];
}

/** A person's answer to a question about a ticket. */
export interface KnownReply {
  /** `<run id>/<file name>`, as a turn's record names it. */
  readonly name: string;
  /** File name of the ticket it is for; null: for whichever works next. */
  readonly ticket: string | null;
  readonly text: string;
  /** Threads that have seen it. */
  readonly shownIn: readonly string[];
}

/** What the runner tells the daemon; whoever reads none of it finds the same in the files. */
export type RunnerReply =
  | { readonly kind: 'busy'; readonly holder: string | null }
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly survivors: readonly number[] }
  | {
      readonly kind: 'turn_exited';
      readonly exitCode: number | null;
      readonly signal: string | null;
    }
  | { readonly kind: 'ended'; readonly outcome: string };
