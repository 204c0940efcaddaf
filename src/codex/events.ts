/**
 * What `codex exec --json` prints, read back from a run log. Builtins only.
 *
 * stdout and stderr share the log, and codex (0.169) writes an event and its newline separately, so
 * stderr text can stand between the two. A line that is not one JSON object is therefore searched
 * for objects that start with `{"type":"`; what stands before and behind them is text. Nothing that
 * stands in a log makes the parser throw.
 */

export interface TokenUsage {
  readonly input_tokens: number;
  readonly cached_input_tokens: number;
  readonly output_tokens: number;
  readonly reasoning_output_tokens: number;
}

export interface FileChange {
  readonly path: string;
  /** `add`, `update` or `delete` in codex 0.169. */
  readonly kind: string;
}

export type CodexItem =
  | { readonly type: 'agent_message' | 'reasoning'; readonly text: string }
  | {
      readonly type: 'command_execution';
      readonly command: string;
      readonly output: string;
      readonly exitCode: number | null;
      readonly status: string;
    }
  | {
      readonly type: 'file_change';
      readonly changes: readonly FileChange[];
      readonly status: string;
    }
  | {
      readonly type: 'mcp_tool_call';
      readonly server: string;
      readonly tool: string;
      readonly status: string;
    }
  | { readonly type: 'web_search'; readonly query: string }
  | {
      readonly type: 'todo_list';
      readonly items: readonly { readonly text: string; readonly completed: boolean }[];
    }
  /** A warning: not terminal, and it may come before `turn.started`. */
  | { readonly type: 'error'; readonly message: string }
  | { readonly type: 'unknown'; readonly name: string };

export type CodexEvent =
  | { readonly type: 'thread.started'; readonly threadId: string }
  | { readonly type: 'turn.started' }
  /** `usage` is cumulative over the thread: after a resume it includes the earlier turns. */
  | { readonly type: 'turn.completed'; readonly usage: TokenUsage | null }
  | { readonly type: 'turn.failed'; readonly message: string }
  /** Not terminal ("Reconnecting… 1/5"); only `turn.completed` and `turn.failed` are. */
  | { readonly type: 'error'; readonly message: string }
  | {
      readonly type: 'item.started' | 'item.updated' | 'item.completed';
      readonly item: CodexItem;
    }
  /** A newer codex's event, or one whose fields are not what this version knows. */
  | { readonly type: 'unknown'; readonly name: string; readonly value: JsonObject };

export type LogPiece =
  | { readonly kind: 'event'; readonly event: CodexEvent }
  | { readonly kind: 'text'; readonly text: string };

export type JsonObject = Readonly<Record<string, unknown>>;

const OBJECT_START = '{"type":"';
/**
 * Text that only looks like the start of an object costs a scan to the end of the line each time;
 * after this many the rest of the line is text, so that no output makes reading it quadratic.
 */
const MAX_FALSE_STARTS = 32;

/** Takes one line (without its newline) apart, in order; blank text is left out. */
export function parseLogLine(line: string): LogPiece[] {
  const whole = parseEvent(line);
  if (whole !== undefined) return [{ kind: 'event', event: whole }];

  const pieces: LogPiece[] = [];
  let textStart = 0;
  let searchFrom = 0;
  for (let falseStarts = 0; falseStarts < MAX_FALSE_STARTS;) {
    const start = line.indexOf(OBJECT_START, searchFrom);
    if (start === -1) break;
    const end = objectEnd(line, start);
    const event = end === -1 ? undefined : parseEvent(line.slice(start, end));
    if (event === undefined) {
      falseStarts += 1;
      searchFrom = start + 1;
      continue;
    }
    addText(pieces, line.slice(textStart, start));
    pieces.push({ kind: 'event', event });
    textStart = end;
    searchFrom = end;
  }
  addText(pieces, line.slice(textStart));
  return pieces;
}

function addText(pieces: LogPiece[], text: string): void {
  if (text.trim() !== '') pieces.push({ kind: 'text', text });
}

/** The index behind the `}` that closes the object at `start`, or -1. */
function objectEnd(line: string, start: number): number {
  let depth = 0;
  let inString = false;
  for (let i = start; i < line.length; i += 1) {
    const char = line.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b) depth += 1;
    else if (char === 0x7d && (depth -= 1) === 0) return i + 1;
  }
  return -1;
}

/** The event that `json` is, or undefined when it is no JSON object with a `type`. */
function parseEvent(json: string): CodexEvent | undefined {
  // Most lines that are not events are told apart without the cost of a thrown SyntaxError.
  if (!json.trimStart().startsWith('{')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  return isObject(value) && typeof value['type'] === 'string'
    ? readEvent(value['type'], value)
    : undefined;
}

function readEvent(name: string, value: JsonObject): CodexEvent {
  const unknown: CodexEvent = { type: 'unknown', name, value };
  switch (name) {
    case 'thread.started':
      return typeof value['thread_id'] === 'string'
        ? { type: name, threadId: value['thread_id'] }
        : unknown;
    case 'turn.started':
      return { type: name };
    case 'turn.completed':
      return { type: name, usage: readUsage(value['usage']) };
    case 'turn.failed':
      return { type: name, message: text(isObject(value['error']) && value['error']['message']) };
    case 'error':
      return typeof value['message'] === 'string'
        ? { type: name, message: value['message'] }
        : unknown;
    case 'item.started':
    case 'item.updated':
    case 'item.completed':
      return isObject(value['item']) ? { type: name, item: readItem(value['item']) } : unknown;
    default:
      return unknown;
  }
}

function readItem(item: JsonObject): CodexItem {
  const type = text(item['type']);
  const status = text(item['status']);
  switch (type) {
    case 'agent_message':
    case 'reasoning':
      return { type, text: text(item['text']) };
    case 'command_execution':
      return {
        type,
        command: text(item['command']),
        output: text(item['aggregated_output']),
        exitCode: typeof item['exit_code'] === 'number' ? item['exit_code'] : null,
        status,
      };
    case 'file_change':
      return {
        type,
        changes: objects(item['changes']).map((change) => ({
          path: text(change['path']),
          kind: text(change['kind']),
        })),
        status,
      };
    case 'mcp_tool_call':
      return { type, server: text(item['server']), tool: text(item['tool']), status };
    case 'web_search':
      return { type, query: text(item['query']) };
    case 'todo_list':
      return {
        type,
        items: objects(item['items']).map((entry) => ({
          text: text(entry['text']),
          completed: entry['completed'] === true,
        })),
      };
    case 'error':
      return { type, message: text(item['message']) };
    default:
      return { type: 'unknown', name: type };
  }
}

function readUsage(value: unknown): TokenUsage | null {
  if (!isObject(value)) return null;
  return {
    input_tokens: count(value['input_tokens']),
    cached_input_tokens: count(value['cached_input_tokens']),
    output_tokens: count(value['output_tokens']),
    reasoning_output_tokens: count(value['reasoning_output_tokens']),
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;
}
