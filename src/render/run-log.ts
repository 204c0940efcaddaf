import { parseLogLine, type CodexEvent, type CodexItem } from '../codex/events.ts';
import { inert, inertLine } from './inert.ts';
import type { LogItem, LogItemContent, StepState } from './items.ts';
import { closeCutObject } from './cut-object.ts';

/** A finished line of a run log, as `GET /runs/:id/events` gives it. */
export interface LogLine {
  /** Where it begins, in bytes. */
  readonly offset: number;
  readonly text: string;
  /** Only its beginning is there. */
  readonly truncated?: boolean;
}

export interface RunLogReader {
  /** What one line adds; nothing, one item or several. */
  push(line: LogLine): LogItem[];
  /** The run has ended: what was held back because more might have followed. */
  end(): LogItem[];
}

/** Not a Buffer: the dashboard loads this module into a browser. */
const utf8 = new TextEncoder();

const TURN_LINE = /^# turn=(\d{1,9}) ticket=(.*)$/;
const HEADER_LINE = /^# (looper_request_id|workspace|command)=(.*)$/;
const TRAILER = /^# (?:codex_exec_return_code=(-?\d{1,9})|looper_outcome=([a-z_]{1,32}))$/;

/** What codex says of the prompt that it is given, in every turn: it looks as if it waited for more. */
const READS_PROMPT = 'Reading additional input from stdin...';

/**
 * Turns a run log into readable items, line by line; nothing in a log makes it throw.
 *
 * An agent may print a line that looks like one of Looper's. `isTurnStart` therefore tells by the
 * record's `turns[].log_start` whether a turn begins at an offset; without it, a turn's number must
 * follow the one before. A trailer counts only when nothing follows it.
 */
