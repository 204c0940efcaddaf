import { Agent, request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Uint8Array;
  /** Without a length, in this many pieces. */
  readonly chunks?: number;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Requests with paths and headers as they are given, over a few connections that stay open. */
export interface RawClient extends Disposable {
  send(request: RawRequest): Promise<RawAnswer>;
}

export function createRawClient(url: string, timeoutMs = 10_000): RawClient {
  const { hostname: host, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  return {
    send: ({ method, path, headers, body: content = new Uint8Array(), chunks = 0 }) =>
      new Promise((resolve, reject) => {
        const length =
          chunks > 0 || content.length === 0 ? {} : { 'Content-Length': content.length };
        const outgoing = request(
          { agent, host, port, method, path, headers: { ...length, ...headers } },
          (incoming) => {
            const { statusCode: status = 0, headers: answered } = incoming;
            const body = buffer(incoming).then((bytes) => bytes.toString('utf8'));
            resolve(body.then((text) => ({ status, headers: answered, text })));
          },
        );
        outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`no answer: ${path}`)));
        outgoing.on('error', reject);
        const size = Math.ceil(content.length / Math.max(1, chunks));
        for (let at = 0; at < content.length; at += size) {
          outgoing.write(content.subarray(at, at + size));
        }
        outgoing.end();
      }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}
