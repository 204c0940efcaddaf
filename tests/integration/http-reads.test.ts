import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SCHEMAS } from '../../src/http/schemas.ts';
import { startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

function writeTickets({ workspace }: Service, tickets: Readonly<Record<string, string>>): void {
  const directory = join(workspace, '.looper', 'tickets');
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(tickets)) writeFileSync(join(directory, name), text);
}

const ticket = (lines: string): string => `---\n${lines}\n---\nBody\n`;

describe('GET /tickets', () => {
  const states = async ({ looper, workspace }: Service) => {
    const { body } = await looper.get(`/tickets?workspace=${encodeURIComponent(workspace)}`);
    return SCHEMAS.Tickets.parse(body).tickets.map(({ file, state }) => `${file} ${state}`);
  };

  it('gives the queue in order, with states and findings', async () => {
    const service = await startService({ scenario: { steps: [{ do: 'hang' }] } });
    const { looper, workspace } = service;
    expect(
      SCHEMAS.Tickets.parse((await looper.get(`/tickets?workspace=${workspace}`)).body),
    ).toEqual(expect.objectContaining({ source: 'none', tickets: [], workspace }));
    writeTickets(service, {
      'TICKET-003.md': ticket('done: false\nagent: user\ntitle: Approve it'),
      'TICKET-001-first.md': ticket('done: true\ntitle: First'),
      'TICKET-002.md': ticket('done: false\ntitle: "Second \\e[31m"\ngoal: Be done'),
      'TICKET-004.md': ticket('done: maybe'),
      'notes.txt': 'stray',
    });
    expect(await states(service)).toEqual([
      'TICKET-001-first.md done',
      'TICKET-002.md open',
      'TICKET-003.md open',
      'TICKET-004.md bad',
    ]);
    const { body } = await looper.get(`/tickets?workspace=${workspace}`);
    const { tickets, findings, remarks } = SCHEMAS.Tickets.parse(body);
    expect(tickets[1]).toMatchObject({ id: 'TICKET-002', title: 'Second [31m', goal: 'Be done' });
    expect(findings).toMatchObject([{ file: 'TICKET-004.md', line: 2 }]);
    expect(remarks).toMatchObject([{ file: 'notes.txt' }]);

    const id = await service.started({ codex_prompt: undefined });
    await waitFor('the agent', () => service.calls().length > 0);
    expect(await states(service)).toContain('TICKET-002.md active');
    await looper.post(`/runs/${id}/stop`);
    expect(await states(service)).toContain('TICKET-002.md open');
    writeTickets(service, { 'TICKET-002.md': ticket('done: true') });
    expect(await states(service)).toContain('TICKET-003.md waiting');
  });

  it('checks the workspace as a trigger does', async () => {
    const { looper, home } = await startService({
      env: (root) => ({ LOOPER_WORKSPACE_ROOTS: join(root, 'workspace') }),
    });
    expect((await looper.get('/tickets')).status).toBe(422);
    expect((await looper.get('/tickets?workspace=relative')).status).toBe(422);
    expect((await looper.get(`/tickets?workspace=${home}/missing`)).status).toBe(422);
    expect((await looper.get(`/tickets?workspace=${home}`)).status).toBe(403);
  });
});

