import type { TokenUsage } from '../codex/events.ts';

/** How far a step of the agent has come; `ended`: it is over, and how is not known. */
export type StepState = 'running' | 'succeeded' | 'failed' | 'ended';

/** What a person reads of a run log. All texts are inert (see `inert`). */
export type LogItem = {
  /**
   * Counts up from 0. An item that comes again with the same key has gone on (a command has ended,
   * a plan has changed): it replaces the earlier one where that is still shown.
   */
  readonly key: number;
  /** Where its line begins in the log, in bytes. */
  readonly offset: number;
} & LogItemContent;

export type LogItemContent =
  | {
      readonly kind: 'header';
      readonly requestId: string;
      readonly workspace: string;
      readonly command: string;
    }
  | { readonly kind: 'turn'; readonly number: number; readonly ticket: string }
  | { readonly kind: 'message' | 'reasoning'; readonly text: string }
  | {
      readonly kind: 'command';
      /** Without the shell that codex wraps around it. */
      readonly command: string;
      readonly output: string;
      readonly exitCode: number | null;
      readonly state: StepState;
      /** The line was too long to be kept whole: the output ends early. */
      readonly isCut: boolean;
    }
  | {
      readonly kind: 'file_change';
      readonly changes: readonly { readonly path: string; readonly kind: string }[];
      readonly state: StepState;
    }
  | {
      readonly kind: 'plan';
      readonly steps: readonly { readonly text: string; readonly done: boolean }[];
    }
  | { readonly kind: 'tool'; readonly name: string; readonly state: StepState }
  | { readonly kind: 'search'; readonly query: string }
  /** `isFinal`: the turn failed of it; else the agent goes on. */
  | { readonly kind: 'error'; readonly message: string; readonly isFinal: boolean }
  /** Cumulative over the agent's thread, as codex gives it; null: it gave none. */
  | { readonly kind: 'usage'; readonly usage: TokenUsage | null }
  | { readonly kind: 'text'; readonly text: string }
  /** An event that this version does not know. */
  | { readonly kind: 'other'; readonly name: string }
  | {
      readonly kind: 'trailer';
      readonly returnCode: number | null;
      /** Where there is no exit code. */
      readonly outcome: string | null;
    };

export type LogItemKind = LogItemContent['kind'];
