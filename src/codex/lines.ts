/** A longer line is not kept whole; codex's own events stay far below. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** What is kept of the end of a longer line: an event may follow text that never had a newline. */
const KEPT_TAIL_BYTES = 64 * 1024;

export interface LineSplitter {
  push(chunk: Buffer): void;
  /** Delivers what stands behind the last newline. */
  end(): void;
}

/**
 * Cuts bytes into lines (without newline, invalid UTF-8 replaced) in bounded memory: of a line
 * longer than `maxLineBytes` only the end is delivered.
 */
export function createLineSplitter(
  onLine: (line: string) => void,
  maxLineBytes: number = MAX_LINE_BYTES,
): LineSplitter {
  let parts: Buffer[] = [];
  let size = 0;
  let overlong = false;

  const add = (part: Buffer): void => {
    parts.push(part);
    size += part.length;
    if (size <= maxLineBytes) return;
    overlong = true;
    // A copy, so that the tail does not keep the big buffers alive.
    const tail = Buffer.from(Buffer.concat(parts).subarray(-KEPT_TAIL_BYTES));
    parts = [tail];
    size = tail.length;
  };
  const deliver = (): void => {
    const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    onLine((overlong ? line.subarray(-KEPT_TAIL_BYTES) : line).toString('utf8'));
    parts = [];
    size = 0;
    overlong = false;
  };

  return {
    push(chunk) {
      let start = 0;
      for (;;) {
        const newline = chunk.indexOf(0x0a, start);
        if (newline === -1) break;
        add(chunk.subarray(start, newline));
        deliver();
        start = newline + 1;
      }
      if (start < chunk.length) add(chunk.subarray(start));
    },
    end() {
      if (size > 0) deliver();
    },
  };
}
