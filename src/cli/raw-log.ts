import { inert } from '../render/inert.ts';
import type { RunRecord } from '../runs/record.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import type { RunSource } from './run-source.ts';
import { openSource } from './source.ts';

/**
 * Copies a log byte by byte to stdout. On a terminal it becomes text that cannot do anything there.
 */
export function createRawLog(
  cli: Cli,
  run: RunRecord,
  from: number,
): {
  /** All that is there now behind what was copied; null: from whoever answers. */
  readonly catchUp: (source: RunSource | null) => Promise<void>;
  readonly offset: () => number;
} {
  let offset = from;
  const decoder = new TextDecoder();
  return {
    offset: () => offset,
    catchUp: async (given) => {
      const source = given ?? (await openSource(cli)).runs;
      const { bytes } = await source.openLog(run, { from: offset });
      for await (const chunk of bytes) {
        if (cli.interrupted().aborted) throw new CliError('', EXIT.interrupted);
        offset += chunk.length;
        const isTerminal = cli.output.isTerminal;
        await cli.output.data(isTerminal ? inert(decoder.decode(chunk, { stream: true })) : chunk);
      }
    },
  };
}
