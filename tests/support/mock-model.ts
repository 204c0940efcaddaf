import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/**
 * A model on loopback for the real codex binary: `POST /v1/responses`, answered as server-sent
 * events. What it answers is decided per request by the test's script.
 */

/** What codex sent. */
export interface ModelRequest {
  /** 1 for the first. */
  readonly number: number;
  readonly threadId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ModelRequestBody;
  /** The last thing that the user said: the prompt of this turn. */
  readonly prompt: string;
  /** Outputs of the commands of this turn, oldest first: the model's view of its own tool calls. */
  readonly toolOutputs: readonly string[];
}

interface ModelRequestBody {
  readonly model: string;
  readonly input: readonly InputItem[];
  readonly tools?: readonly { readonly name?: string }[];
}

interface InputItem {
  readonly type: string;
  readonly role?: string;
  readonly content?: string | readonly { readonly text?: string }[];
  readonly output?: unknown;
}

export type Answer =
  /** The final message; ends the turn. */
  | { readonly say: string }
  /** A shell command; codex runs it and asks again with its output. */
  | { readonly exec: string; readonly say?: string }
  /** An HTTP error. */
  | {
      readonly status: number;
      readonly error?: Readonly<Record<string, unknown>>;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** A stream that says `response.failed`, e.g. with `context_length_exceeded`. */
  | { readonly failed: string; readonly message?: string }
  /** A stream that breaks off. */
  | { readonly cut: true }
  /** Headers, then nothing, until the server closes. */
  | { readonly stall: true };

export type ModelScript = (request: ModelRequest) => Answer | Promise<Answer>;

export interface MockModel extends AsyncDisposable {
  /** Base URL for codex, with `/v1`. */
  readonly url: string;
  readonly requests: readonly ModelRequest[];
}

/** The provider's answers that Looper tells apart. */
export const RATE_LIMITED: Answer = { status: 429, error: { message: 'Slow down.' } };
export const QUOTA_EXCEEDED: Answer = { status: 429, error: { code: 'insufficient_quota' } };
export const UNAUTHORISED: Answer = { status: 401, error: { message: 'Incorrect API key.' } };
export const BROKEN: Answer = { status: 500, error: { message: 'The server had an error.' } };

/** `resetsAt`: when the limit ends. */
export function usageLimit(resetsAt: Date): Answer {
  const resets_at = Math.floor(resetsAt.getTime() / 1000);
  return { status: 429, error: { type: 'usage_limit_reached', plan_type: 'plus', resets_at } };
}

/** Starts it on a free port. Disposing closes every connection, stalled ones too. */
export async function startMockModel(options: { script: ModelScript }): Promise<MockModel> {
  const requests: ModelRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing, requests, options.script).catch((error: unknown) => {
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Writes `directory/config.toml` so that codex talks to `modelUrl` and to nothing else, and returns
 * the variables it then needs. `retries`: how often codex asks again after a 5xx or a cut stream.
 */
export function writeCodexHome(
  directory: string,
  modelUrl: string,
  options: { retries?: number; model?: string; extra?: string } = {},
): { CODEX_HOME: string; MOCK_API_KEY: string } {
  const { retries = 0, model = 'gpt-5.5', extra = '' } = options;
  mkdirSync(directory, { recursive: true });
  const config = `
model = "${model}"
model_provider = "mock"
[model_providers.mock]
name = "mock"
base_url = "${modelUrl}"
wire_api = "responses"
env_key = "MOCK_API_KEY"
request_max_retries = ${retries}
stream_max_retries = ${retries}
[analytics]
enabled = false
[features]
plugins = false
${extra}`;
  writeFileSync(join(directory, 'config.toml'), config);
  return { CODEX_HOME: directory, MOCK_API_KEY: 'not-a-key' };
}

async function handle(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  requests: ModelRequest[],
  script: ModelScript,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  if (incoming.method !== 'POST' || incoming.url !== '/v1/responses') {
    outgoing.writeHead(404).end();
    return;
  }
  const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as ModelRequestBody;
  const headers = incoming.headers as Record<string, string>;
  const lastUser = body.input.findLastIndex((item) => item.role === 'user');
  const request: ModelRequest = {
    number: requests.length + 1,
    threadId: headers['thread-id'] ?? '',
    headers,
    body,
    prompt: textOf(body.input[lastUser]),
    toolOutputs: body.input
      .slice(lastUser + 1)
      .filter((item) => item.type.endsWith('_call_output'))
      .map((item) =>
        typeof item.output === 'string' ? item.output : JSON.stringify(item.output ?? ''),
      ),
  };
  requests.push(request);
  answer(outgoing, request, await script(request));
}

function textOf(item: InputItem | undefined): string {
  if (item?.content === undefined) return '';
  if (typeof item.content === 'string') return item.content;
  return item.content.map((part) => part.text ?? '').join('');
}

function answer(outgoing: ServerResponse, request: ModelRequest, what: Answer): void {
  if ('status' in what) {
    outgoing.writeHead(what.status, { 'content-type': 'application/json', ...what.headers });
    outgoing.end(JSON.stringify({ error: what.error ?? { message: `status ${what.status}` } }));
    return;
  }
  outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (event: { type: string } & Record<string, unknown>): void => {
    outgoing.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  };
  const id = `resp_${request.number}`;
  send({ type: 'response.created', response: { id } });
  if ('stall' in what) return;
  if ('cut' in what) {
    outgoing.end();
    return;
  }
  if ('failed' in what) {
    const error = { code: what.failed, message: what.message ?? what.failed };
    send({ type: 'response.failed', response: { id, status: 'failed', error } });
    outgoing.end();
    return;
  }
  if (what.say !== undefined) {
    const content = [{ type: 'output_text', text: what.say }];
    const item = { type: 'message', role: 'assistant', id: `msg_${request.number}`, content };
    send({ type: 'response.output_item.done', item });
  }
  if ('exec' in what)
    send({ type: 'response.output_item.done', item: toolCall(request, what.exec) });
  send({
    type: 'response.completed',
    response: {
      id,
      usage: {
        input_tokens: 100,
        input_tokens_details: { cached_tokens: 40 },
        output_tokens: 20,
        output_tokens_details: { reasoning_tokens: 5 },
        total_tokens: 120,
      },
    },
  });
  outgoing.end();
}

/** Older models are offered `exec_command` itself, newer ones JavaScript that may call it. */
function toolCall(request: ModelRequest, cmd: string): Record<string, unknown> {
  const call_id = `call_${request.number}`;
  if (request.body.tools?.some((tool) => tool.name === 'exec_command') === true) {
    return {
      type: 'function_call',
      name: 'exec_command',
      call_id,
      arguments: JSON.stringify({ cmd }),
    };
  }
  const input = `text(await tools.exec_command(${JSON.stringify({ cmd })}))`;
  return { type: 'custom_tool_call', name: 'exec', call_id, input };
}
