import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const READERS = 1000;

it('serves a thousand readers of one run', async () => {
  const service = await startService({
    scenario: {
      steps: [
        { do: 'lines', count: 500 },
        { do: 'wait', path: 'go' },
        { do: 'lines', count: 500 },
      ],
    },
  });
  const id = await service.started();
  const { pid, url } = service.looper;
  await waitFor('some output', () => service.looper.log(id).includes('line 500'));
  const before = usageOf(pid);
  const readers = Array.from({ length: READERS }, () => openStream(url, `/runs/${id}/events`));
  await waitFor('all to have what there is', () =>
    readers.every((reader) => reader.text().includes('line 500')),
  );
  const quiet = usageOf(pid);
  const waitedFrom = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const idleCpu = (usageOf(pid).cpuMs - quiet.cpuMs) / ((performance.now() - waitedFrom) / 1000);
  writeFileSync(join(service.workspace, 'go'), '');
  await service.looper.ended(id);
  await waitFor('all to have had the end', () =>
    readers.every((reader) => reader.text().includes('event: end\n')),
  );
  const peak = usageOf(pid);
  process.stderr.write(
    `${READERS} readers: ${before.rssMb} MB without them, ${quiet.rssMb} MB with them, ` +
      `${peak.peakMb} MB at most; ${Math.round(idleCpu)} ms of CPU per second while nothing happens\n`,
  );
  const lines = (text: string): number => text.split('event: log\n').length;
  const expected = lines(readers[0]?.text() ?? '');
  expect(expected).toBeGreaterThan(1000);
  for (const reader of readers) expect(lines(reader.text())).toBe(expected);
  for (const reader of readers) reader.socket.destroy();
});

function openStream(url: string, path: string): { socket: Socket; text(): string } {
  const chunks: Buffer[] = [];
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return { socket, text: () => Buffer.concat(chunks).toString('latin1') };
}

function usageOf(pid: number): { rssMb: number; peakMb: number; cpuMs: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  const megabytes = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return {
    rssMb: megabytes('VmRSS'),
    peakMb: megabytes('VmHWM'),
    cpuMs: (user + system) * 10,
  };
}
