import type { Context } from 'hono';
import type { Logger } from '../logger.ts';
import type { EventHub } from '../runs/event-hub.ts';
import type { RunEvent } from '../runs/events-file.ts';
import type { RunFiles } from '../runs/files.ts';
import { RUN_START, type Batch, type FollowedItem, type Followers } from '../runs/follow.ts';
import type { HttpEnv } from './answers.ts';
import { streamBody, type BodySource } from './streamed-body.ts';

/** Keeps proxies and readers from taking a quiet stream for a dead one. */
const HEARTBEAT_MS = 15_000;
const HEARTBEAT = Buffer.from(': heartbeat\n\n');
/** Lifecycle events that wait for a reader of `/events`; one that lags further behind is dropped. */
const MAX_WAITING_EVENTS = 1000;

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // Nginx would hold events back until its buffer is full.
  'X-Accel-Buffering': 'no',
} as const;

/** Server-sent events of runs. `close()` ends all streams, so that the service can end. */
export interface EventStreams {
  /** The log and the lifecycle of one run, from `Last-Event-ID` on; 204 to one who had its end. */
  ofRun(c: Context<HttpEnv>, files: RunFiles): Response;
  /** Lifecycle events of all runs from now on; opens with `status`. */
  ofAll(c: Context<HttpEnv>, status: () => Readonly<Record<string, unknown>>): Response;
  close(): void;
}

export function createEventStreams(deps: {
  readonly followers: Followers;
  readonly hub: EventHub;
  readonly log: Logger;
  readonly heartbeatMs?: number;
}): EventStreams {
  const { followers, hub, log, heartbeatMs = HEARTBEAT_MS } = deps;
  const open = new Set<() => void>();
  let isClosing = false;

  const respond = (c: Context<HttpEnv>, source: BodySource): Response => {
    const onFailure = (err: unknown): void => log.error({ err, path: c.req.path }, 'events.failed');
    return new Response(streamBody(c, source, onFailure), { headers: HEADERS });
  };

  const followRun = (files: RunFiles, from: typeof RUN_START): BodySource => {
    const follower = followers.open(files);
    let position = from;
    let sentAt = performance.now();
    let isOver = false;
    let waiting: { cancel(): void } | null = null;
    const end = (): void => {
      isOver = true;
      waiting?.cancel();
    };
    open.add(end);
    return {
      next: async () => {
        for (;;) {
          if (isOver || isClosing) return null;
          const batch = follower.next(position);
          const heartbeatInMs = sentAt + heartbeatMs - performance.now();
          if (batch !== null || heartbeatInMs <= 0) sentAt = performance.now();
          if (batch !== null) {
            position = batch.after;
            isOver = batch.isLast;
            // Without items there is nothing left to say: the run was pruned.
            return batch.items.length === 0 ? null : encodeBatch(batch);
          }
          if (heartbeatInMs <= 0) return HEARTBEAT;
          const wait = follower.wait(heartbeatInMs);
          waiting = wait;
          await wait.done;
        }
      },
      close: () => {
        end();
        open.delete(end);
        follower.close();
      },
    };
  };

  const followAll = (status: () => Readonly<Record<string, unknown>>): BodySource => {
    let queue: Buffer[] = [];
    let isOver = false;
    let wake = (): void => undefined;
    const end = (): void => {
      isOver = true;
      wake();
    };
    open.add(end);
    const stop = hub.listen((event) => {
      queue.push(encodeEvent(event));
      if (queue.length > MAX_WAITING_EVENTS) end();
      wake();
    });
    // Taken now: what happens after it is told.
    queue.unshift(sse({ event: 'status', data: status() }));
    return {
      next: async () => {
        if (queue.length === 0 && !isOver) await waitAtMost(heartbeatMs, (done) => (wake = done));
        if (isOver || isClosing) return null;
        if (queue.length === 0) return HEARTBEAT;
        const chunk = Buffer.concat(queue);
        queue = [];
        return chunk;
      },
      close: () => {
        end();
        open.delete(end);
        stop();
      },
    };
  };

  return {
    ofRun: (c, files) => {
      const lastId = c.req.header('last-event-id');
      const from = lastId === undefined ? null : followers.resume(files, lastId);
      if (from !== null && followers.isOver(files, from))
        return new Response(null, { status: 204 });
      return respond(
        c,
        lazily(() => followRun(files, from ?? RUN_START)),
      );
    },
    ofAll: (c, status) =>
      respond(
        c,
        lazily(() => followAll(status)),
      ),
    close: () => {
      isClosing = true;
      for (const end of open) end();
    },
  };
}

/** Every reader at the same place gets the same bytes. */
const encoded = new WeakMap<Batch, Buffer>();

function encodeBatch(batch: Batch): Buffer {
  const known = encoded.get(batch);
  if (known !== undefined) return known;
  const bytes = Buffer.concat(batch.items.map(encodeItem));
  encoded.set(batch, bytes);
  return bytes;
}

function encodeItem(item: FollowedItem): Buffer {
  const id = `${item.after.log}-${item.after.events}`;
  if (item.kind === 'event') return sse({ id, event: item.event.type, data: item.event });
  const { offset, text, truncated } = item;
  return sse({
    id,
    event: 'log',
    data: truncated ? { offset, text, truncated } : { offset, text },
  });
}

const encodedEvents = new WeakMap<RunEvent, Buffer>();

function encodeEvent(event: RunEvent): Buffer {
  const bytes = encodedEvents.get(event) ?? sse({ event: event.type, data: event });
  encodedEvents.set(event, bytes);
  return bytes;
}

/** JSON holds no newline, so one `data` line is enough. */
function sse({ id, event, data }: { id?: string; event: string; data: unknown }): Buffer {
  const head = id === undefined ? '' : `id: ${id}\n`;
  return Buffer.from(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Opens the source with the first chunk that somebody asks for: after `HEAD` nobody does. */
function lazily(open: () => BodySource): BodySource {
  let source: BodySource | null = null;
  let isClosed = false;
  return {
    next: async () => {
      if (isClosed) return null;
      source ??= open();
      return source.next();
    },
    close: () => {
      isClosed = true;
      source?.close();
    },
  };
}

function waitAtMost(ms: number, register: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, ms);
    register(done);
  });
}
