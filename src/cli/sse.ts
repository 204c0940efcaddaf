/** One server-sent event; `id` is the last one named, which a reconnect sends back. */
export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Far more than the longest line of a log takes as JSON. */
const MAX_EVENT_CHARS = 4 * 1024 * 1024;

/**
 * Reads a stream of server-sent events (the format of the HTML standard, without `retry`). Returns
 * what each piece of text completes; comments keep the stream alive and say nothing. Throws when
 * an event has no end.
 */
export function createSseParser(): (text: string) => SseEvent[] {
  let rest = '';
  let id = '';
  let event = '';
  let data: string[] = [];

  const readLine = (line: string): SseEvent | null => {
    if (line === '') {
      const complete = data.length === 0 ? null : { id, event, data: data.join('\n') };
      event = '';
      data = [];
      return complete;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') id = value;
    if (field === 'event') event = value;
    if (field === 'data') data.push(value);
    return null;
  };

  return (text) => {
    const lines = (rest + text).split(/\r\n|\n/);
    rest = lines.pop() ?? '';
    const events = lines.flatMap((line) => readLine(line) ?? []);
    const held = rest.length + data.reduce((sum, line) => sum + line.length, 0);
    if (held > MAX_EVENT_CHARS) throw new Error('an event of the stream has no end');
    return events;
  };
}
