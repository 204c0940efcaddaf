import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { systemErrorCode } from '../errors.ts';
import { DATA_HEADERS, requestIdOf } from './answers.ts';
import { problemDocument } from './problem.ts';

/** What Node's parser gives up on; everything else that it cannot read is a 400. */
const ANSWERS: Readonly<Record<string, { status: number; sentence: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, sentence: 'the request did not arrive in time' },
  HPE_HEADER_OVERFLOW: { status: 431, sentence: 'the header of the request is too large' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, sentence: 'the chunk extensions are too large' },
};

const MALFORMED = { status: 400, sentence: 'the request is not valid HTTP' };

/** Listener for `clientError`: the answer Node would give, with a request id and a sentence. */
export function answerUnreadable(error: Error, socket: Duplex): void {
  // A response may be under way on this connection; a second one inside it would corrupt it.
  const untouched = socket instanceof Socket && socket.bytesWritten === 0 && socket.writable;
  if (!untouched || systemErrorCode(error) === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  // The other side may leave its half open for ever, so this one closes both.
  socket.end(problemMessage(systemErrorCode(error)), () => socket.destroy());
}

function problemMessage(code: string | undefined): string {
  const { status, sentence } = ANSWERS[code ?? ''] ?? MALFORMED;
  const body = problemDocument({ status, sentence, code: 'REQUEST_INVALID' });
  const headers = {
    ...DATA_HEADERS,
    'X-Request-Id': requestIdOf(undefined),
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`;
}
