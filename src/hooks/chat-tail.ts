import { type CodexEvent, parseLogLine } from '../codex/events.ts';
import { readLogTail } from '../runs/log-file.ts';
import type { StoredRun } from '../runs/store.ts';

const READ_BYTES = 64 * 1024;
const SHOWN_LINES = 15;
const MAX_LINE_CHARS = 300;

/** The last lines of a run's log as people read them, in a block that nothing in them can end. */
export function tailOfRun({ record, files }: Pick<StoredRun, 'record' | 'files'>): string {
  // The first line may be the rest of one.
  const lines = readLogTail(files.log, READ_BYTES).split('\n').slice(-1_000);
  const shown = lines.flatMap(renderLine).slice(-SHOWN_LINES);
  if (shown.length === 0) return `Run ${record.run_id} has printed nothing yet.`;
  const block = shown.join('\n');
  const fence = '`'.repeat(
    Math.max(2, ...(block.match(/`+/g) ?? []).map(({ length }) => length)) + 1,
  );
  return `Run ${record.run_id} (${record.status}):\n${fence}text\n${block}\n${fence}`;
}

function renderLine(line: string): string[] {
  return parseLogLine(line)
    .flatMap((piece) => (piece.kind === 'text' ? [piece.text] : renderEvent(piece.event)))
    .flatMap((text) => text.split('\n'))
    .filter((text) => text.trim() !== '')
    .map((text) => (text.length > MAX_LINE_CHARS ? `${text.slice(0, MAX_LINE_CHARS)}…` : text));
}

function renderEvent(event: CodexEvent): string[] {
  switch (event.type) {
    case 'turn.failed':
    case 'error':
      return [event.message];
    case 'item.completed':
      break;
    default:
      return [];
  }
  const { item } = event;
  switch (item.type) {
    case 'agent_message':
      return [item.text];
    case 'command_execution':
      return [`$ ${item.command} (exit code ${item.exitCode ?? 'unknown'})`];
    case 'file_change':
      return item.changes.map(({ kind, path }) => `${kind} ${path}`);
    case 'error':
      return [item.message];
    default:
      return [];
  }
}