describe('GET /metrics', () => {
  const scrape = async (url: string): Promise<Map<string, number>> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line): [string, number] => {
        const blank = line.lastIndexOf(' ');
        return [line.slice(0, blank), Number(line.slice(blank + 1))];
      }),
    );
  };

  it('counts runs by trigger and outcome, kills, durations', async () => {
    const service = await startService({
      scenario: { turns: [{}, { steps: [{ do: 'hang' }] }, { exitCode: 3, complete: false }] },
    });
    const { looper } = service;
    const idle = await scrape(looper.url);
    expect(idle.get('looper_run_active')).toBe(0);
    expect(idle.get('looper_last_success_timestamp_seconds')).toBe(0);
    const first = await looper.ended(await service.started());
    const second = await service.started();
    await waitFor('the agent', () => service.calls().length === 2);
    expect((await scrape(looper.url)).get('looper_run_active')).toBe(1);
    await looper.post(`/runs/${second}/stop`);
    await looper.ended(await service.started());
    const found = await waitFor('the end to be noticed', async () => {
      const metrics = await scrape(looper.url);
      return metrics.get('looper_run_duration_seconds_count') === 3 ? metrics : null;
    });
    expect(found.get('looper_runs_total{trigger="http",outcome="succeeded"}')).toBe(1);
    expect(found.get('looper_runs_total{trigger="http",outcome="stopped"}')).toBe(1);
    expect(found.get('looper_runs_total{trigger="http",outcome="failed"}')).toBe(1);
    expect(found.get('looper_kills_total{signal="SIGINT"}')).toBe(1);
    expect(found.get('looper_last_success_timestamp_seconds')).toBeCloseTo(
      Date.parse(first.finished_at ?? '') / 1000,
      2,
    );
    expect([...found.keys()].join()).not.toContain(first.run_id);
  });

  it('counts a run that ended while no service was there, and no run twice', async () => {
    const service = await startService({
      scenario: { turns: [{}, { steps: [{ do: 'wait', path: 'go' }] }] },
    });
    await service.looper.ended(await service.started());
    const id = await service.started();
    await waitFor('the agent', () => service.calls().length === 2);
    const before = await scrape(service.looper.url);
    expect(before.get('looper_runs_total{trigger="http",outcome="succeeded"}')).toBe(1);
    await service.looper.kill();
    writeFileSync(join(service.workspace, 'go'), '');
    await waitFor('the run to end by itself', () =>
      readdirSync(service.looper.logDirectory).some(
        (name) =>
          name.endsWith(`${id}.json`) &&
          readFileSync(join(service.looper.logDirectory, name), 'utf8').includes('"succeeded"'),
      ),
    );
    const looper = await service.restarted();
    const after = await scrape(looper.url);
    expect(after.get('looper_runs_total{trigger="http",outcome="succeeded"}')).toBe(1);
    await looper.stop();
    const again = await scrape((await service.restarted()).url);
    expect(again.get('looper_runs_total{trigger="http",outcome="succeeded"}')).toBeUndefined();
    expect(again.get('looper_last_success_timestamp_seconds')).toBeGreaterThan(0);
  });
});

describe('LOOPER_MIRROR_OUTPUT=1', () => {
  const mirrored = ({ looper }: Service) =>
    readFileSync(join(looper.logDirectory, 'looper-server.log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('codex.exec.output'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it("puts the agent's lines into the server log, redacted and within bounds", async () => {
    const service = await startService({
      env: { LOOPER_MIRROR_OUTPUT: '1', LOOPER_API_TOKEN: 'a-secret-of-sixteen' },
      scenario: {
        steps: [
          { do: 'out', text: 'it prints a-secret-of-sixteen\n' },
          { do: 'lines', count: 3000, plain: true },
        ],
      },
    });
    const token = { Authorization: 'Bearer a-secret-of-sixteen' };
    const { body } = await service.looper.post(
      '/run',
      { message: 'Go', codex_prompt: 'x', workspace: service.workspace },
      token,
    );
    const lines = await waitFor('the mirror', () => {
      const found = mirrored(service);
      return found.some(({ msg }) => msg === 'codex.exec.output_skipped') ? found : null;
    });
    expect(lines.every(({ runId }) => runId === body['run_id'])).toBe(true);
    const texts = lines.map(({ text }) => text);
    expect(texts).toContain('it prints [redacted]');
    expect(texts).toContain('line 1');
    expect(lines.length).toBeLessThan(2500);
    const log = service.looper.log(String(body['run_id']));
    expect(log).toContain('a-secret-of-sixteen');
    expect(log).toContain('line 3000');
  });

  it('is off by default', async () => {
    const service = await startService({ scenario: { steps: [{ do: 'lines', count: 3 }] } });
    await service.looper.ended(await service.started());
    await delay(300);
    expect(mirrored(service)).toEqual([]);
  });
});

it('answers as its description says', async () => {
  const service = await startService({ scenario: {} });
  const { looper } = service;
  SCHEMAS.RunAnswer.parse((await service.run()).body);
  const asked = await looper.post(
    '/run',
    { message: 'Go', codex_prompt: 'x', workspace: service.workspace },
    { Prefer: 'respond-async' },
  );
  SCHEMAS.Accepted.parse(asked.body);
  const record = await looper.ended(String(asked.body['run_id']));
  SCHEMAS.Run.parse((await looper.get(`/runs/${record.run_id}`)).body);
  SCHEMAS.Runs.parse((await looper.get('/runs?limit=1')).body);
  SCHEMAS.Autopoll.parse((await looper.get('/autopoll')).body);
  SCHEMAS.Autopoll.parse((await looper.post('/autopoll/pause')).body);
  SCHEMAS.Health.parse((await looper.get('/health')).body);
  SCHEMAS.Ready.parse((await looper.get('/ready')).body);
  for (const path of ['/runs/00000000', '/nothing', '/runs?limit=0']) {
    SCHEMAS.Problem.parse((await looper.get(path)).body);
  }
  const { body, status } = await looper.get('/openapi.json');
  expect([status, body['openapi']]).toEqual([200, '3.1.0']);
});
