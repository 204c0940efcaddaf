/** Starts the built daemon for a benchmark: its own home, a free port, nothing but its own agents. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
export const agentPath = path('./agent.sh');
const cliPath = path('../dist/cli.js');
const FLOOD_BYTES = 200 * 1024 * 1024;

export async function startDaemon(env = {}) {
  const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
  const workspace = join(home, 'workspace');
  mkdirSync(workspace);
  const agent = {
    BENCH_STARTED: join(home, 'started'),
    BENCH_MODE: join(home, 'mode'),
    BENCH_FLOOD_BYTES: String(FLOOD_BYTES),
  };
  const child = spawn(process.execPath, [cliPath, 'serve'], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      HOME: home,
      ...agent,
      LOOPER_LOG_DIR: join(home, 'logs'),
      LOOPER_ENV_FILE: '/dev/null',
      LOOPER_PORT: '0',
      LOOPER_WORKSPACE: workspace,
      LOOPER_KILL_SCOPE: 'owned',
      LOOPER_AUTO_START_WHEN_IDLE: '0',
      LOOPER_MAX_LOG_BYTES: String(4 * FLOOD_BYTES),
      CODEX_EXEC_BINARY: agentPath,
      CODEX_EXEC_STARTUP_CHECK_SECONDS: '0',
      ...env,
    },
  });
  let output = '';
  let url;
  for await (const chunk of child.stdout) {
    output += chunk;
    url = /listens on (\S+)/.exec(output)?.[1];
    if (url !== undefined && output.includes('curl')) break;
  }
  if (url === undefined) throw new Error(`the daemon did not start: ${output}`);
  return {
    url,
    home,
    agent,
    pid: child.pid,
    setMode: (mode) => writeFileSync(agent.BENCH_MODE, mode),
    startedAt: () => Number(readFileSync(agent.BENCH_STARTED, 'utf8')) * 1000,
    forget: () => rmSync(agent.BENCH_STARTED, { force: true }),
    trigger: async () => {
      const response = await fetch(`${url}/run`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ zulip_message: 'bench', codex_prompt: 'bench' }),
      });
      const body = await response.json();
      if (response.status !== 200) throw new Error(body.error);
      return body;
    },
    run: async (id) => (await (await fetch(`${url}/runs/${id}`)).json()).run,
    stop: async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Polls until `probe` answers something; fails aloud after the deadline. */
export async function until(what, probe, timeoutMs = 20_000) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
