/** How long a trigger takes until the agent runs its first instruction, and until the answer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentPath, startDaemon, until } from './daemon.mjs';

/** As between two triggers of a person's; a standby needs about 40 ms to boot. */
const PAUSE_MS = 250;

export async function measureLaunch({ repetitions, standby, stale }) {
  const daemon = await startDaemon({ LOOPER_STANDBY_RUNNER: standby ? '1' : '0' });
  const toAgent = [];
  const toAnswer = [];
  try {
    daemon.setMode(stale ? 'wait' : 'quick');
    await daemon.trigger();
    for (let i = 0; i < repetitions; i += 1) {
      await until('the last agent', () => existsSync(daemon.agent.BENCH_STARTED));
      await pause();
      daemon.forget();
      const started = now();
      await daemon.trigger();
      toAnswer.push(now() - started);
      await until('the agent', () => existsSync(daemon.agent.BENCH_STARTED));
      toAgent.push(daemon.startedAt() - started);
    }
  } finally {
    await daemon.stop();
  }
  return { toAgent, toAnswer };
}

/** The floor: the same agent, spawned directly, detached, with a file for its output. */
export async function measureDirectSpawn(repetitions) {
  const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
  const file = join(home, 'started');
  const mode = join(home, 'mode');
  writeFileSync(mode, 'quick');
  const times = [];
  for (let i = 0; i < repetitions; i += 1) {
    await pause();
    const started = now();
    const child = spawn(agentPath, [], {
      detached: true,
      stdio: 'ignore',
      env: { PATH: process.env.PATH, BENCH_STARTED: file, BENCH_MODE: mode },
    });
    await once(child, 'exit');
    times.push(Number(readFileSync(file, 'utf8')) * 1000 - started);
  }
  rmSync(home, { recursive: true });
  return times;
}

/** Wall clock in fractional milliseconds: the agent is another process. */
function now() {
  return performance.timeOrigin + performance.now();
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
