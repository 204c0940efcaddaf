import { inert, inertLine } from '../render/inert.ts';
import type { LogItem } from '../render/items.ts';
import { createRunLogReader, type LogLine } from '../render/run-log.ts';
import { createTerminalRenderer } from '../render/terminal.ts';
import type { RunEvent } from '../runs/events-file.ts';
import type { FollowedItem } from '../runs/follow.ts';
import type { RunRecord } from '../runs/record.ts';
import { createPaint } from './format.ts';
import { toJson, type Output } from './output.ts';
import { createTurnStarts } from './turn-starts.ts';

/** Shows a run as it goes on: its log as people read it, what its agent says, what Looper warns of. */
export interface RunView {
  /** From the beginning of a log, or from a turn that opens at the first line's offset. */
  line(line: LogLine): Promise<void>;
  item(item: FollowedItem): Promise<void>;
  /** The log has ended: what was held back. */
  end(): Promise<void>;
}

/** `reread` gets the record again, for the turns that have come since; null: it is over. */
export function createRunView(
  output: Output,
  record: RunRecord,
  options: { readonly json: boolean; readonly reread: (() => Promise<RunRecord | null>) | null },
): RunView {
  const starts = createTurnStarts(record, options.reread);
  const reader = createRunLogReader(starts.has);
  const renderer = createTerminalRenderer({ colours: output.colours });
  const paint = createPaint(output.colours);

  const show = async (items: readonly LogItem[]): Promise<void> => {
    const text = options.json
      ? items.map((item) => `${toJson(item)}\n`).join('')
      : items
          .filter((item) => !isTold(item))
          .map(renderer.render)
          .join('');
    if (text !== '') await output.data(text);
  };
  const line = async (given: LogLine): Promise<void> => {
    await starts.lookFor(given);
    await show(reader.push(given));
  };
  const tell = async (event: RunEvent): Promise<void> => {
    const text = options.json ? '' : describe(event);
    if (text !== '') await output.data(`${paint(text, 'yellow')}\n`);
  };

  return {
    line,
    item: (item) => (item.kind === 'log' ? line(item) : tell(item.event)),
    end: () => show(reader.end()),
  };
}

/** What the lines around a log say better: which run it is, and how it ended. */
function isTold(item: LogItem): boolean {
  return item.kind === 'header' || (item.kind === 'trailer' && item.returnCode === 0);
}

/** The events that a reader of the log would miss; '' for the others. */
function describe(event: RunEvent): string {
  const title = inertLine(wordsOf(event['title']));
  const text = inert(wordsOf(event['text'])).trim();
  switch (event.type) {
    case 'message':
    case 'question': {
      const sign = event.type === 'message' ? 'message' : 'question';
      return [`[${sign}] ${title}`, ...(text === '' ? [] : text.split('\n'))].join('\n  ');
    }
    case 'warning':
      return `[looper] ${inertLine(wordsOf(event['message']))}`;
    case 'stopping':
      return `[looper] stopping (${inertLine(wordsOf(event['reason']))})`;
    default:
      return '';
  }
}

function wordsOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
