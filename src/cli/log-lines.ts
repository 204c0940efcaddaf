import type { LogLine } from '../render/run-log.ts';
import { MAX_LINE_BYTES } from '../runs/line-reader.ts';

const NEWLINE = 0x0a;

/**
 * Splits the bytes of a log, which begin at `offset`, into the lines that a follower would be given:
 * lossy UTF-8, at most 64 KiB of each. Memory is one line, however long the log.
 */
export async function* splitLogLines(
  bytes: AsyncIterable<Uint8Array>,
  offset: number,
): AsyncGenerator<LogLine> {
  let start = offset;
  let held: Buffer[] = [];
  let heldBytes = 0;
  let length = 0;
  const hold = (part: Uint8Array): void => {
    const kept = part.subarray(0, Math.max(0, MAX_LINE_BYTES - heldBytes));
    // A copy: what it is cut from would stay in memory as long as the line.
    if (kept.length > 0) held.push(Buffer.from(kept));
    heldBytes += kept.length;
    length += part.length;
  };
  const take = (): LogLine => {
    const text = Buffer.concat(held).toString('utf8');
    const line = { offset: start, text, truncated: length > heldBytes };
    start += length + 1;
    held = [];
    heldBytes = 0;
    length = 0;
    return line;
  };
  for await (const chunk of bytes) {
    let at = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, at)) {
      hold(chunk.subarray(at, end));
      at = end + 1;
      yield take();
    }
    hold(chunk.subarray(at));
  }
  // The last line of a log that is being written may have no end yet.
  if (length > 0) yield take();
}
