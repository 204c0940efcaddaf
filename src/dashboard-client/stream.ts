/** One server-sent event; `id` is what a reconnect sends back. */
export interface StreamEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

const FIRST_RETRY_MS = 300;
const LAST_RETRY_MS = 5_000;
/** The service says something every 15 s; a phone that slept may never learn that a socket died. */
const SILENCE_MS = 40_000;

/**
 * Reads a stream of events and goes on after every loss where it left off, until the service says
 * that it is over (204, which is also the answer after a last `end`) or `signal` aborts. Unlike EventSource it can begin in the middle.
 */
export async function followStream(
  path: string,
  options: {
    readonly from: string | null;
    readonly signal: AbortSignal;
    readonly onEvents: (events: readonly StreamEvent[]) => void | Promise<void>;
    readonly onConnection?: (isOpen: boolean) => void;
  },
): Promise<void> {
  const { signal, onEvents, onConnection } = options;
  let lastId = options.from;
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const stop = (): void => attempt.abort();
    signal.addEventListener('abort', stop);
    let silence = setTimeout(stop, SILENCE_MS);
    try {
      const response = await fetch(path, {
        headers: lastId === null ? {} : { 'Last-Event-ID': lastId },
        signal: attempt.signal,
      });
      // The session has ended: the page shows the log-in.
      if (response.status === 401) location.reload();
      if (response.status === 204 || response.status === 404) return;
      if (!response.ok || response.body === null) throw new Error(`status ${response.status}`);
      onConnection?.(true);
      retryMs = FIRST_RETRY_MS;
      const parse = createParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(silence);
        silence = setTimeout(stop, SILENCE_MS);
        const events = parse(value);
        if (events.length === 0) continue;
        await onEvents(events);
        lastId = events.at(-1)?.id || lastId;
      }
    } catch {
      // Lost, or never there: the next attempt finds out.
    } finally {
      clearTimeout(silence);
      signal.removeEventListener('abort', stop);
    }
    if (signal.aborted) return;
    onConnection?.(false);
    await pause(retryMs, signal);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }
}

/** Waits; a browser that is online again is worth an attempt at once. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener('online', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    signal.addEventListener('abort', done);
  });
}

/** Each event of Looper has one line of JSON. */
function createParser(): (text: string) => StreamEvent[] {
  let rest = '';
  return (text) => {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => {
      const fields = new Map(
        block.split('\n').map((line): [string, string] => {
          const colon = line.indexOf(': ');
          return [line.slice(0, colon), line.slice(colon + 2)];
        }),
      );
      const data: unknown = JSON.parse(fields.get('data') ?? 'null');
      if (typeof data !== 'object' || data === null) return [];
      const event = fields.get('event') ?? 'message';
      return [{ id: fields.get('id') ?? '', event, data: data as Record<string, unknown> }];
    });
  };
}
