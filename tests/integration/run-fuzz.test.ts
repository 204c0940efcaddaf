/** Thousands of requests that nobody would write by hand; what they may and may not do. */
import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startFakeZulip } from '../support/fake-zulip.ts';
import { createRawClient, type RawAnswer } from '../support/raw-http.ts';
import { asksForRun, fuzzedRequests, type FuzzedRequest } from '../support/run-bodies.ts';
import { readRecords, startService, zulipEnvironment } from '../support/service.ts';

/** Another seed, or more of it, by hand; a failure names its seed. */
const seed = Number(process.env['LOOPER_FUZZ_SEED'] ?? 71);
const numRuns = Number(process.env['LOOPER_FUZZ_RUNS'] ?? 100);

/** Of the contract's list for `POST /run`, without those that need a broken set-up. */
const STATUSES = [200, 202, 400, 403, 409, 413, 415, 422];
const MAX_RSS_MIB = 400;
/** A few seconds, where nothing else runs. */
const SLOW_MACHINE_MS = 120_000;

function checkAnswer({ status, headers, text }: RawAnswer): unknown {
  expect(STATUSES).toContain(status);
  expect(headers['x-request-id']).toMatch(/^[\w.-]+$/);
  const answer = JSON.parse(text) as Record<string, unknown>;
  const { run_id: runId } = answer;
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  expect(headers['content-type']).toBe(type);
  expect(answer).toMatchObject(shapeOf(status));
  const place = status === 202 && typeof runId === 'string' ? `/runs/${runId}` : undefined;
  expect(headers.location).toBe(place);
  return runId;
}

function shapeOf(status: number): object {
  if (status >= 400) return { ok: false, error: expect.stringMatching(/\S/), status };
  const accepted = { ok: true, warnings: expect.any(Array) };
  if (status === 202) return accepted;
  return { ...accepted, zulip_output: expect.any(String), codex_exec_started: expect.any(Boolean) };
}

test(
  'whatever is sent, no run that was not asked for and no answer beyond the contract',
  async () => {
    await using zulip = await startFakeZulip();
    const service = await startService({ env: zulipEnvironment(zulip) });
    const { looper, workspace } = service;
    using client = createRawClient(looper.url);
    const accepted = new Set<string>();
    const refused: string[] = [];
    let sent = 0;

    const send = async ({ body, headers, chunks }: FuzzedRequest): Promise<void> => {
      const answer = await client.send({ method: 'POST', path: '/run', headers, body, chunks });
      sent += 1;
      const runId = checkAnswer(answer);
      const message = /"zulip_message":"([0-9a-f-]{36})"/.exec(Buffer.from(body).toString())?.[1];
      if (answer.status >= 400 && message !== undefined) refused.push(message);
      if (typeof runId !== 'string') return;
      accepted.add(runId);
      expect(asksForRun(body)).toBe(true);
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fuzzedRequests(workspace), { minLength: 1, maxLength: 40, size: 'max' }),
        async (requests) => {
          await Promise.all(requests.map(send));
        },
      ),
      { seed, numRuns },
    );

    expect((await looper.get('/health')).body).toMatchObject({ ok: true });
    const records = readRecords(looper.logDirectory);
    expect(records.map(({ run_id }) => run_id).sort()).toEqual([...accepted].sort());
    const agents = runsOfAgents(`${service.scenarioPath}.state`);
    expect(new Set(agents).size).toBe(agents.length);
    expect(agents.filter((runId) => !accepted.has(runId))).toEqual([]);
    const said = zulip.messages.map(({ content }) => content).join('\n');
    expect(refused.filter((message) => said.includes(message))).toEqual([]);
    // Otherwise nothing above has meant anything.
    expect(sent).toBeGreaterThan(numRuns);
    expect(accepted.size).toBeGreaterThan(3);
    expect(agents.length).toBeGreaterThan(0);
    expect(refused.length).toBeGreaterThan(sent / 20);
    expect(zulip.messages.length).toBeGreaterThan(agents.length);
    const status = readFileSync(`/proc/${looper.pid}/status`, 'utf8');
    expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024).toBeLessThan(MAX_RSS_MIB);
  },
  SLOW_MACHINE_MS,
);

/** The runs that the calls of the agent belonged to; one that was replaced at once wrote nothing. */
function runsOfAgents(state: string): string[] {
  return readdirSync(state)
    .filter((name) => name.startsWith('call-'))
    .map((name) => readFileSync(join(state, name), 'utf8'))
    .flatMap((text) => /"LOOPER_RUN_ID": "(\w+)"/.exec(text)?.[1] ?? []);
}
