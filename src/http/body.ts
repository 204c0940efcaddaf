import type { Context } from 'hono';
import type { HttpEnv } from './answers.ts';
import { LooperError, messageOf } from '../errors.ts';

export const MAX_BODY_BYTES = 1024 ** 2;

/** No request of Looper's needs more; the parser of V8 overflows its stack at some tens of thousands. */
const MAX_JSON_DEPTH = 64;

/** The body as a JSON object; 400 or 413 for anything else. */
export async function readJsonObject(c: Context<HttpEnv>): Promise<Record<string, unknown>> {
  return parseJsonObject(await readBody(c));
}

/** The raw body, at most 1 MiB whatever its sender declared. */
export async function readBody(c: Context<HttpEnv>): Promise<Uint8Array> {
  // Node's parser delivers no more than was declared, and the guard checked that.
  if (c.req.header('content-length') !== undefined) {
    return new Uint8Array(await received(c.req.arrayBuffer()));
  }
  const stream: ReadableStream<Uint8Array> | null = c.req.raw.body;
  const reader = stream?.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const chunk = reader && (await received(reader.read()));
    if (!chunk || chunk.done) return Buffer.concat(chunks);
    size += chunk.value.byteLength;
    if (size > MAX_BODY_BYTES) {
      // Not cancelled: that would cut the connection before the caller has read why.
      reader.releaseLock();
      throw new LooperError('BODY_TOO_LARGE', `the body must not exceed ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk.value);
  }
}

/** A caller that goes away in the middle of its body is no fault of ours. */
async function received<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new LooperError('REQUEST_INVALID', `the body ended too early: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Strict UTF-8 and JSON, of bounded depth, with an object at the top that has no name twice. */
export function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  const text = decode(bytes);
  if (text.trim() === '') throw invalid('the body is empty: send a JSON object');
  if (isDeeperThan(text, MAX_JSON_DEPTH)) {
    throw invalid(`the body is nested deeper than ${MAX_JSON_DEPTH} levels`);
  }
  const value = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('the body must be a JSON object');
  }
  const repeated = repeatedName(text);
  if (repeated !== null) {
    throw invalid(`the body has the name ${JSON.stringify(repeated.slice(0, 100))} twice`);
  }
  return value as Record<string, unknown>;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid('the body is not valid UTF-8', error);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`the body is not valid JSON: ${messageOf(error)}`, error);
  }
}

/** Counts brackets outside of strings; whether they are the right ones is the parser's business. */
function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i];
    if (letter === '"') i = endOfString(text, i);
    else if (letter === '{' || letter === '[') depth += 1;
    else if (letter === '}' || letter === ']') depth -= 1;
    if (depth > limit) return true;
  }
  return false;
}

/**
 * The first name that the object of this valid JSON has twice, not looking into its values. The
 * parser takes the last one; whoever wrote, signed or filtered the text may have meant the first.
 */
function repeatedName(text: string): string | null {
  const seen = new Set<string>();
  let depth = 0;
  let lastString = '""';
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i];
    if (letter === '"') {
      const end = endOfString(text, i);
      if (depth === 1) lastString = text.slice(i, end + 1);
      i = end;
    } else if (letter === '{' || letter === '[') depth += 1;
    else if (letter === '}' || letter === ']') depth -= 1;
    else if (letter === ':' && depth === 1) {
      const name = JSON.parse(lastString) as string;
      if (seen.has(name)) return name;
      seen.add(name);
    }
  }
  return null;
}

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}

function invalid(sentence: string, cause?: unknown): LooperError {
  return new LooperError('REQUEST_INVALID', sentence, { cause });
}
