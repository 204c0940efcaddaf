import type { Context } from 'hono';
import type { HttpEnv } from './answers.ts';

/** A body that is made while it is read: one chunk per call, null at its end. */
export interface BodySource {
  next(): Promise<Uint8Array | null>;
  /** Called once, when the reader has all of it or went away; ends a `next` that waits. */
  close(): void;
}

/** Whoever takes this long to read one chunk is dropped; its connection would stay for ever. */
export const STALL_MS = 30_000;

/**
 * Asks for the next chunk only once the last one is on its way, so that a slow reader costs one
 * chunk of memory. Nothing is asked for when nobody reads (`HEAD`).
 */
export function streamBody(
  c: Context<HttpEnv>,
  source: BodySource,
  onFailure: (error: unknown) => void,
  stallMs = STALL_MS,
): ReadableStream<Uint8Array> {
  let stall: NodeJS.Timeout | undefined;
  let isClosed = false;
  const close = (): void => {
    clearTimeout(stall);
    if (isClosed) return;
    isClosed = true;
    source.close();
  };
  const drop = (): void => {
    // The stream is waited for by nobody while the socket is full; only this reaches the other side.
    c.env?.outgoing?.destroy();
    close();
  };
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        clearTimeout(stall);
        try {
          const chunk = await source.next();
          if (isClosed) return;
          if (chunk === null) {
            close();
            controller.close();
            return;
          }
          controller.enqueue(chunk);
          stall = setTimeout(drop, stallMs);
        } catch (error) {
          onFailure(error);
          drop();
          controller.error(error);
        }
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
}
