import { headBytes, tailBytes } from './text.ts';

export interface Block {
  readonly tag: string;
  readonly name: string | null;
  /** Cut by `fitBlocks` where there is no room. */
  text: string;
  /** Which part of it stays. */
  readonly keep: 'start' | 'end';
}

/** The note that stands for what was cut out is at most this long. */
const NOTE_BYTES = 64;

/**
 * Cuts blocks, the first one first and each only as far as needed, until what `render` makes of
 * them fits into `budgetBytes`, and returns that. What is no block is never cut.
 */
export function fitBlocks(
  blocks: readonly Block[],
  render: () => string,
  budgetBytes: number,
): string {
  let text = render();
  for (const block of blocks) {
    const excess = Buffer.byteLength(text, 'utf8') - budgetBytes;
    if (excess <= 0) break;
    cut(block, Buffer.byteLength(block.text, 'utf8') - excess - NOTE_BYTES);
    text = render();
  }
  return text;
}

function cut(block: Block, bytes: number): void {
  const whole = Buffer.byteLength(block.text, 'utf8');
  const kept = block.keep === 'start' ? headBytes(block.text, bytes) : tailBytes(block.text, bytes);
  const note = `[… ${whole - Buffer.byteLength(kept, 'utf8')} bytes left out …]`;
  if (whole <= NOTE_BYTES) block.text = note.length < whole ? note : block.text;
  else block.text = block.keep === 'start' ? `${kept}\n${note}` : `${note}\n${kept}`;
}
