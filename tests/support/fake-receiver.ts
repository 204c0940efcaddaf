import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type ReceiverMode =
  | 'ok'
  /** Never answers; 429 for the first request; 500 for ever; a gateway that gave up. */
  | 'hang'
  | 'rate-limited'
  | 'server-error'
  | 'gateway-timeout'
  /** 404 and 400, as from a provider that does not know the address, or not the message. */
  | 'unknown'
  | 'refused'
  | 'redirect'
  /** 200 with a page for people, or with JSON that repeats what was sent. */
  | 'html'
  | 'echo'
  | 'cut';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** On the clock of `performance.now()`. */
  readonly atMs: number;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly requests: Received[];
  mode: ReceiverMode;
}

export interface ReceiverOptions {
  readonly mode?: ReceiverMode;
  /** What a success answers. */
  readonly answer?: { readonly status: number; readonly body: string };
  readonly retryAfterSeconds?: number;
  readonly redirectTo?: string;
}

/** Whoever takes a POST, on loopback, with the ways in which it can fail. */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const requests: Received[] = [];
  const { status: okStatus, body: okBody } = options.answer ?? { status: 200, body: 'ok' };

  const respond = (response: ServerResponse, { headers, body }: Received): void => {
    const say = (status: number, text: string, extra: Record<string, string> = {}): void => {
      response.writeHead(status, extra).end(text);
    };
    switch (receiver.mode) {
      case 'hang':
        return;
      case 'rate-limited': {
        if (requests.length > 1) return say(okStatus, okBody);
        const seconds = String(options.retryAfterSeconds ?? 0.05);
        return say(429, 'rate_limited', { 'Retry-After': seconds });
      }
      case 'server-error':
        return say(500, 'rollup_error');
      case 'gateway-timeout':
        return say(504, 'upstream timed out');
      case 'unknown':
        return say(404, 'no_service');
      case 'refused':
        return say(400, 'invalid_payload');
      case 'redirect':
        return say(302, '', { Location: `${options.redirectTo}/secret-elsewhere` });
      case 'html':
        return say(200, '<!doctype html><h1>Log in</h1>', { 'Content-Type': 'text/html' });
      case 'echo':
        return say(403, `${headers.authorization} ${body}`);
      case 'cut':
        response.writeHead(200, { 'Content-Length': '500' });
        response.write('o', () => response.destroy());
        return;
      case 'ok':
        return say(okStatus, okBody);
    }
  };

  const server = createServer((request, response) => {
    void (async () => {
      const received = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: (await buffer(request)).toString('utf8'),
        atMs: performance.now(),
      };
      requests.push(received);
      respond(response, received);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}`,
    requests,
    mode: options.mode ?? 'ok',
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return receiver;
}
