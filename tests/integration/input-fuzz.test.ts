/** Ids, ranges, places in streams and bodies that nobody would send: no surprise, no foreign file. */
import fc from 'fast-check';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SECRET, signed, writeConfigFile } from '../support/hooks.ts';
import { createRawClient, type RawRequest } from '../support/raw-http.ts';
import { startService } from '../support/service.ts';

const seed = Number(process.env['LOOPER_FUZZ_SEED'] ?? 8);
const numRuns = Number(process.env['LOOPER_FUZZ_RUNS'] ?? 50);
const SLOW_MACHINE_MS = 120_000;
const preload = fileURLToPath(new URL('../fixtures/opened-files.cjs', import.meta.url));
const code = fileURLToPath(new URL('../..', import.meta.url));

/** What the contract has for these routes; 400 is also a request line that is no URL. */
const STATUSES = [
  200, 202, 204, 206, 303, 400, 401, 403, 404, 405, 409, 413, 415, 416, 421, 422, 429,
];

/** Part of a path or of a query, encoded in one of the ways in which a client may do that. */
const piece = fc
  .tuple(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.constantFrom('..', '../outside/bait', '../../../../etc/passwd', '/etc/passwd', '\0'),
      fc.constantFrom('current', 'latest', 'ffffffff', 'autoffffffff', '.', '~', '-1', '1e3'),
      fc.constantFrom(
        '__proto__',
        'constructor',
        'TICKET-001.md',
        'codex-exec-20260101-000000-ffffffff',
      ),
    ),
    fc.constantFrom('once', 'twice', 'dots', 'torn'),
  )
  .map(([text, how]) => {
    const once = encodeURIComponent(Buffer.from(text).toString('utf8'));
    if (how === 'twice') return encodeURIComponent(once);
    if (how === 'dots') return once.replaceAll('.', '%2e').replaceAll('%2F', '/');
    return how === 'torn' ? `${once}%${text.length % 10}` : once;
  });

const headerText = fc.string({
  maxLength: 30,
  unit: fc.constantFrom(...'0123456789-,=bytes .é'.split('')),
});
const range = fc.oneof(
  headerText,
  fc.tuple(fc.nat(5000), fc.nat(5000)).map(([from, to]) => `bytes=${from}-${to}`),
  fc.constantFrom('bytes=-0', 'bytes=-1', 'bytes=0-', 'bytes=9999999999999999-', 'bytes=0-1,3-4'),
);
const lastId = fc.oneof(
  headerText,
  fc.tuple(fc.integer(), fc.integer()).map(([log, events]) => `${log}-${events}`),
);
const json = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.record({ text: fc.jsonValue() }).map((body) => JSON.stringify(body)),
  fc.string({ unit: 'binary' }),
);
const JSON_TYPE = { 'Content-Type': 'application/json' };

const read = (path: string, headers: RawRequest['headers'] = {}): RawRequest => ({
  method: 'GET',
  path,
  headers,
});
const write = (path: string, text: string, headers: RawRequest['headers'] = {}): RawRequest => ({
  method: 'POST',
  path,
  headers: { ...JSON_TYPE, ...headers },
  body: Buffer.from(text),
});

function requests(runId: string): fc.Arbitrary<RawRequest> {
  const id = fc.oneof(fc.constantFrom(runId, 'latest'), piece);
  return fc.oneof(
    piece.map((path) => read(`/runs/${path}`)),
    piece.map((path) => read(`/${path}`)),
    fc.tuple(id, range).map(([run, Range]) => read(`/runs/${run}/log`, { Range })),
    // A stream that does not end is none of these: the only run has ended.
    fc
      .tuple(id, lastId)
      .map(([run, last]) => read(`/runs/${run}/events`, { 'Last-Event-ID': last })),
    fc.tuple(piece, piece).map(([limit, before]) => read(`/runs?limit=${limit}&before=${before}`)),
    piece.map((path) => read(`/tickets?workspace=${path}`)),
    fc.tuple(piece, piece).map(([file, path]) => read(`/tickets/${file}?workspace=${path}`)),
    fc.tuple(piece, piece).map(([folder, file]) => read(`/assets/${folder}/${file}`)),
    fc.tuple(piece, piece).map(([run, before]) => read(`/?run=${run}&before=${before}`)),
    id.map((run) => write(`/runs/${run}/stop`, '{}')),
    fc.tuple(id, json).map(([run, body]) => write(`/runs/${run}/reply`, body)),
    fc.tuple(piece, json).map(([name, body]) => write(`/hooks/${name}`, body)),
    json.map((body) => write('/hooks/github', body, signed.github(body, 'push', body))),
    json.map((body) => write('/hooks/zulip', body)),
    json.map((body) =>
      write('/hooks/form', body, {
        Authorization: `Bearer ${SECRET}`,
        'Content-Type': 'application/x-www-form-urlencoded',
      }),
    ),
    json.map((body) => write('/login', body)),
  );
}

