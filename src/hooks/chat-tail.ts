import { createRunLogReader } from '../render/run-log.ts';
import { createTerminalRenderer } from '../render/terminal.ts';
import { readLogTail } from '../runs/log-file.ts';
import type { StoredRun } from '../runs/store.ts';

const READ_BYTES = 64 * 1024;
const SHOWN_LINES = 15;
const OUTPUT_LINES = 5;
const MAX_LINE_CHARS = 300;

/** The last lines of a run's log as people read them, in a block that nothing in them can end. */
export function tailOfRun({ record, files }: Pick<StoredRun, 'record' | 'files'>): string {
  const shown = readableLines(readLogTail(files.log, READ_BYTES)).slice(-SHOWN_LINES);
  if (shown.length === 0) return `Run ${record.run_id} has printed nothing yet.`;
  const block = shown.join('\n');
  const longest = Math.max(2, ...(block.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = '`'.repeat(longest + 1);
  return `Run ${record.run_id} (${record.status}):\n${fence}text\n${block}\n${fence}`;
}

/** Its first line may be the rest of one. */
function readableLines(log: string): string[] {
  const reader = createRunLogReader();
  const renderer = createTerminalRenderer({ colours: false, outputLines: OUTPUT_LINES });
  const items = log.split('\n').flatMap((text) => reader.push({ offset: 0, text }));
  return [...items, ...reader.end()]
    .flatMap((item) => renderer.render(item).split('\n'))
    .filter((line) => line.trim() !== '')
    .map((line) => (line.length > MAX_LINE_CHARS ? `${line.slice(0, MAX_LINE_CHARS)}…` : line));
}
