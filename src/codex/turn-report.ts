import { createReadStream } from 'node:fs';

import type { CodexItem, TokenUsage } from './events.ts';
import { parseLogLine } from './events.ts';
import { createLineSplitter } from './lines.ts';

/** What one turn's part of the run log says. Nothing in it is judged yet: see `classifyTurn`. */
export interface TurnReport {
  readonly threadId: string | null;
  readonly turnStarted: boolean;
  /** How codex itself says the turn ended; null: it was killed, or it never began. */
  readonly terminal: 'completed' | 'failed' | null;
  /** Of `turn.failed`, else of the last `error` event that is not about reconnecting. */
  readonly errorMessage: string | null;
  /** As codex gives it: cumulative over the thread, so a resumed turn includes the earlier ones. */
  readonly usage: TokenUsage | null;
  /** The agent's last message. */
  readonly finalMessage: string | null;
  readonly commands: {
    readonly total: number;
    readonly failed: number;
    /** Those of `failed` whose sandbox could not be set up at all. */
    readonly sandboxFailed: number;
  };
  /** Files of completed `file_change` items; changes made by commands are not among them. */
  readonly fileChanges: number;
  /** The last 4 KiB of what is no event: codex's stderr. */
  readonly textTail: string;
}

export interface TurnReader {
  /** Takes one finished line of the log, without its newline. */
  push(line: string): void;
  report(): TurnReport;
}

const TEXT_TAIL_CHARS = 4096;

/**
 * Where user namespaces are off, codex 0.169 runs no command at all, yet its turn completes with
 * exit code 0; the output of each command is then bubblewrap's complaint. `sandbox-exec:` is the
 * same on macOS (not verified there).
 */
const SANDBOX_COMPLAINT = /^(?:bwrap|bubblewrap|sandbox-exec): /m;

/** Builds a `TurnReport` line by line, for a live follower; `report()` may be asked at any time. */
export function createTurnReader(): TurnReader {
  let threadId: string | null = null;
  let turnStarted = false;
  let terminal: TurnReport['terminal'] = null;
  let failure: string | null = null;
  let lastError: string | null = null;
  let usage: TokenUsage | null = null;
  let finalMessage: string | null = null;
  const commands = { total: 0, failed: 0, sandboxFailed: 0 };
  let fileChanges = 0;
  let textTail = '';

  const completeItem = (item: CodexItem): void => {
    if (item.type === 'agent_message') finalMessage = item.text;
    if (item.type === 'file_change' && item.status === 'completed') {
      fileChanges += item.changes.length;
    }
    if (item.type === 'command_execution') {
      commands.total += 1;
      if (item.exitCode === 0) return;
      commands.failed += 1;
      if (SANDBOX_COMPLAINT.test(item.output)) commands.sandboxFailed += 1;
    }
  };

  return {
    push(line) {
      for (const piece of parseLogLine(line)) {
        if (piece.kind === 'text') {
          textTail = `${textTail}${piece.text}\n`.slice(-TEXT_TAIL_CHARS);
          continue;
        }
        const { event } = piece;
        switch (event.type) {
          case 'thread.started':
            threadId ??= event.threadId;
            break;
          case 'turn.started':
            turnStarted = true;
            break;
          case 'turn.completed':
            terminal = 'completed';
            usage = event.usage ?? usage;
            break;
          case 'turn.failed':
            terminal = 'failed';
            failure = event.message;
            break;
          case 'error':
            if (!event.message.startsWith('Reconnecting')) lastError = event.message;
            break;
          case 'item.completed':
            completeItem(event.item);
            break;
          case 'item.started':
          case 'item.updated':
          case 'unknown':
        }
      }
    },
    report: () => ({
      threadId,
      turnStarted,
      terminal,
      errorMessage: failure ?? lastError,
      usage,
      finalMessage,
      commands: { ...commands },
      fileChanges,
      textTail,
    }),
  };
}

/**
 * Reads one turn back from the run log: the bytes from `start` up to `end` (not included), as the
 * run record's `log_start` and `log_end` give them. Memory stays bounded whatever the log holds.
 * Rejects when the log cannot be read.
 */
export async function readTurnReport(
  path: string,
  start: number,
  end: number,
): Promise<TurnReport> {
  const reader = createTurnReader();
  if (end <= start) return reader.report();
  const splitter = createLineSplitter((line) => reader.push(line));
  const stream = createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 });
  for await (const chunk of stream) splitter.push(chunk as Buffer);
  splitter.end();
  return reader.report();
}
