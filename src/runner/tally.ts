import type { LoopOrder } from './order.ts';
import type { RunWriter } from './run-writer.ts';

/** What a ticket run came to, beside its turns: for the summary. */
export interface Tally {
  /** File names of finished tickets. */
  readonly done: Set<string>;
  readonly commits: string[];
  readonly warnings: string[];
  /** Also tells those who follow the run. */
  warn(message: string): void;
}

export function createTally(
  writer: RunWriter,
  { commits, warnings }: Pick<LoopOrder, 'commits' | 'warnings'>,
): Tally {
  const tally: Tally = {
    done: new Set(),
    commits: [...commits],
    warnings: [...warnings],
    warn: (message) => {
      tally.warnings.push(message);
      writer.event('warning', { message });
    },
  };
  return tally;
}
