/** One server-sent event, as it came over the wire. */
export interface SseEvent {
  readonly id: string | null;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export interface SseReading {
  readonly status: number;
  readonly headers: Headers;
  readonly events: readonly SseEvent[];
  readonly comments: readonly string[];
  /** The server closed the stream; else `until` was satisfied. */
  readonly isOver: boolean;
}

/** Reads a stream until the server ends it, or `until` says so of what has come. */
export async function readSse(
  url: string,
  options: {
    readonly lastEventId?: string | null;
    readonly until?: (events: readonly SseEvent[], comments: readonly string[]) => boolean;
    readonly timeoutMs?: number;
  } = {},
): Promise<SseReading> {
  const { lastEventId = null, until = () => false, timeoutMs = 20_000 } = options;
  const response = await fetch(url, {
    signal: AbortSignal.timeout(timeoutMs),
    headers: lastEventId === null ? {} : { 'Last-Event-ID': lastEventId },
  });
  const events: SseEvent[] = [];
  const comments: string[] = [];
  const { status, headers } = response;
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      if (block.startsWith(':')) comments.push(block.slice(1).trim());
      else events.push(parseBlock(block));
      if (!until(events, comments)) continue;
      // Leaving the loop closes the connection.
      return { status, headers, events, comments, isOver: false };
    }
  }
  if (text !== '') throw new Error(`the stream ended inside an event: ${text}`);
  return { status, headers, events, comments, isOver: true };
}

function parseBlock(block: string): SseEvent {
  const fields = new Map(
    block.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
  return {
    id: fields.get('id') ?? null,
    event: fields.get('event') ?? 'message',
    data: JSON.parse(fields.get('data') ?? 'null') as Record<string, unknown>,
  };
}