/** `/runs/../events` is the stream of everything, which has no end. */
function ends({ path }: RawRequest): boolean {
  return new URL(`http://localhost${path}`).pathname !== '/events';
}

function pathsIn(lines: Buffer): string[] {
  const paths = new Set(lines.toString().split('\n').filter(Boolean));
  return [...paths].map((line) => JSON.parse(line) as string);
}

/** Headers that Node's client would not send. */
function sendable(request: RawRequest): RawRequest {
  const clean = Object.entries(request.headers).map(([name, value]) => [
    name,
    String(value).replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, ''),
  ]);
  return { ...request, headers: Object.fromEntries(clean) as RawRequest['headers'] };
}

test(
  'no answer beyond the contract, no file opened that is not of Looper or of the workspace',
  async () => {
    const hook = (name: string, type: string): string =>
      `  - { name: ${name}, verify: { type: ${type}, secret_file: secret }, when: { payload: { a: never } }, message: x }\n`;
    const file = writeConfigFile(
      `hooks:\n${hook('github', 'github')}${hook('zulip', 'zulip')}${hook('form', 'bearer')}`,
      { secret: SECRET },
    );
    const service = await startService({
      env: (home) => ({
        LOOPER_CONFIG_FILE: file,
        LOOPER_WORKSPACE: join(home, 'workspace'),
        LOOPER_WORKSPACE_ROOTS: join(home, 'workspace'),
        OPENED_FILES: join(home, 'opened'),
        NODE_OPTIONS: `--require ${preload}`,
      }),
    });
    const { home, workspace, looper } = service;
    mkdirSync(join(home, 'outside'));
    writeFileSync(join(home, 'outside/bait'), 'what lies outside');
    mkdirSync(join(workspace, '.looper/tickets'), { recursive: true });
    symlinkSync(join(home, 'outside/bait'), join(workspace, '.looper/tickets/TICKET-001.md'));
    const runId = await service.started();
    await looper.ended(runId);
    using client = createRawClient(looper.url);
    const start = statSync(join(home, 'opened')).size;

    await fc.assert(
      fc.asyncProperty(
        fc.array(requests(runId), { minLength: 20, maxLength: 40 }),
        async (list) => {
          await Promise.all(
            list
              .filter(ends)
              .map(sendable)
              .map(async (request) => {
                const { status, headers, text } = await client.send(request);
                expect(STATUSES, `${request.method} ${request.path}: ${text}`).toContain(status);
                expect(text).not.toContain('what lies outside');
                if (status < 400 || headers['content-type'] !== 'application/problem+json') return;
                expect(JSON.parse(text)).toMatchObject({ ok: false, status });
              }),
          );
        },
      ),
      { seed, numRuns },
    );

    expect((await looper.get('/health')).status).toBe(200);
    expect((await looper.get('/runs')).body['runs']).toHaveLength(1);
    const opened = pathsIn(readFileSync(join(home, 'opened')).subarray(start));
    const places = [looper.logDirectory, workspace, code, join(file, '..'), '/proc'];
    // Also Looper's packages, and the search for a repository around the workspace.
    const foreign = opened.filter(
      (path) =>
        !/\/node_modules\/|\/\.git$/.test(path) &&
        !places.some((place) => path === place || path.startsWith(`${place}/`)),
    );
    expect(foreign).toEqual([]);
    expect(opened.some((path) => path.includes(runId))).toBe(true);
    expect(opened.some((path) => path.includes('/../'))).toBe(false);
  },
  SLOW_MACHINE_MS,
);
