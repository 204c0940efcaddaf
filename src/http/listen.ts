import {
  type Http2Bindings,
  type HttpBindings,
  RequestError,
  getRequestListener,
} from '@hono/node-server';
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LooperError, systemErrorCode } from '../errors.ts';
import { urlHost } from '../host-name.ts';
import { answerUnreadable } from './unreadable.ts';
import { requestIdOf } from './answers.ts';
import { type Problem, problemAnswer, problemOf } from './problem.ts';

/** Milliseconds within which a client has to do its part; no answer is bounded by them. */
export interface HttpTimeouts {
  /** For the header, from the moment the connection is there. */
  readonly headersMs: number;
  /** For the whole request, body included. */
  readonly requestMs: number;
  /** For the next request on a connection that was answered. */
  readonly keepAliveMs: number;
  /** How often the first two are looked at. */
  readonly checkEveryMs: number;
}

/** Node's own limits are 60 s and 300 s: long enough for a few slow clients to hold every socket. */
export const HTTP_TIMEOUTS: HttpTimeouts = {
  headersMs: 5_000,
  requestMs: 20_000,
  keepAliveMs: 5_000,
  checkEveryMs: 3_000,
};

/** Far more than people, agents and dashboards need, far less than the usual limit of open files. */
const MAX_CONNECTIONS = 4_000;

/** The adaptor could not make a URL of the request, so no handler has seen it. */
const MALFORMED: Problem = {
  status: 400,
  sentence: 'the request line or its Host header is malformed',
  code: 'REQUEST_INVALID',
};

export interface HttpServerOptions {
  /** The second argument's type is the adaptor's; this server speaks HTTP/1.1 only. */
  readonly fetch: (
    request: Request,
    env: HttpBindings | Http2Bindings,
  ) => Response | Promise<Response>;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** A connection that could not be accepted (too many open files, say); serving goes on. */
  readonly onError: (error: Error) => void;
  readonly timeouts?: HttpTimeouts;
  readonly maxConnections?: number;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, with the port that was bound. */
  readonly url: string;
  /**
   * Stops listening, lets answers finish for at most `graceMs`, then cuts what is left (an event
   * stream never ends by itself). Later calls share the first one.
   */
  close(options: { graceMs: number }): Promise<void>;
}

/** Binds and resolves once requests are accepted; an address that cannot be bound is a `LooperError`. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = createHttpServer(options);
  await listen(server, options.host, options.port);
  server.on('error', options.onError);
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    host: options.host,
    port,
    url: `http://${urlHost(options.host)}:${port}`,
    close({ graceMs }) {
      closing ??= closeServer(server, graceMs);
      return closing;
    },
  };
}

function createHttpServer(options: HttpServerOptions): Server {
  const timeouts = options.timeouts ?? HTTP_TIMEOUTS;
  const listener = getRequestListener(options.fetch, {
    // Stands in for a missing Host header, so that the request gets as far as the guard's refusal.
    hostname: 'localhost',
    errorHandler: (error) =>
      problemAnswer(
        error instanceof RequestError ? MALFORMED : problemOf(error),
        requestIdOf(undefined),
      ),
  });
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    outgoing.once('finish', () => {
      // While closing, an answered connection would stay open for the whole keep-alive time;
      // Node's `closeIdleConnections()` would cut answers that are not read to their end yet.
      if (!server.listening) incoming.socket.destroySoon();
    });
    void listener(incoming, outgoing);
  };
  const server = createServer(
    {
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      keepAliveTimeout: timeouts.keepAliveMs,
      connectionsCheckingInterval: timeouts.checkEveryMs,
      // The guard answers that, with a request id.
      requireHostHeader: false,
    },
    answer,
  );
  // Node would answer an unknown `Expect` with an empty 417, past guard and request id.
  server.on('checkExpectation', answer);
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  server.on('clientError', answerUnreadable);
  return server;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    throw bindError(error, host, port);
  }
}

function bindError(error: unknown, host: string, port: number): unknown {
  const address = `${urlHost(host)}:${port}`;
  const advice: Record<string, string> = {
    EADDRINUSE: 'it is in use: stop what listens there, or set LOOPER_PORT to another port',
    EACCES: 'this user may not use the port: set LOOPER_PORT to one above 1023',
    EADDRNOTAVAIL: 'this machine has no such address: set LOOPER_HOST to one of its own',
    ENOTFOUND: 'the name is unknown: set LOOPER_HOST to an address of this machine',
  };
  const why = advice[systemErrorCode(error) ?? ''];
  if (why === undefined) return error;
  return new LooperError('CONFIG_INVALID', `cannot listen on ${address}: ${why}`, { cause: error });
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = once(server, 'close');
  // Closes idle connections too; the listener ends the others as they are answered.
  server.close();
  const done = new AbortController();
  const grace = delay(graceMs, undefined, { signal: done.signal }).then(
    () => server.closeAllConnections(),
    // Aborted: everything was answered in time.
    () => undefined,
  );
  await closed;
  done.abort();
  await grace;
}
