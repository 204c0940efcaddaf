import { parseEvent } from '../runs/events-file.ts';
import type { FollowedItem, Position } from '../runs/follow.ts';
import { z } from 'zod';
import { SCHEMAS } from '../http/schemas.ts';
import type { Client } from './client.ts';
import { Refused, Unreachable } from './client-errors.ts';
import { CliError, EXIT } from './exit.ts';
import { Lost, noBytes, type LogPart, type RunSource } from './run-source.ts';
import { createSseParser, type SseEvent } from './sse.ts';

/** The service sends a heartbeat every 15 s: after three missed ones nobody is there. */
const SILENCE_MS = 45_000;
const ID = /^(\d{1,15})-(\d{1,15})$/;

/** Runs as the service tells of them. */
export function createServiceSource(client: Client): RunSource {
  return {
    list: async (limit, before) => {
      const behind = before === undefined ? '' : `&before=${encodeURIComponent(before)}`;
      return (await client.get(`/runs?limit=${limit}${behind}`, SCHEMAS.Runs)).runs;
    },
    find: async (id) => {
      try {
        return (await client.get(`/runs/${encodeURIComponent(id)}`, SCHEMAS.Run)).run;
      } catch (error) {
        if (error instanceof Refused && error.status === 404) return null;
        throw error;
      }
    },
    openLog: async ({ run_id: runId }, part) => {
      const response = await openLog(client, runId, part);
      const written = Date.parse(response?.headers.get('last-modified') ?? '');
      return {
        bytes: response?.body ? whole(response.body, client.url) : noBytes(),
        writtenAt: Number.isNaN(written) ? null : new Date(written),
      };
    },
    follow: (runId, from) => followStream(client, runId, from),
  };
}

/** Null: there is nothing behind that offset (yet), or no log. */
async function openLog(client: Client, runId: string, part: LogPart): Promise<Response | null> {
  const range = 'last' in part ? `bytes=-${part.last}` : `bytes=${part.from}-`;
  const isWhole = 'from' in part && part.from === 0;
  try {
    return await client.open(`/runs/${runId}/log`, isWhole ? {} : { Range: range });
  } catch (error) {
    if (error instanceof Refused && error.status === 416) return null;
    throw error;
  }
}

async function* whole(body: AsyncIterable<Uint8Array>, url: string): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw new CliError(`${url} ended the connection in the middle of the log.`, EXIT.unreachable, {
      cause: error,
    });
  }
}

async function* followStream(
  client: Client,
  runId: string,
  from: Position,
): AsyncGenerator<FollowedItem> {
  let position = from;
  const response = await client.open(`/runs/${runId}/events`, {
    Accept: 'text/event-stream',
    'Last-Event-ID': `${from.log}-${from.events}`,
  });
  // Whoever sent that id has had the end.
  if (response.status === 204) return;
  for await (const event of readEvents(response)) {
    const item = toItem(event, position);
    if (item === null) continue;
    position = item.after;
    yield item;
    if (item.kind === 'event' && item.event.type === 'end') return;
  }
  throw new Lost(`${client.url} ended the stream`);
}

async function* readEvents(response: Response): AsyncGenerator<SseEvent> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  const parse = createSseParser();
  try {
    for (;;) {
      const chunk = await withinSilence(reader.read());
      if (chunk.done) return;
      yield* parse(chunk.value);
    }
  } catch (error) {
    if (error instanceof CliError && !(error instanceof Unreachable)) throw error;
    throw error instanceof Lost ? error : new Lost('the stream broke', { cause: error });
  } finally {
    // Also ends the connection when the consumer has had enough.
    await reader.cancel().catch(() => undefined);
  }
}

async function withinSilence<T>(reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Lost('the stream fell silent')), SILENCE_MS);
  });
  try {
    return await Promise.race([reading, silence]);
  } finally {
    clearTimeout(timer);
  }
}

const logDataSchema = z.object({
  offset: z.number(),
  text: z.string(),
  truncated: z.boolean().default(false),
});

/** Null for an event that a later service may send and this client does not know. */
function toItem({ id, event, data }: SseEvent, last: Position): FollowedItem | null {
  const [, log, events] = ID.exec(id) ?? [];
  const after = log === undefined ? last : { log: Number(log), events: Number(events) };
  if (event !== 'log') {
    const known = parseEvent(data);
    return known === null ? null : { kind: 'event', event: known, after };
  }
  const line = logDataSchema.safeParse(parseJson(data));
  return line.success ? { kind: 'log', ...line.data, after } : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
