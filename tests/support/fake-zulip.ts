import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export type FakeZulipMode =
  | 'ok'
  /** 401 and 400 with Zulip's JSON. */
  | 'unauthorized'
  | 'bad-request'
  /** 429 for the first request, then ok; how long to wait stands in the header or in the JSON. */
  | 'rate-limited'
  | 'rate-limited-json'
  /** 500 for ever, or for the first request. */
  | 'server-error'
  | 'server-error-once'
  /** The connection is reset without an answer, for the first request. */
  | 'reset-once'
  /** Never answers; sends one byte after the other; breaks off in the middle. */
  | 'hang'
  | 'drip'
  | 'cut'
  /** 200 with something else than Zulip's JSON. */
  | 'html'
  | 'null'
  | 'empty'
  /** 200 with JSON that does not end. */
  | 'huge'
  /** Repeats the credentials in an error, as a debugging proxy might. */
  | 'echo'
  | 'redirect-302'
  | 'redirect-307';

export interface FakeZulipUser {
  readonly user_id: number;
  readonly full_name: string;
  readonly is_active?: boolean;
}

export interface FakeZulipOptions {
  readonly mode?: FakeZulipMode;
  /** What `GET /api/v1/users` answers. */
  readonly users?: readonly FakeZulipUser[];
  /** For the rate limits, in seconds. */
  readonly retryAfterSeconds?: number;
  /** Where the redirects lead: the `url` of a second server. */
  readonly redirectTo?: string;
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  /** Without parameters such as the boundary. */
  readonly mediaType: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  /** On the clock of `performance.now()`. */
  readonly receivedAtMs: number;
}

export interface FakeZulip extends AsyncDisposable {
  readonly url: string;
  readonly requests: RecordedRequest[];
  /** The bodies of the messages that were accepted, in order. */
  readonly messages: Array<Readonly<Record<string, string>>>;
  mode: FakeZulipMode;
  close(): Promise<void>;
}

/** Zulip as far as Looper talks to it, on loopback, with the ways in which a server can fail. */
export async function startFakeZulip(options: FakeZulipOptions = {}): Promise<FakeZulip> {
  const requests: RecordedRequest[] = [];
  const messages: Array<Readonly<Record<string, string>>> = [];
  const drips = new Set<NodeJS.Timeout>();
  const server = createServer((request, response) => {
    void answer(request, response);
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const contentType = request.headers['content-type'];
    const fields = decodeForm(contentType, await text(request));
    requests.push({
      method: request.method ?? '',
      path: request.url ?? '',
      authorization: request.headers.authorization,
      mediaType: contentType?.split(';')[0],
      fields,
      receivedAtMs: performance.now(),
    });
    respond(request, response, fields);
  }

  function respond(
    request: IncomingMessage,
    response: ServerResponse,
    fields: Readonly<Record<string, string>>,
  ): void {
    const retryAfter = options.retryAfterSeconds ?? 0.05;
    const isFirst = requests.length === 1;
    switch (zulip.mode) {
      case 'unauthorized':
        return json(response, 401, error('INVALID_API_KEY', 'Invalid API key'));
      case 'bad-request':
        return json(response, 400, error('STREAM_DOES_NOT_EXIST', "Channel 'x' does not exist"));
      case 'rate-limited':
        if (!isFirst) break;
        response.setHeader('Retry-After', String(retryAfter));
        return json(response, 429, error('RATE_LIMIT_HIT', 'API usage exceeded rate limit'));
      case 'rate-limited-json':
        if (!isFirst) break;
        return json(response, 429, {
          ...error('RATE_LIMIT_HIT', 'API usage exceeded rate limit'),
          'retry-after': retryAfter,
        });
      case 'server-error':
        return json(response, 500, error('INTERNAL', 'Internal server error'));
      case 'server-error-once':
        if (!isFirst) break;
        return json(response, 500, error('INTERNAL', 'Internal server error'));
      case 'reset-once':
        if (!isFirst) break;
        request.socket.resetAndDestroy();
        return;
      case 'hang':
        return;
      case 'drip': {
        response.writeHead(200, { 'Content-Type': 'application/json' });
        const drip = setInterval(() => response.write(' '), 10);
        drips.add(drip);
        response.on('close', () => clearInterval(drip));
        return;
      }
      case 'cut':
        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '500' });
        response.write('{"result":"succ', () => request.socket.destroy());
        return;
      case 'html':
        response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><h1>Hi</h1>');
        return;
      case 'null':
        return json(response, 200, null);
      case 'empty':
        response.writeHead(200).end();
        return;
      case 'huge': {
        response.writeHead(200, { 'Content-Type': 'application/json' });
        const block = ' '.repeat(64 * 1024);
        const pour = () => {
          while (!response.destroyed && response.write(block));
        };
        response.on('drain', pour);
        pour();
        return;
      }
      case 'echo':
        return json(response, 400, error('BAD', `headers: ${request.headers.authorization}`));
      case 'redirect-302':
      case 'redirect-307': {
        const status = zulip.mode === 'redirect-302' ? 302 : 307;
        response.writeHead(status, { Location: `${options.redirectTo}${request.url}` }).end();
        return;
      }
      case 'ok':
        break;
    }
    if (request.url === '/api/v1/users') {
      const members = options.users ?? [];
      return json(response, 200, { result: 'success', msg: '', members });
    }
    messages.push(fields);
    json(response, 200, { result: 'success', msg: '', id: 1000 + messages.length });
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const drip of drips) clearInterval(drip);
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  const zulip: FakeZulip = {
    url: `http://127.0.0.1:${port}`,
    requests,
    messages,
    mode: options.mode ?? 'ok',
    close,
    [Symbol.asyncDispose]: close,
  };
  return zulip;
}

function error(code: string, msg: string): object {
  return { result: 'error', msg, code };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

/** Fields of a urlencoded or multipart form; Zulip accepts both. */
function decodeForm(contentType: string | undefined, body: string): Record<string, string> {
  if (contentType?.startsWith('application/x-www-form-urlencoded')) {
    return Object.fromEntries(new URLSearchParams(body));
  }
  const boundary = /boundary="?([^";]+)/u.exec(contentType ?? '')?.[1];
  if (boundary === undefined) return {};
  const fields: Record<string, string> = {};
  for (const part of `\r\n${body}`.split(`\r\n--${boundary}`)) {
    const [head, ...rest] = part.split('\r\n\r\n');
    const name = /name="([^"]*)"/u.exec(head ?? '')?.[1];
    if (name !== undefined) fields[name] = rest.join('\r\n\r\n');
  }
  return fields;
}
