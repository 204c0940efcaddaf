import { getRequestListener } from '@hono/node-server';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { pino } from 'pino';
import type { HttpEnv } from '../../src/http/answers.ts';
import { createEventStreams } from '../../src/http/event-streams.ts';
import { SCHEMAS } from '../../src/http/schemas.ts';
import { streamBody } from '../../src/http/streamed-body.ts';
import { createRunBase, runFiles } from '../../src/runs/files.ts';
import { createFollowers } from '../../src/runs/follow.ts';
import type { RunRecord } from '../../src/runs/record.ts';
import { runFile, startService } from '../support/service.ts';
import { readSse, type SseEvent } from '../support/sse.ts';
import { tempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const LINES = { steps: [{ do: 'lines' as const, count: 200, everyMs: 5 }] };

function textOf(events: readonly SseEvent[]): string {
  return events
    .filter(({ event }) => event === 'log')
    .map(({ data }) => `${String(data['text'])}\n`)
    .join('');
}

describe('GET /runs/:id/events', () => {
  it('tells a run while it goes on, to readers that are cut again and again, without loss or repetition', async () => {
    const service = await startService({ scenario: LINES });
    const id = await service.started();
    const url = `${service.looper.url}/runs/${id}/events`;
    const whole = readSse(url);
    // Every one of these goes away after a few events and comes back.
    const cut = async (counts: readonly number[]): Promise<SseEvent[]> => {
      const seen: SseEvent[] = [];
      for (let round = 0; ; round += 1) {
        const count = counts[round % counts.length] ?? 1;
        const { events, isOver } = await readSse(url, {
          lastEventId: seen.at(-1)?.id ?? null,
          until: (some) => some.length >= count,
        });
        seen.push(...events.slice(0, count));
        if (isOver) return seen;
      }
    };
    const readers = await Promise.all([cut([1, 40, 7]), cut([23]), cut([90, 2])]);
    const { events, isOver, headers, status } = await whole;

    expect([status, isOver]).toEqual([200, true]);
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(headers.get('x-accel-buffering')).toBe('no');
    expect(textOf(events)).toBe(service.looper.log(id));
    expect(events.filter(({ event }) => event !== 'log').map(({ event }) => event)).toEqual([
      'created',
      'started',
      'turn_started',
      'turn_ended',
      'end',
    ]);
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { outcome: 'succeeded' } });
    for (const seen of readers) {
      expect(textOf(seen)).toBe(service.looper.log(id));
      expect(new Set(seen.map((one) => one.id)).size).toBe(seen.length);
      expect(seen.at(-1)?.event).toBe('end');
      expect(seen.filter(({ event }) => event === 'turn_ended')).toHaveLength(1);
    }
    const again = await readSse(url, { lastEventId: events.at(-1)?.id ?? '' });
    expect([again.status, again.events]).toEqual([204, []]);
    // What names no place begins at the start.
    const fresh = await readSse(url, { lastEventId: 'junk' });
    expect(textOf(fresh.events)).toBe(service.looper.log(id));
    for (const one of fresh.events) {
      (one.event === 'log' ? SCHEMAS.LogEvent : SCHEMAS.RunEvent).parse(one.data);
    }
  });

  it('goes on with the same run after the daemon has died and another adopted it', async () => {
    const service = await startService({ scenario: LINES });
    const id = await service.started();
    const path = `/runs/${id}/events`;
    const first = await readSse(service.looper.url + path, { until: (some) => some.length >= 40 });
    await service.looper.kill();
    const looper = await service.restarted();
    const rest = await readSse(looper.url + path, { lastEventId: first.events.at(-1)?.id ?? null });
    expect(textOf([...first.events, ...rest.events])).toBe(looper.log(id));
    expect(rest.events.at(-1)?.event).toBe('end');
  });

  it('waits for a log that does not exist yet', async () => {
    const service = await startService({ scenario: { steps: [{ do: 'hang' }] } });
    const first = await service.started();
    const queued = await service.run({ on_busy: 'queue' });
    const id = String(queued.body['run_id']);
    const reading = readSse(`${service.looper.url}/runs/${id}/events`, {
      until: (events) => events.some(({ event }) => event === 'log'),
    });
    const live = await readSse(`${service.looper.url}/runs/current/events`, {
      until: (events) => events.some(({ event }) => event === 'turn_started'),
    });
    expect(live.events[0]?.data).toMatchObject({ run_id: first });
    await service.looper.post(`/runs/${first}/stop`);
    const { events } = await reading;
    expect(events[0]?.event).toBe('created');
    expect(events.at(-1)?.data['text']).toMatch(/^# looper_request_id=/);
    await service.looper.post(`/runs/${id}/stop`);
  });

  it('ends streams when the service ends (row 63)', async () => {
    const service = await startService({ scenario: { steps: [{ do: 'hang' }] } });
    const id = await service.started();
    const open = new Set<string>();
    const streams = [`/runs/${id}/events`, '/events'].map((path) =>
      readSse(service.looper.url + path, {
        until: () => {
          open.add(path);
          return false;
        },
      }),
    );
    await waitFor('both streams', () => open.size === streams.length);
    await waitFor('the agent', () => service.calls().length > 0);
    const started = performance.now();
    expect(await service.looper.stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(5_000);
    for (const { isOver } of await Promise.all(streams)) expect(isOver).toBe(true);
  });

  it('tells of a run that was pruned meanwhile by ending', async () => {
    const service = await startService({ scenario: {} });
    const id = await service.started();
    await service.looper.ended(id);
    const { logDirectory, url } = service.looper;
    for (const suffix of ['.events.jsonl', '.log']) rmSync(runFile(logDirectory, id, suffix));
    const { events, isOver } = await readSse(`${url}/runs/${id}/events`);
    expect(isOver).toBe(true);
    expect(events.map(({ event }) => event)).toEqual(['end']);
  });
});

describe('heartbeats', () => {
  it('keep quiet streams alive', async () => {
    const files = runFiles(tempDir(), createRunBase('0a1b2c3d', new Date()));
    const record = { status: 'running' } as RunRecord;
    const streams = createEventStreams({
      followers: createFollowers(() => ({ files, record })),
      hub: { listen: () => () => undefined },
      log: pino({ level: 'silent' }),
      heartbeatMs: 30,
    });
    const app = new Hono<HttpEnv>()
      .get('/one', (c) => streams.ofRun(c, files))
      .get('/all', (c) => streams.ofAll(c, () => ({})));
    for (const path of ['/one', '/all']) {
      const reader = (await app.request(path)).body?.getReader();
      let text = '';
      while (text.split(': heartbeat\n\n').length < 4) {
        text += Buffer.from((await reader?.read())?.value ?? []).toString();
      }
      expect(text).toContain(': heartbeat\n\n: heartbeat\n\n');
      await reader?.cancel();
    }
    streams.close();
  });
});

describe('GET /events', () => {
  it('opens with the status and tells the lifecycle of all runs', async () => {
    const service = await startService({ scenario: {} });
    const earlier = await service.started();
    await service.looper.ended(earlier);
    await waitFor('the service to notice', async () => {
      const { status } = await service.looper.get('/runs/current');
      return status === 404;
    });
    const reading = readSse(`${service.looper.url}/events`, {
      lastEventId: '0-0',
      until: (events) => events.filter(({ event }) => event === 'end').length === 2,
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const ids = [];
    for (let run = 0; run < 2; run += 1) {
      const id = await service.started();
      await service.looper.ended(id);
      ids.push(id);
    }
    const { events } = await reading;
    const [status, ...rest] = events;
    expect(status).toMatchObject({ event: 'status', id: null, data: { active: null } });
    SCHEMAS.Status.parse(status?.data);
    expect(new Set(rest.map(({ data }) => data['run_id']))).toEqual(new Set(ids));
    for (const id of ids) {
      const own = rest.filter(({ data }) => data['run_id'] === id).map(({ event }) => event);
      expect(own).toEqual(['created', 'started', 'turn_started', 'turn_ended', 'end']);
    }
  });
});

describe('a slow reader', () => {
  it('is dropped, and costs the service one chunk', async () => {
    let made = 0;
    let closed = 0;
    const app = new Hono<HttpEnv>().get('/', (c) => {
      const source = {
        next: async () => {
          made += 1;
          return Buffer.alloc(256 * 1024);
        },
        close: () => (closed += 1),
      };
      return new Response(streamBody(c, source, () => undefined, 300));
    });
    const listener = getRequestListener(app.fetch);
    const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.pause();
    await waitFor('the reader to be dropped', () => closed === 1);
    expect(made).toBeLessThan(100);
    // Somebody who reads on is not.
    const response = await fetch(`http://127.0.0.1:${port}`);
    const reader = response.body?.getReader();
    for (let read = 0; read < 50; read += 1) expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
    await waitFor('both sources to be closed', () => closed === 2);
    server.closeAllConnections();
    server.close();
    socket.destroy();
  });
});
