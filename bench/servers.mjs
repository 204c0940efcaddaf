/** Our service as a server, beside a bare Hono server and Node's own: start, memory, CPU, requests. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endServer, pause, startServer } from './processes.mjs';
import { interleave, median } from './report.mjs';

const TOKEN = 'a-token-of-the-benchmark';
const SETTINGS = {
  LOOPER_ENV_FILE: '/dev/null',
  LOOPER_KILL_SCOPE: 'owned',
  LOOPER_AUTO_START_WHEN_IDLE: '0',
};
const NAMES = {
  looper: 'Looper',
  hono: 'a bare Hono server (floor)',
  node: 'bare node:http (floor)',
};

export async function measureColdStart(report, { repetitions }) {
  const measure = (name) => async () => {
    const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
    const env = { ...SETTINGS, LOOPER_LOG_DIR: join(home, 'logs') };
    const started = performance.now();
    const server = await startServer(name, env, home);
    await (await fetch(`${server.url}/health`)).text();
    const ms = performance.now() - started;
    await endServer(server);
    rmSync(home, { recursive: true });
    return ms;
  };
  const names = Object.keys(NAMES);
  const samples = await interleave(
    Object.fromEntries(names.map((name) => [name, measure(name)])),
    repetitions,
  );
  for (const name of names)
    report.row(`cold start → first 200, ${NAMES[name]}`, samples[name], 'ms');
  report.goal('cold start', median(samples.looper), 1.5 * median(samples.hono), 'ms');
}

/** Memory and CPU of idle servers that run side by side for `seconds`, after a while of rest. */
export async function measureIdle(report, { restSeconds, seconds }) {
  const homes = [];
  const start = async (name, env = {}) => {
    const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
    homes.push(home);
    return startServer(name, { ...SETTINGS, LOOPER_LOG_DIR: join(home, 'logs'), ...env }, home);
  };
  const servers = {
    node: await start('node'),
    hono: await start('hono'),
    looper: await start('looper', { LOOPER_STANDBY_RUNNER: '0' }),
    standby: await start('looper'),
  };
  for (const { url } of Object.values(servers)) await (await fetch(`${url}/health`)).text();
  await pause(restSeconds * 1000);
  const pss = (pid) => report.row(`idle PSS, ${labels.get(pid)}`, [pssMb(pid)], 'MB');
  const labels = new Map([
    [servers.node.pid, NAMES.node],
    [servers.hono.pid, NAMES.hono],
    [servers.looper.pid, NAMES.looper],
  ]);
  const [runner] = childrenOf(servers.standby.pid);
  labels.set(runner, 'the standby runner');
  pss(servers.node.pid);
  const hono = pss(servers.hono.pid);
  report.goal('idle PSS of the daemon', pss(servers.looper.pid), 1.5 * hono, 'MB');
  report.goal('idle PSS of the standby', pss(runner), 15, 'MB');

  const before = new Map([...labels.keys()].map((pid) => [pid, cpuMs(pid)]));
  await pause(seconds * 1000);
  const cpu = (pid) =>
    report.row(
      `idle CPU in 60 s, ${labels.get(pid)}`,
      [((cpuMs(pid) - before.get(pid)) * 60) / seconds],
      'ms',
    );
  cpu(servers.node.pid);
  const honoCpu = cpu(servers.hono.pid);
  report.goal('idle CPU of the daemon in 60 s', cpu(servers.looper.pid), 2 * honoCpu, 'ms');
  cpu(runner);
  for (const server of Object.values(servers)) await endServer(server);
  for (const home of homes) rmSync(home, { recursive: true });
}

/** Requests per second over 32 connections, one at a time on each. */
export async function measureRates(report, { repetitions, seconds }) {
  const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
  const env = { ...SETTINGS, LOOPER_LOG_DIR: join(home, 'logs'), LOOPER_API_TOKEN: TOKEN };
  const servers = Object.fromEntries(
    await Promise.all(
      Object.keys(NAMES).map(async (name) => [name, await startServer(name, env, home)]),
    ),
  );
  for (const [what, path] of Object.entries({ '200 of /health': '/health', refusals: '/runs' })) {
    const samples = await interleave(
      Object.fromEntries(
        Object.entries(servers).map(([name, { url }]) => [name, () => rate(url, path, seconds)]),
      ),
      repetitions,
    );
    for (const name of Object.keys(NAMES)) {
      report.row(`${what} a second, ${NAMES[name]}`, samples[name], '/s');
    }
  }
  for (const server of Object.values(servers)) await endServer(server);
  rmSync(home, { recursive: true });
}

async function rate(url, path, seconds) {
  const { port, host } = new URL(url);
  const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer wrong\r\n\r\n`;
  const deadline = performance.now() + seconds * 1000;
  let answers = 0;
  const sockets = Array.from({ length: 32 }, () => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(request));
    socket.setEncoding('latin1').on('data', (text) => {
      if (!text.includes('HTTP/1.1')) return;
      answers += 1;
      if (performance.now() < deadline) socket.write(request);
      else socket.destroy();
    });
    return once(socket, 'close');
  });
  await Promise.all(sockets);
  return answers / seconds;
}

/** Proportional set size: pages that processes share count in equal parts. */
function pssMb(pid) {
  return Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))[1]) / 1024;
}

/** User and system time of all its threads, from the scheduler: `stat` counts in steps of 10 ms. */
function cpuMs(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const ns = threads.map((task) => Number(read(pid, `task/${task}/schedstat`).split(' ')[0]));
  return ns.reduce((sum, value) => sum + value, 0) / 1e6;
}

function childrenOf(pid) {
  return read(pid, `task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
}

function read(pid, file) {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8');
}
