import type { Readable } from 'node:stream';
import { CliError, EXIT } from './exit.ts';

/** No request holds more. */
const MAX_BYTES = 1024 ** 2;

/** All of stdin as UTF-8; whoever it is meant for takes at most a megabyte. */
export async function readInput(input: Readable, signal: AbortSignal): Promise<string> {
  const stop = (): unknown => input.destroy();
  signal.addEventListener('abort', stop);
  try {
    return decode(await readAll(input));
  } catch (error) {
    if (signal.aborted) throw new CliError('', EXIT.interrupted);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function readAll(input: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_BYTES) {
      throw new CliError(`stdin holds more than ${MAX_BYTES} bytes.`, EXIT.usage);
    }
  }
  return Buffer.concat(chunks);
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CliError('stdin is not valid UTF-8.', EXIT.usage, { cause: error });
  }
}

/** Waits until a line has come, the input has ended, or the signal. */
export async function waitForLine(input: Readable, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    for (const event of ['data', 'end', 'error']) input.once(event, () => resolve());
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  input.pause();
}