export function createRunLogReader(
  isTurnStart: ((offset: number) => boolean) | null = null,
): RunLogReader {
  let key = 0;
  let offset = 0;
  let turnNumber = 0;
  /** Null: the header is over, or this reading did not begin with it. */
  let header: Map<string, string> | null = new Map();
  let heldTrailer: (LogItemContent & { kind: 'trailer' }) | null = null;
  let held = { offset: 0, text: '' };
  /** Steps under way, by what they are. */
  const running = new Map<string, number[]>();

  const item = (content: LogItemContent): LogItem => ({ key: key++, offset, ...content });
  const text = (line: string): LogItem[] =>
    line.trim() === '' || line.trim() === READS_PROMPT
      ? []
      : [item({ kind: 'text', text: inert(line) })];

  /** The same step comes up to three times (started, updated, completed) and keeps its key. */
  const step = (event: CodexEvent['type'], name: string, content: LogItemContent): LogItem => {
    const keys = running.get(name) ?? [];
    if (event === 'item.started') {
      running.set(name, [...keys, key]);
      return item(content);
    }
    const [own, ...others] = keys;
    if (event === 'item.completed') {
      if (others.length === 0) running.delete(name);
      else running.set(name, others);
    }
    return own === undefined ? item(content) : { key: own, offset, ...content };
  };

  const readItem = (type: CodexEvent['type'], it: CodexItem, isCut: boolean): LogItem | null => {
    const state = stateOf(type, it, isCut);
    switch (it.type) {
      case 'agent_message':
      case 'reasoning': {
        const kind = it.type === 'reasoning' ? 'reasoning' : 'message';
        return type === 'item.completed' ? item({ kind, text: inert(it.text) }) : null;
      }
      case 'command_execution': {
        const command = inert(shownCommand(it.command));
        const output = inert(it.output);
        const { exitCode } = it;
        const content = { kind: 'command', command, output, exitCode, state, isCut } as const;
        return step(type, `command ${it.command}`, content);
      }
      case 'file_change': {
        const changes = it.changes.map(({ path, kind }) => ({
          path: inertLine(path),
          kind: inertLine(kind),
        }));
        const name = `change ${JSON.stringify(it.changes)}`;
        return step(type, name, { kind: 'file_change', changes, state });
      }
      case 'mcp_tool_call': {
        const name = inertLine(`${it.server}.${it.tool}`);
        return step(type, `tool ${name}`, { kind: 'tool', name, state });
      }
      case 'web_search':
        return type === 'item.completed'
          ? item({ kind: 'search', query: inertLine(it.query) })
          : null;
      case 'todo_list': {
        const steps = it.items.map(({ text: words, completed }) => ({
          text: inertLine(words),
          done: completed,
        }));
        return step(type, 'plan', { kind: 'plan', steps });
      }
      case 'error':
        return item({ kind: 'error', message: inert(it.message), isFinal: false });
      case 'unknown':
        return item({ kind: 'other', name: inertLine(it.name) });
    }
    return it satisfies never;
  };

  const readEvent = (event: CodexEvent, isCut: boolean): LogItem | null => {
    switch (event.type) {
      case 'thread.started':
      case 'turn.started':
        return null;
      case 'turn.completed':
        return item({ kind: 'usage', usage: event.usage });
      case 'turn.failed':
        return item({ kind: 'error', message: inert(event.message), isFinal: true });
      case 'error':
        return item({ kind: 'error', message: inert(event.message), isFinal: false });
      case 'item.started':
      case 'item.updated':
      case 'item.completed':
        return readItem(event.type, event.item, isCut);
      case 'unknown':
        return item({ kind: 'other', name: inertLine(event.name) });
    }
    return event satisfies never;
  };

  const readAgentLine = (line: string, isCut: boolean): LogItem[] => {
    const whole = isCut ? (closeCutObject(line) ?? line) : line;
    return parseLogLine(whole).flatMap((piece) =>
      piece.kind === 'text' ? text(piece.text) : (readEvent(piece.event, isCut) ?? []),
    );
  };

  /** Undefined: the line is none of the header's. */
  const readHeader = (line: string): LogItem[] | undefined => {
    if (header === null) return undefined;
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name !== undefined && !header.has(name)) {
      header.set(name, inertLine(value ?? ''));
      return [];
    }
    const of = header;
    header = null;
    if (of.size === 0) return undefined;
    const shown = item({
      kind: 'header',
      requestId: of.get('looper_request_id') ?? '',
      workspace: of.get('workspace') ?? '',
      command: of.get('command') ?? '',
    });
    return line === '' ? [shown] : [shown, ...readAgentLine(line, false)];
  };

  const readTurnLine = (line: string): LogItem | null => {
    const [, digits, ticket = ''] = TURN_LINE.exec(line) ?? [];
    if (digits === undefined) return null;
    const number = Number(digits);
    const behind = offset + utf8.encode(line).length + 1;
    const isReal = isTurnStart === null ? number === turnNumber + 1 : isTurnStart(behind);
    if (!isReal) return null;
    turnNumber = number;
    // What the turn before left unfinished will not be finished by this one.
    running.clear();
    return item({ kind: 'turn', number, ticket: inertLine(ticket) });
  };

  const release = (): LogItem[] => {
    if (heldTrailer === null) return [];
    heldTrailer = null;
    ({ offset } = held);
    return text(held.text);
  };

  return {
    push: (line) => {
      if (heldTrailer !== null && line.text.trim() === '') return [];
      const before = release();
      ({ offset } = line);
      if (offset > 0 && header?.size === 0) header = null;
      const opening = readHeader(line.text);
      if (opening !== undefined) return [...before, ...opening];
      const turn = readTurnLine(line.text);
      if (turn !== null) return [...before, turn];
      const [isTrailer, code, outcome] = TRAILER.exec(line.text) ?? [];
      if (isTrailer === undefined) {
        return [...before, ...readAgentLine(line.text, line.truncated === true)];
      }
      const returnCode = code === undefined ? null : Number(code);
      heldTrailer = { kind: 'trailer', returnCode, outcome: outcome ?? null };
      held = line;
      return before;
    },
    end: () => {
      if (heldTrailer === null) return [];
      const trailer = heldTrailer;
      heldTrailer = null;
      ({ offset } = held);
      return [item(trailer)];
    },
  };
}

function stateOf(type: CodexEvent['type'], item: CodexItem, isCut: boolean): StepState {
  if (type !== 'item.completed') return 'running';
  if (item.type === 'command_execution' && item.exitCode !== null) {
    return item.exitCode === 0 ? 'succeeded' : 'failed';
  }
  const status = 'status' in item ? item.status : '';
  if (status === 'completed') return 'succeeded';
  return isCut || status === '' ? 'ended' : 'failed';
}

const SHELL = /^(?:\/\S*\/)?(?:ba|da|z)?sh -l?c (.*)$/s;

/** Codex hands every command to a shell; what a person wants to read is inside. */
function shownCommand(command: string): string {
  const inner = SHELL.exec(command)?.[1];
  if (inner === undefined) return command;
  const [, single] = /^'(.*)'$/s.exec(inner) ?? [];
  if (single !== undefined) return single.replaceAll(`'\\''`, `'`);
  const [, double] = /^"(.*)"$/s.exec(inner) ?? [];
  return double === undefined ? inner : double.replaceAll(/\\(["\\$`])/g, '$1');
}
