/** Starts what a benchmark measures: our service or a floor, each with its own home and a free port. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
export const agentPath = path('./agent.sh');
export const SERVERS = {
  looper: [path('../dist/cli.js'), 'serve'],
  hono: [path('./floor/hono-server.mjs')],
  node: [path('./floor/node-server.mjs')],
};

/** Starts one of `SERVERS` and waits until it has said where it listens. */
export async function startServer(name, env, cwd) {
  const child = spawn(process.execPath, SERVERS[name], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, HOME: cwd, LOOPER_PORT: '0', ...env },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const url = await until(`${name} to listen`, () => {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${output}`);
    return /listens on (\S+)/.exec(output)?.[1];
  });
  return { url, pid: child.pid, child };
}

export async function endServer({ child }) {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Our service with the stand-in agent; stops nothing but what works in its own workspace. */
export async function startDaemon(env = {}) {
  const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
  const workspace = join(home, 'workspace');
  mkdirSync(workspace);
  const agent = {
    BENCH_STARTED: join(home, 'started'),
    BENCH_MODE: join(home, 'mode'),
    BENCH_FLOOD: join(home, 'flood'),
  };
  const server = await startServer(
    'looper',
    {
      ...agent,
      LOOPER_LOG_DIR: join(home, 'logs'),
      LOOPER_ENV_FILE: '/dev/null',
      LOOPER_WORKSPACE: workspace,
      LOOPER_KILL_SCOPE: 'workspace',
      LOOPER_AUTO_START_WHEN_IDLE: '0',
      CODEX_EXEC_BINARY: agentPath,
      CODEX_EXEC_STARTUP_CHECK_SECONDS: '0',
      ...env,
    },
    home,
  );
  const { url, pid } = server;
  const run = async (id) => (await (await fetch(`${url}/runs/${id}`)).json()).run;
  return {
    url,
    pid,
    home,
    workspace,
    agent,
    setMode: (mode) => writeFileSync(agent.BENCH_MODE, mode),
    /** When the last agent ran its first instruction; milliseconds since the epoch. */
    startedAt: () => Number(readFileSync(agent.BENCH_STARTED, 'utf8')) * 1000,
    forget: () => rmSync(agent.BENCH_STARTED, { force: true }),
    trigger: async (body = { codex_prompt: 'bench' }) => {
      const response = await fetch(`${url}/run`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ zulip_message: 'bench', ...body }),
      });
      const answer = await response.json();
      if (response.status !== 200) throw new Error(answer.error);
      return answer;
    },
    /** Asks rarely: what is measured are the agent's and the record's own times. */
    finished: (id) =>
      until(
        `run ${id} to end`,
        async () => {
          const record = await run(id);
          return record.status === 'finished' ? record : null;
        },
        { everyMs: 25 },
      ),
    stop: async () => {
      await endServer(server);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Polls until `probe` answers something; fails aloud after the deadline. */
export async function until(what, probe, { everyMs = 1, timeoutMs = 60_000 } = {}) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await pause(everyMs);
  }
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Wall clock in fractional milliseconds, comparable between processes. */
export function now() {
  return performance.timeOrigin + performance.now();
}
