import type { Context } from 'hono';
import { constants, statSync, type PathLike } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { sizeOf } from '../runs/line-reader.ts';
import type { HttpEnv } from './answers.ts';
import { parseByteRange } from './byte-range.ts';
import { problemAnswer } from './problem.ts';
import { streamBody, type BodySource } from './streamed-body.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * Answers with the bytes of a log as they are on disk now, or with the part that `Range` names. A
 * log that does not exist yet is an empty one.
 */
export function answerLog(
  c: Context<HttpEnv>,
  path: string,
  onFailure: (error: unknown) => void,
): Response {
  const size = sizeOf(path);
  // There is no validator that `If-Range` could match: it then asks for everything.
  const wanted = c.req.header('if-range') === undefined ? c.req.header('range') : undefined;
  const range = parseByteRange(wanted, size);
  if (range.kind === 'unsatisfiable') {
    const sentence = `the log has ${size} bytes now; ask for a part of them`;
    const headers = { 'Content-Range': `bytes */${size}`, 'Accept-Ranges': 'bytes' };
    const problem = { status: 416, sentence, code: 'RANGE_NOT_SATISFIABLE', headers };
    return problemAnswer(problem, c.get('requestId'));
  }
  const { start, end } = range.kind === 'part' ? range : { start: 0, end: size };
  const headers: Record<string, string> = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(end - start),
    'Accept-Ranges': 'bytes',
  };
  const changed = statSync(path, { throwIfNoEntry: false })?.mtime;
  // When the agent last printed something, for whoever shows how long it has been quiet.
  if (changed !== undefined) headers['Last-Modified'] = changed.toUTCString();
  if (range.kind === 'part') headers['Content-Range'] = `bytes ${start}-${end - 1}/${size}`;
  const body = end === start ? null : streamBody(c, readPart(path, start, end), onFailure);
  return new Response(body, { status: range.kind === 'part' ? 206 : 200, headers });
}

/** Opens the file with the first chunk; memory is one chunk. */
function readPart(path: PathLike, start: number, end: number): BodySource {
  let opening: Promise<FileHandle> | null = null;
  let at = start;
  return {
    next: async () => {
      if (at >= end) return null;
      opening ??= open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      const file = await opening;
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - at));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw new Error(`${String(path)} ended at ${at}, before byte ${end}`);
      at += bytesRead;
      return chunk.subarray(0, bytesRead);
    },
    close: () => {
      void opening?.then((file) => file.close()).catch(() => undefined);
    },
  };
}
