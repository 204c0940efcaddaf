import { randomUUID } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { messageOf, systemErrorCode } from '../errors.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** A longer answer is `cut`: whoever answers does not decide how much memory we spend. */
  readonly maxBytes: number;
}

/** How an exchange ended. Statuses are not judged here, redirects are answers like any other. */
export type HttpOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body: string;
    }
  /** The head of an answer came, its body not, or too much of it. */
  | { readonly kind: 'cut'; readonly status: number; readonly reason: string }
  /** No answer: refused, reset, unknown name, aborted; with a connection it may still have arrived. */
  | {
      readonly kind: 'unreachable';
      readonly reason: string;
      readonly mayHaveArrived: boolean;
    };

/**
 * One HTTP exchange, never following a redirect (so credentials go to the named host only) and
 * never rejecting for what the network does. `signal` ends it at any point.
 *
 * By `node:http` and not by `fetch`, because an announcement is on the way of a trigger: the first
 * exchange of a process took 4.5 ms this way and 25 ms by `fetch`, the second 1.6 and 3.8 (medians
 * of five, Node 20.20, loopback, `node:http` loaded as in a server).
 */
export async function exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpOutcome> {
  let response: IncomingMessage;
  let isConnected = false;
  try {
    response = await open(request, signal, () => (isConnected = true));
  } catch (error) {
    return { kind: 'unreachable', reason: reasonOf(error), mayHaveArrived: isConnected };
  }
  const status = response.statusCode ?? 0;
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      // Leaving the loop destroys the response and its socket.
      if (size > request.maxBytes) {
        return { kind: 'cut', status, reason: `the answer is longer than ${request.maxBytes} B` };
      }
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks).toString('utf8');
    return { kind: 'answered', status, headers: response.headers, body };
  } catch (error) {
    return { kind: 'cut', status, reason: `the answer broke off (${reasonOf(error)})` };
  }
}

function open(
  { method, url, headers, body }: HttpRequest,
  signal: AbortSignal,
  onConnect: () => void,
) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const isSecure = url.startsWith('https:');
    const send = isSecure ? httpsRequest : httpRequest;
    // A connection of its own: announcements are minutes apart, and one kept open would have been
    // closed by the other side just when it is needed.
    const outgoing = send(url, { method, headers, signal, agent: false }, resolve);
    outgoing.on('socket', (socket) => {
      socket.once(isSecure ? 'secureConnect' : 'connect', onConnect);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function reasonOf(error: unknown): string {
  // Where a name has several addresses and all refuse, the message is empty and the code says it.
  return messageOf(error) || (systemErrorCode(error) ?? 'unknown network error');
}

/** `multipart/form-data` of text fields, in the given order. */
export function encodeMultipart(fields: ReadonlyArray<readonly [name: string, value: string]>): {
  contentType: string;
  body: Buffer;
} {
  const boundary = `----looper-${randomUUID()}`;
  const parts = fields.map(
    ([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.from(`${parts.join('')}--${boundary}--\r\n`, 'utf8'),
  };
}
