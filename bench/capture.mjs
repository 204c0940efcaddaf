/** 200 MB of output into the run log, against the same agent with its output redirected to a file. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  createReadStream,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { agentPath, startDaemon } from './processes.mjs';
import { interleave, median } from './report.mjs';

const MB = 1024 ** 2;

export async function measureCapture(report, { repetitions, megabytes }) {
  const daemon = await startDaemon({ LOOPER_MAX_LOG_BYTES: String(4 * megabytes * MB) });
  try {
    daemon.setMode('flood');
    // Lines of text that differ, so that nothing lost or doubled leaves the sum as it is.
    const chunk = randomBytes((MB * 3) / 4 - 1);
    const lines = Array.from({ length: megabytes }, (_, i) => {
      chunk.writeUInt32LE(i);
      return `${chunk.toString('base64').slice(0, MB - 1)}\n`;
    });
    for (const line of lines) writeFileSync(daemon.agent.BENCH_FLOOD, line, { flag: 'a' });
    const sha256 = await hash(daemon.agent.BENCH_FLOOD, {});
    const cpuBefore = cpuMs(daemon.pid);
    const samples = await interleave(
      {
        ours: () => captureByRun(daemon, sha256),
        direct: () => captureDirectly(daemon, sha256),
      },
      repetitions,
    );
    const cpu = (cpuMs(daemon.pid) - cpuBefore) / repetitions;
    const direct = report.row(`${megabytes} MB into a redirect (floor)`, samples.direct, 'ms');
    const ours = report.row(`${megabytes} MB into a run's log`, samples.ours, 'ms');
    report.row('… CPU of the daemon for the whole run', [cpu], 'ms');
    report.goal('capture', ours, 1.1 * direct, 'ms');
    return { direct: median(samples.direct), ours };
  } finally {
    await daemon.stop();
  }
}

async function captureByRun(daemon, sha256) {
  daemon.forget();
  const { run_id: runId } = await daemon.trigger();
  const run = await daemon.finished(runId);
  const [turn] = run.turns;
  await check(run.log_path, { start: turn.log_start, end: turn.log_end - 1 }, sha256);
  rmSync(run.log_path);
  return duration(daemon);
}

async function captureDirectly(daemon, sha256) {
  daemon.forget();
  const log = join(daemon.home, 'direct.log');
  const fd = openSync(log, 'a');
  const child = spawn(agentPath, [], {
    detached: true,
    stdio: ['ignore', fd, fd],
    env: { PATH: process.env.PATH, ...daemon.agent },
  });
  await once(child, 'exit');
  closeSync(fd);
  await check(log, {}, sha256);
  rmSync(log);
  return duration(daemon);
}

/** By the agent's own clock: from its first instruction to its last. */
function duration({ agent, startedAt }) {
  return Number(readFileSync(`${agent.BENCH_STARTED}.end`, 'utf8')) * 1000 - startedAt();
}

async function check(path, range, expected) {
  if ((await hash(path, range)) !== expected) throw new Error(`${path} is not what was printed`);
}

async function hash(path, range) {
  const sum = createHash('sha256');
  for await (const chunk of createReadStream(path, range)) sum.update(chunk);
  return sum.digest('hex');
}

function cpuMs(pid) {
  const [, user, system] = /\) \S(?: \S+){10} (\d+) (\d+)/.exec(
    readFileSync(`/proc/${pid}/stat`, 'latin1'),
  );
  return (Number(user) + Number(system)) * 10;
}
