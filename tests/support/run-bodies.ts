import fc from 'fast-check';
import type { OutgoingHttpHeaders } from 'node:http';
import { runBodySchema } from '../../src/http/run-request.ts';

/** One `POST /run`, of which nobody knows whether it makes sense. */
export interface FuzzedRequest {
  readonly body: Uint8Array;
  readonly headers: OutgoingHttpHeaders;
  readonly chunks: number;
}

const FIELDS = Object.keys(runBodySchema.shape);
const MIB = 1024 ** 2;

/** Delays that are accepted are short: nobody wants to wait for an hour here. */
const seconds = fc.oneof(
  fc.constantFrom(0, 0.001, -0, -1, -1e-9, 3600.001, 1e21, 1e308, Number.MAX_SAFE_INTEGER),
  fc.constantFrom('0', 'NaN', '1e3', 'Infinity', true, [0], { valueOf: 0 }),
);
const odd = fc.oneof(
  fc.constantFrom<unknown>(null, '', ' ', '\0', '\u202e', '\ud800', 'null', '__proto__', [], {}),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.jsonValue({ maxDepth: 3 }).map(withoutDelays),
);

/** Objects of the known fields; `starts` of them ask for a run in `workspace`. */
function nearlyValid(workspace: string) {
  const usual = {
    zulip_message: fc.uuid(),
    codex_prompt: fc.constant(''),
    on_busy: fc.constantFrom('replace', 'queue', 'reject'),
    workspace: fc.constant(workspace),
  };
  const value = (field: string): fc.Arbitrary<unknown> =>
    field.endsWith('_seconds') ? seconds : odd;
  const mistakes = fc
    .uniqueArray(fc.constantFrom(...FIELDS, '__proto__', 'constructor', 'zulip_script_path'), {
      maxLength: 3,
    })
    .chain((fields) =>
      fc.tuple(...fields.map((field) => value(field).map((given) => [field, given] as const))),
    );
  return fc
    .tuple(fc.record(usual, { requiredKeys: [] }), mistakes, fc.nat(25))
    .map(([fields, wrong, luck]) => {
      const asked = luck === 0 ? { zulip_message: 'Go', codex_prompt: 'Do it', workspace } : {};
      // As text, for an own `__proto__` and for keys that come twice: the last one counts.
      const pairs = [...Object.entries({ ...fields, ...asked }), ...(luck === 0 ? [] : wrong)];
      const text = pairs.map(([key, given]) => `${JSON.stringify(key)}:${JSON.stringify(given)}`);
      return `{${text.join(',')}}`;
    });
}

function bodies(workspace: string): fc.Arbitrary<Uint8Array> {
  const nested = fc
    .tuple(fc.constantFrom('[', '{"a":'), fc.constantFrom(60, 65, 5_000))
    .map(([open, depth]) => `{"zulip_message":${open.repeat(depth)}`);
  const literal = fc.constantFrom(
    '{"zulip_message":NaN}',
    '{"zulip_message":"x","codex_exec_delay_seconds":1e999}',
    '{"zulip_message":"x","codex_prompt":"","codex_prompt":null}',
    '{"zulip_message":"x","codex_prompt":"","__proto__":{"codex_prompt":"Do it"}}',
    '\uFEFF{"zulip_message":"x","codex_prompt":""}',
    '{"zulip_message":"x"}{"codex_prompt":"Do it"}',
    "{'zulip_message':'x'}",
    '',
    ' ',
  );
  const text = fc.oneof(
    { weight: 12, arbitrary: nearlyValid(workspace) },
    { weight: 2, arbitrary: fc.json({ maxDepth: 4 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    { weight: 1, arbitrary: nested },
    { weight: 1, arbitrary: literal },
  );
  const huge = fc.constantFrom('x'.repeat(MIB), '['.repeat(MIB - 20));
  return fc.oneof(
    { weight: 160, arbitrary: text.map((given) => Buffer.from(given)) },
    { weight: 10, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    { weight: 1, arbitrary: huge.map((pad) => Buffer.from(`{"zulip_message":"${pad}"}`)) },
  );
}

/** What a header may hold. */
const value = fc.oneof(
  fc.string({ maxLength: 40, unit: fc.constantFrom(...'abc019-_.;,="\'/\\ \té'.split('')) }),
  fc.constantFrom('x'.repeat(300), 'ffffffff', 'current', '../../etc/passwd', '%00'),
);
const headers = fc.record(
  {
    'Content-Type': fc.oneof(
      { weight: 20, arbitrary: fc.constant('application/json') },
      { weight: 2, arbitrary: fc.constantFrom('text/plain', 'APPLICATION/JSON; charset=utf-8') },
      { weight: 1, arbitrary: value },
    ),
    Prefer: fc.oneof(fc.constantFrom('respond-async', 'wait=1, Respond-Async'), value),
    'Idempotency-Key': fc.oneof(fc.constantFrom('a', 'b', 'c', 'd'), fc.uuid(), value),
    'X-Looper-Run-Id': value,
    'X-Request-Id': value,
    'User-Agent': fc.oneof(fc.constant('looper-cli/1'), value),
    Origin: fc.constantFrom('http://localhost:1', 'https://evil.example', 'null'),
    'Sec-Fetch-Site': fc.constantFrom('same-origin', 'cross-site'),
  },
  { requiredKeys: ['Content-Type'] },
);

/** Header fields are many, and each is rare: two at once are enough. */
function fewOf(given: Record<string, string | undefined>): OutgoingHttpHeaders {
  const names = Object.keys(given).filter((name) => name !== 'Content-Type');
  const kept = ['Content-Type', ...names.slice(0, names.length > 5 ? 2 : 0)];
  return Object.fromEntries(kept.map((name) => [name, given[name]?.trim()]));
}

export function fuzzedRequests(workspace: string): fc.Arbitrary<FuzzedRequest> {
  return fc
    .record({ body: bodies(workspace), headers, chunks: fc.constantFrom(0, 0, 0, 1, 3) })
    .map((request) => ({ ...request, headers: fewOf(request.headers) }));
}

/** A JSON value may hold a field of ours by chance, or by shrinking. */
function withoutDelays(value: unknown): unknown {
  return typeof value === 'number' && value > 0 && value <= 3600 ? -value : value;
}

/** Whether a body asks for an agent, read without any of Looper's code. */
export function asksForRun(body: Uint8Array): boolean {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    if (typeof parsed !== 'object' || parsed === null) return false;
    const own = (name: string): unknown =>
      Object.hasOwn(parsed, name) ? (parsed as Record<string, unknown>)[name] : undefined;
    const message = own('zulip_message') ?? own('message');
    const prompt = own('codex_prompt') ?? own('prompt');
    const isText = (given: unknown): boolean => typeof given === 'string' && given.trim() !== '';
    return isText(message) && isText(prompt);
  } catch {
    return false;
  }
}
