/** How long a trigger takes until the agent runs its first instruction, and until the answer. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentPath, now, pause, startDaemon, until } from './processes.mjs';
import { interleave, median } from './report.mjs';

/** As between two triggers of a person's; a standby needs about 40 ms to boot. */
const PAUSE_MS = 250;
/** How much later than its agent's start a trigger may be answered. */
const RESPONSE_SURPLUS_MS = 3;

export async function measureLaunch(report, { repetitions }) {
  const chat = await startChat();
  const daemons = [];
  const start = async (env) => (daemons.push(await startDaemon(env)), daemons.at(-1));
  const zulip = (delay) => ({
    ZULIP_SITE: chat.url,
    ZULIP_BOT_EMAIL: `after-${delay}@bench.invalid`,
    ZULIP_BOT_API_KEY: 'bench',
    ZULIP_STREAM: 'bench',
    ZULIP_TOPIC: 'bench',
  });
  const standby = await start();
  const cold = await start({ LOOPER_STANDBY_RUNNER: '0' });
  const cases = {
    '0 stale, with standby': { daemon: standby, stale: 0 },
    '0 stale, without standby': { daemon: cold, stale: 0 },
    '1 stale, with standby': { daemon: standby, stale: 1 },
    '1 stale, without standby': { daemon: cold, stale: 1 },
    '20 stale, with standby': { daemon: standby, stale: 20 },
    '20 stale, without standby': { daemon: cold, stale: 20 },
    'announced at once': { daemon: await start(zulip(0)), stale: 0, announceMs: 0 },
    'announced within 50 ms': { daemon: await start(zulip(50)), stale: 0, announceMs: 50 },
    'an active run replaced': { daemon: await start(), stale: 0, replaces: true },
  };
  try {
    const direct = createDirectSpawn();
    const { spawned, nodeStart, cleaned1, cleaned20 } = await interleave(
      {
        spawned: () => direct.measure(),
        nodeStart: measureNodeStart,
        cleaned1: () => measureCleanUp(1),
        cleaned20: () => measureCleanUp(20),
      },
      repetitions,
    );
    direct.remove();
    report.row('agent spawned directly (floor)', spawned, 'ms');
    report.row('a bare Node start (floor)', nodeStart, 'ms');
    report.row('1 stale agent interrupted until gone (floor)', cleaned1, 'ms');
    report.row('20 stale agents interrupted until gone (floor)', cleaned20, 'ms');
    const floors = { 0: 0, 1: median(cleaned1), 20: median(cleaned20) };

    const samples = await interleave(
      Object.fromEntries(
        Object.entries(cases).map(([label, options]) => [label, () => measureTrigger(options)]),
      ),
      repetitions,
    );
    for (const [label, { daemon, stale, announceMs, replaces }] of Object.entries(cases)) {
      const toAgent = samples[label].map((sample) => sample.toAgent);
      const toAnswer = samples[label].map((sample) => sample.toAnswer);
      const agent = report.row(`trigger → agent's first instruction, ${label}`, toAgent, 'ms');
      const answer = report.row(`trigger → response, ${label}`, toAnswer, 'ms');
      if (replaces) continue;
      const limit =
        (announceMs ?? 0) +
        floors[stale] +
        2 * median(spawned) +
        (daemon === cold ? median(nodeStart) : 0);
      report.goal(`trigger → agent, ${label}`, agent, limit, 'ms');
      report.goal(`trigger → response, ${label}`, answer, agent + RESPONSE_SURPLUS_MS, 'ms');
    }
  } finally {
    for (const daemon of daemons) await daemon.stop();
    chat.stop();
  }
}

async function measureTrigger({ daemon, stale, replaces = false }) {
  daemon.setMode(replaces ? 'wait' : 'quick');
  if (replaces && !existsSync(daemon.agent.BENCH_STARTED)) await daemon.trigger();
  const agents = await startStale(stale, daemon.workspace);
  await pause(PAUSE_MS);
  daemon.forget();
  const started = now();
  const { run_id: runId } = await daemon.trigger();
  const toAnswer = now() - started;
  await until('the agent', () => existsSync(daemon.agent.BENCH_STARTED));
  await until('stale agents to be gone', () => agents.every(hasEnded));
  if (!replaces) await daemon.finished(runId);
  return { toAgent: daemon.startedAt() - started, toAnswer };
}

/**
 * `codex exec` by its arguments, at work in the workspace: what a crashed session leaves behind. It
 * is `cat` that waits for a writer, and dies at once.
 */
async function startStale(count, workspace) {
  const pipe = join(workspace, 'exec');
  if (!existsSync(pipe)) execFileSync('mkfifo', [pipe]);
  const agents = Array.from({ length: count }, () =>
    spawn('cat', ['exec'], { argv0: 'codex', cwd: workspace, detached: true, stdio: 'ignore' }),
  );
  await Promise.all(agents.map((agent) => once(agent, 'spawn')));
  return agents;
}

function hasEnded({ exitCode, signalCode }) {
  return exitCode !== null || signalCode !== null;
}

async function measureCleanUp(count) {
  const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
  const agents = await startStale(count, home);
  await pause(PAUSE_MS);
  const started = now();
  const gone = Promise.all(agents.map((agent) => once(agent, 'exit')));
  for (const agent of agents) agent.kill('SIGINT');
  await gone;
  const ms = now() - started;
  rmSync(home, { recursive: true });
  return ms;
}

/** The same agent, spawned directly, detached, with nobody around it. */
function createDirectSpawn() {
  const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
  const file = join(home, 'started');
  const mode = join(home, 'mode');
  writeFileSync(mode, 'quick');
  return {
    measure: async () => {
      await pause(PAUSE_MS);
      const started = now();
      const child = spawn(agentPath, [], {
        detached: true,
        stdio: 'ignore',
        env: { PATH: process.env.PATH, BENCH_STARTED: file, BENCH_MODE: mode },
      });
      await once(child, 'exit');
      return Number(readFileSync(file, 'utf8')) * 1000 - started;
    },
    remove: () => rmSync(home, { recursive: true }),
  };
}

async function measureNodeStart() {
  const started = now();
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  await once(child, 'exit');
  return now() - started;
}

/** Answers as Zulip does, after the delay that the sender's address names. */
async function startChat() {
  const server = createServer((request, response) => {
    const [, basic = ''] = (request.headers.authorization ?? '').split(' ');
    const [, delay = '0'] = /after-(\d+)@/.exec(Buffer.from(basic, 'base64').toString()) ?? [];
    request.resume().on('end', () => {
      setTimeout(() => {
        response.setHeader('Content-Type', 'application/json');
        response.end('{"result":"success","msg":"","id":1}');
      }, Number(delay));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
